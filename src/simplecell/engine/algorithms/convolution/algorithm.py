"""What a convolution's algorithm answers, besides what every algorithm does."""

from __future__ import annotations

from typing import Any

from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.algorithm import Algorithm
from simplecell.engine.planning.setting import Setting
from simplecell.precision import Precision


class ConvolutionAlgorithm(Algorithm[ConvolutionProblem]):
    """One way to compute convolutions."""

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[Any]:
        """Kernels, schedules and sizes for a problem that it does not refuse.

        Args:
            dst_pixel: values from one pixel of dst to the next: `problem.oc`, or more where dst is a part of a
                concatenation.
        """
        raise NotImplementedError

    def error(self, precision: Precision) -> float:
        """The largest error that the algorithm brings in, as a share of the largest output. What float32 does to direct
        sums comes on top of it."""
        return 0.0

    def refuses_pool(self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue | None) -> str | None:
        """Why the problem's pool cannot be had with the convolution, or None."""
        return "it stores every pixel"
