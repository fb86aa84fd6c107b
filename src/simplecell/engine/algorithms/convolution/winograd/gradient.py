"""The gradient of a convolution for its weights by Winograd's transforms."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.gradient_weights.algorithm import (
    GradientWeightsAlgorithm,
    GradientWeightsPlan,
)
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.costs import TIGHT_POINTS, WORTH_FLOPS
from simplecell.engine.algorithms.convolution.winograd.gradient_kernel import WinogradGradientKernel
from simplecell.engine.algorithms.convolution.winograd.gradient_schedule import (
    blocking,
    count_of,
    dimensions_of,
    schedule,
)
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.planning.setting import Setting


class WinogradGradientWeights(GradientWeightsAlgorithm):
    """The adjoint of F(outputs, taps): patches of src and of diff_dst are transformed, and multiplied at the points.

    What the patches give is summed at the points, and transformed back once, at the end.
    """

    def __init__(self, outputs: int, taps: int) -> None:
        self.transform = Transform(outputs, taps)
        self.name = f"winograd F({outputs},{taps})"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        p, t, lanes = problem, self.transform, setting.target.lanes
        if setting.precision == "exact":
            return "precision is exact"
        if setting.precision == "tight" and t.points > TIGHT_POINTS:
            return "precision is tight"
        square, row = (1, t.taps, t.taps), (1, 1, t.taps)
        if p.kernel not in (square, row) or (p.kernel[1] == 1 and p.src[1] > 1) or p.src[0] > 1:
            return f"the kernel is not {t.taps}×{t.taps}, nor {t.taps} in one dimension"
        if any(k == 1 and low + high > 0 for k, low, high in zip(p.kernel, p.low, p.high)):
            return "an axis that the kernel does not span is padded"
        if p.strides != (1, 1, 1) or p.dilation != (1, 1, 1):
            return "it has strides or dilation"
        if p.groups > 1:
            return "it has groups"
        if min(p.ic, p.oc) < lanes:
            return f"fewer than {lanes} channels"
        if p.flops < WORTH_FLOPS:
            return "too little work to pay for compiling it"
        if blocking(p, t, setting.target, 1) is None:
            return "its scratch does not fit L2"
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        cut = blocking(problem, self.transform, setting.target, 1)
        assert cut is not None
        return cut.cost

    def plan(self, problem: ConvolutionProblem, setting: Setting) -> GradientWeightsPlan[WinogradGradientKernel]:
        p, t = problem, self.transform
        cut = blocking(p, t, setting.target, setting.threads)
        assert cut is not None
        given = schedule(p, t, cut, setting.target.lanes)
        marks = ceil_div(count_of(p, t) // given.parts + 1, 4)  # bytes, in words
        return GradientWeightsPlan(
            WinogradGradientKernel(t, cut.tile, dimensions_of(p), setting.local),
            given,
            4 * (given.marks + marks),
            title=f"{self.name} gradient for weights {cut.tile}",
            reason=f"blocks of {cut.ic_block}×{cut.oc_block} channels, {cut.patches} patches at a time",
            parts=given.parts,
        )
