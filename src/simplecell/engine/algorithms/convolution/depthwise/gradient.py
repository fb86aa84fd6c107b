"""The gradients of depthwise convolution.

Without strides, the gradient for src slides the window turned round, by the kernels of forward. With strides, every
output of the gradient sees only some of the taps, the same ones for every stride-th output: so it falls into phases,
windows without strides whose outputs lie `stride` pixels apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from simplecell.engine.algorithms.convolution.depthwise.algorithm import any_window, how, not_depthwise, unrolled
from simplecell.engine.algorithms.convolution.depthwise.costs import sliding_ns
from simplecell.engine.algorithms.convolution.depthwise.gradient_src_kernel import DepthwiseGradientSrcKernel, Phase
from simplecell.engine.algorithms.convolution.depthwise.gradient_weights_kernel import DepthwiseGradientWeightsKernel
from simplecell.engine.algorithms.convolution.depthwise.schedule import (
    DepthwiseSchedule,
    GradientWeightsSchedule,
    OnePassSchedule,
    WeightStrides,
    columns_of,
    window_of,
)
from simplecell.engine.algorithms.convolution.gradient_src.algorithm import GradientSrcAlgorithm
from simplecell.engine.algorithms.convolution.gradient_src.problem import GradientSrcProblem
from simplecell.engine.algorithms.convolution.gradient_weights.algorithm import (
    GradientWeightsAlgorithm,
    GradientWeightsPlan,
)
from simplecell.engine.algorithms.convolution.phases import AxisPhase, phases
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.sliding import MOST_COLUMNS, MOST_PIXELS, Axis, Sliding
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.window import plan_columns
from simplecell.engine.planning.algorithm import Choice, Plan
from simplecell.engine.planning.groups import AnchoredGroup
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

MOST_PHASES = 3
"""of a row that are written out in one kernel"""


@dataclass(frozen=True)
class GradientSrcPlan(Plan[Any]):
    """A kernel that computes all of diff_src or a part of it."""

    flops: int = 0
    nbytes: int = 0
    """that it reads and writes"""
    dst: int = 0
    weights: int = 0
    """bytes from the beginning of diff_src and of the weights to what it writes and reads"""


class _DepthwiseGradientSrc(GradientSrcAlgorithm):
    """One way to compute the gradient of a depthwise convolution for src."""

    decisive = True

    def refuses(self, problem: GradientSrcProblem, setting: Setting) -> str | None:
        return not_depthwise(problem.op.groups, problem.ic)

    def cost(self, problem: GradientSrcProblem, setting: Setting) -> float:
        p, diff_dst = problem, prod(problem.diff_dst)
        diff_src = p.diff_dst[0] * prod(p.op.src_spatial) * p.ic
        return sliding_ns(2 * prod(p.weights[:-2]) * diff_dst, 4 * (diff_dst + diff_src))

    def plans(self, problem: GradientSrcProblem, setting: Setting, epilogue: Epilogue) -> Iterator[GradientSrcPlan]:
        """Kernels that together compute it, in any order."""
        raise NotImplementedError

    def append(
        self, ctx: Lowering, group: AnchoredGroup, problem: GradientSrcProblem, choice: Choice[GradientSrcProblem]
    ) -> None:
        diff_dst, weights = group.anchor.inputs
        epilogue, operands = ctx.epilogue(group)
        for plan in self.plans(problem, ctx.setting, epilogue):
            # Operands of the gradient's own shape are read where it is written.
            given: dict[str, Any] = {
                e: at + plan.dst if kind == "full" else at for (e, at), kind in zip(operands.items(), epilogue.kinds)
            }
            ctx.step(
                plan.kernel,
                algorithm=plan.title,
                reason=plan.reason,
                considered=choice.considered,
                shapes=str(problem),
                flops=plan.flops,
                nbytes=plan.nbytes,
                src=ctx.address(diff_dst),
                weights=ctx.address(weights) + plan.weights,
                dst=ctx.address(group.output) + plan.dst,
                **plan.schedule.arguments(),
                **given,
            )


class DepthwiseOnePass(_DepthwiseGradientSrc):
    """All phases of the strides in one pass over the rows, if their columns can be unrolled."""

    name = "depthwise in one pass"

    def refuses(self, problem: GradientSrcProblem, setting: Setting) -> str | None:
        depth, height, width = problem.axes
        refusal = not_depthwise(problem.op.groups, problem.ic)
        if refusal is not None:
            return refusal
        if problem.oc != problem.ic:
            return "a channel multiplier"
        if depth != Axis():
            return "three dimensions"
        if height.dilation != 1:
            return "dilated rows"
        if height.stride == 1 == width.stride:
            return "no strides"
        found = _phases_of_a_row(width, setting.target)
        return found if isinstance(found, str) else None

    def plans(self, problem: GradientSrcProblem, setting: Setting, epilogue: Epilogue) -> Iterator[GradientSrcPlan]:
        n, channels, (_, h, w) = problem.diff_dst[0], problem.ic, problem.axes
        found = _phases_of_a_row(w, setting.target)
        assert not isinstance(found, str)
        rows, columns = (Axis(a.outputs, a.size, ceil_div(a.taps, a.stride)) for a in (h, w))
        cut = Sliding(n, Axis(), rows, columns, channels, channels).schedule(setting).extents
        yield GradientSrcPlan(
            DepthwiseGradientSrcKernel(found, w.taps, channels % setting.target.lanes != 0, epilogue),
            OnePassSchedule(
                n, h.outputs, w.outputs, h.size, w.size, channels, cut.block, cut.strip, h.taps, h.stride, h.pad
            ),
            title="depthwise gradient for src",
            reason="all phases of the strides in one pass over the rows",
            flops=2 * h.taps * w.taps * prod(problem.diff_dst),
            nbytes=4 * (prod(problem.diff_dst) + n * h.size * w.size * channels),
        )


class DepthwiseByPhases(_DepthwiseGradientSrc):
    """A step for each phase of the strides: the window turned round."""

    name = "depthwise by phases"

    def plans(self, problem: GradientSrcProblem, setting: Setting, epilogue: Epilogue) -> Iterator[GradientSrcPlan]:
        for phase in product(*map(phases, problem.axes)):
            yield self._plan(problem, setting, epilogue, phase)

    def _plan(
        self, problem: GradientSrcProblem, setting: Setting, epilogue: Epilogue, phase: Sequence[AxisPhase]
    ) -> GradientSrcPlan:
        p, n, (d, h, w), target = problem, problem.diff_dst[0], problem.axes, setting.target
        pixels = (h.size * w.size * p.ic, w.size * p.ic, p.ic)
        taps = (h.taps * w.taps * p.oc, w.taps * p.oc, p.oc)
        plane, row, pixel = (distance * a.stride for distance, a in zip(pixels, p.axes))
        depth, height, width = (x.window for x in phase)
        window = Sliding(n, depth, height, width, p.oc, p.ic, (d.size * pixels[0], plane, row, pixel))
        kernel = unrolled(window, target, epilogue)
        outputs = n * depth.outputs * height.outputs * width.outputs * p.ic
        what = f"groups = input channels; {how(kernel)}" if kernel else f"unrolled: {columns_of(window, target)}"
        return GradientSrcPlan(
            kernel or any_window(window, target, epilogue),
            DepthwiseSchedule(
                window.schedule(setting, columns=kernel is None),
                WeightStrides(*(-x.tap_stride * t for x, t in zip(phase, taps))),
            ),
            title="depthwise gradient for src",
            reason=f"the window turned round, by phases of the strides; {what}",
            flops=2 * window.taps * outputs,
            nbytes=4 * outputs * 2,
            dst=4 * sum(x.first * distance for x, distance in zip(phase, pixels)),
            weights=4 * sum(x.tap * t for x, t in zip(phase, taps)),
        )


def _phases_of_a_row(w: Axis, target: Target) -> tuple[Phase, ...] | str:
    """The phases along the width, or why they cannot all be unrolled in one kernel."""
    if w.taps > MOST_COLUMNS:
        return f"{w.taps} columns are too many to unroll"
    if w.stride > min(MOST_PHASES, w.size):
        return f"{w.stride} phases in a row of {w.size}"
    found = []
    for phase in phases(w):
        window = phase.window
        most = min(MOST_PIXELS, target.registers - window.taps - 3)
        columns = plan_columns(window.taps, 1, window.dilation, window.pad, window.size, window.outputs, most)
        if isinstance(columns, str):
            return columns
        found.append(Phase(columns, window.pad, phase.tap, phase.tap_stride))
    return tuple(found)


class DepthwiseGradientWeights(GradientWeightsAlgorithm):
    """The gradient for the weights by blocks of channels, with the sums of a row in registers."""

    name = "depthwise"
    decisive = True

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return not_depthwise(problem.groups, problem.ic)

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return sliding_ns(problem.flops, problem.nbytes)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting
    ) -> GradientWeightsPlan[DepthwiseGradientWeightsKernel]:
        p, window, target = problem, window_of(problem, problem.oc), setting.target
        width = window.width
        # Registers: taps × split sums, `split` vectors of diff_dst, one of src, one product.
        taps = max(t for t in range(1, 9) if width.taps % t == 0 and 2 * t + 4 <= target.registers)
        split = max(1, min(4, (target.registers - 2) // (taps + 1)))
        rows = 4 * (window.height.taps + 1) * window.depth.taps * width.size
        wanted = min(ceil_div(p.oc, setting.threads), max(target.l2 // 2 // rows, 4 * target.lanes))
        block = round_up(wanted, target.lanes)
        return GradientWeightsPlan(
            DepthwiseGradientWeightsKernel(
                taps, split, width.stride, width.dilation, window.planes, p.oc // p.ic, p.oc % target.lanes != 0
            ),
            GradientWeightsSchedule(window.cut(block, block), width.size, width.taps),
            title="depthwise gradient for weights",
            reason="groups = input channels; by blocks of channels, a row's sums in registers",
        )
