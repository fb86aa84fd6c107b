"""Depthwise convolution, and groups of few channels: windows that slide channel by channel, by weights as they are."""

from __future__ import annotations

from dataclasses import replace

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.depthwise.costs import MOST_PRODUCTS, sliding_ns
from simplecell.engine.algorithms.convolution.depthwise.kernel import DepthwiseAny, DepthwiseForward
from simplecell.engine.algorithms.convolution.depthwise.schedule import (
    DepthwiseSchedule,
    WeightStrides,
    columns_of,
    rows_together,
    window_of,
)
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.sliding import MOST_PIXELS, Axis, Sliding
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.window import WindowColumns
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

LEAST_ROW, MOST_ROW = 16, 64
"""pixels of a row that a pointwise convolution's are cut into, if their number can be divided so"""


class SlidingAlgorithm(ConvolutionAlgorithm):
    """Windows that slide: nothing else need be asked where they can."""

    decisive = True

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return sliding_ns(problem.flops, problem.nbytes)


class Depthwise(SlidingAlgorithm):
    """Groups of one input channel each; the window's columns are unrolled."""

    name = "depthwise"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        refusal = not_depthwise(problem.groups, problem.ic)
        columns = refusal or columns_of(window_of(problem, problem.oc), setting.target)
        return columns if isinstance(columns, str) else None

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[DepthwiseForward]:
        window = window_of(problem, dst_pixel)
        kernel = unrolled(window, setting.target, epilogue)
        assert kernel is not None
        return ConvolutionPlan(
            kernel,
            DepthwiseSchedule(window.schedule(setting), WeightStrides.of(window)),
            title=self.name,
            reason=f"groups = input channels; {how(kernel)}",
        )


class DepthwiseAnyWindow(SlidingAlgorithm):
    """Groups of one input channel each, with everything about the window known only at run time."""

    name = "depthwise any window"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return not_depthwise(problem.groups, problem.ic)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[DepthwiseAny]:
        window = window_of(problem, dst_pixel)
        return ConvolutionPlan(
            any_window(window, setting.target, epilogue),
            DepthwiseSchedule(window.schedule(setting, columns=True), WeightStrides.of(window)),
            title=self.name,
            reason="groups = input channels",
        )


class Grouped(SlidingAlgorithm):
    """Groups of few channels: the depthwise kernel, summing over the inputs of a group. It reads a vector of inputs
    once for each of them and shuffles; direct convolution would multiply zeros in all lanes of the other groups."""

    name = "grouped"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        p, lanes = problem, setting.target.lanes
        inputs, outputs = p.ic // p.groups, p.oc // p.groups
        if p.groups == 1 or inputs == 1:
            return "each group has one input" if p.groups > 1 else "one group"
        if lanes % outputs or 2 * outputs > lanes or inputs > outputs or p.oc % lanes:
            return f"{inputs} → {outputs} channels in a group do not fit vectors of {lanes}"
        window = _grouped_window(p, p.oc)
        columns = _grouped_columns(window, setting.target)
        if isinstance(columns, str):
            return columns
        if window.width.taps * inputs > MOST_PRODUCTS:
            return f"{window.width.taps} × {inputs} products are too many to unroll"
        return None

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[DepthwiseForward]:
        p, window = problem, _grouped_window(problem, dst_pixel)
        inputs, outputs = p.ic // p.groups, p.oc // p.groups
        columns = _grouped_columns(window, setting.target)
        assert isinstance(columns, WindowColumns)
        kernel = DepthwiseForward(columns, window.planes, outputs, False, epilogue, inputs)
        return ConvolutionPlan(
            kernel,
            DepthwiseSchedule(window.schedule(setting), WeightStrides.of(window, inputs)),
            title=self.name,
            reason=f"{setting.target.lanes // outputs} groups share a vector; {how(kernel)}",
        )


def not_depthwise(groups: int, ic: int) -> str | None:
    """Why the groups are not of one input channel each, or None."""
    if groups == 1:
        return "one group"
    return f"{groups} groups for {ic} input channels" if groups != ic else None


def unrolled(window: Sliding, target: Target, epilogue: Epilogue) -> DepthwiseForward | None:
    """The kernel whose columns are unrolled, where they can be."""
    columns, multiplier = columns_of(window, target), max(window.oc // max(window.ic, 1), 1)
    if isinstance(columns, str):
        return None
    together, ragged = rows_together(window, target), window.oc % target.lanes != 0
    return DepthwiseForward(columns, window.planes, multiplier, ragged, epilogue, together=together)


def how(kernel: DepthwiseForward) -> str:
    """For `describe`."""
    return "columns unrolled, borders known" + (", two rows at a time" if kernel.together == 2 else "")


def any_window(window: Sliding, target: Target, epilogue: Epilogue) -> DepthwiseAny:
    """The kernel for any window. Where src has more channels than dst, each output sums several of them."""
    multiplier, summed = (max(a // max(b, 1), 1) for a, b in ((window.oc, window.ic), (window.ic, window.oc)))
    pixels = 2 if summed > 1 else 4 if multiplier > 1 else MOST_PIXELS
    return DepthwiseAny(pixels, window.planes, multiplier, window.oc % target.lanes != 0, epilogue, summed)


def _grouped_window(problem: ConvolutionProblem, dst_pixel: int) -> Sliding:
    """The window; for a pointwise convolution, whose pixels are one long row, over rows that threads can divide."""
    window, pixels = window_of(problem, dst_pixel), problem.dst[2]
    if problem.taps > 1 or problem.pixels > pixels:
        return window
    width = next((w for w in range(min(MOST_ROW, pixels), LEAST_ROW, -1) if pixels % w == 0), pixels)
    rows = pixels // width
    strides = (pixels * dst_pixel, pixels * dst_pixel, width * dst_pixel, dst_pixel)
    return replace(window, height=Axis(rows, rows), width=Axis(width, width), dst_strides=strides)


def _grouped_columns(window: Sliding, target: Target) -> WindowColumns | str:
    return window.columns(min(MOST_PIXELS, target.registers - window.width.taps - 4))
