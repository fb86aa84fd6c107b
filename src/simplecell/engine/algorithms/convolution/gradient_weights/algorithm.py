"""What an algorithm for the gradient of a convolution for its weights answers, besides what every algorithm does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.planning.algorithm import Algorithm, K, Plan
from simplecell.engine.planning.setting import Setting


@dataclass(frozen=True)
class GradientWeightsPlan(Plan[K]):
    """The kernel of all the work but the sum of the parts."""

    parts: int = 1
    """gradients that the kernel writes, each the sum over a share of the pixels; a function of the problem alone, since
    it decides the order of summing"""


class GradientWeightsAlgorithm(Algorithm[ConvolutionProblem]):
    """One way to compute the gradient for the weights. The problem is the convolution's, made with
    `across_images=False`."""

    def plan(self, problem: ConvolutionProblem, setting: Setting) -> GradientWeightsPlan[Any]:
        """Kernel, schedule and sizes for a problem that it does not refuse."""
        raise NotImplementedError
