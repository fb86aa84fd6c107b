"""What an algorithm for the gradient of a convolution for its input answers, besides what every algorithm does."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.gradient_src.problem import GradientSrcProblem
from simplecell.engine.planning.algorithm import Algorithm, Choice
from simplecell.engine.planning.groups import AnchoredGroup
from simplecell.engine.planning.lowering import Lowering


class GradientSrcAlgorithm(Algorithm[GradientSrcProblem]):
    """One way to compute the gradient for the input: by one convolution or by several."""

    def append(
        self, ctx: Lowering, group: AnchoredGroup, problem: GradientSrcProblem, choice: Choice[GradientSrcProblem]
    ) -> None:
        """Append the steps. `problem` is the group's, which may stand for some images; the choice was made for all."""
        raise NotImplementedError
