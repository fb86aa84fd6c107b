"""The gradient for the input as a convolution with the weights turned round."""

from __future__ import annotations

from dataclasses import replace

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.gradient_src.algorithm import GradientSrcAlgorithm
from simplecell.engine.algorithms.convolution.gradient_src.problem import GradientSrcProblem
from simplecell.engine.algorithms.convolution.gradient_src.weights import Taps, turned
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.table import convolve
from simplecell.engine.planning.algorithm import Choice
from simplecell.engine.planning.groups import AnchoredGroup
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.planning.setting import Setting
from simplecell.graph.tensor import Node, placeholder
from simplecell.ops.base import Spec


class Turned(GradientSrcAlgorithm):
    """Without strides, the gradient is a convolution of diff_dst with the weights turned round, padded with what the
    kernel reaches over. Each algorithm for convolutions is one for the gradient, too."""

    def __init__(self, algorithm: ConvolutionAlgorithm) -> None:
        self.algorithm, self.name = algorithm, algorithm.name

    def refuses(self, problem: GradientSrcProblem, setting: Setting) -> str | None:
        made = problem.convolution
        return made if isinstance(made, str) else self.algorithm.refuses(made, setting)

    def cost(self, problem: GradientSrcProblem, setting: Setting) -> float:
        assert isinstance(problem.convolution, ConvolutionProblem)
        return self.algorithm.cost(problem.convolution, setting)

    def append(
        self, ctx: Lowering, group: AnchoredGroup, problem: GradientSrcProblem, choice: Choice[GradientSrcProblem]
    ) -> None:
        diff_dst, weights = group.anchor.inputs
        taps = [Taps(k, k - 1) for k in weights.shape[:-2]]
        source = placeholder(Spec(problem.turned_shape), "turned weights")
        ctx.view(source, ctx.once((weights, "turned"), lambda: turned(ctx, weights, problem.op.groups, taps)))
        forward = replace(group, anchor=Node(problem.turned, (diff_dst, source), group.anchor.scope))
        made = choice.problem.convolution
        assert isinstance(made, ConvolutionProblem)
        convolve(ctx, forward, Choice(made, self.algorithm, choice.cost, choice.considered))
