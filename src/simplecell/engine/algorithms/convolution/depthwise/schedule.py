"""The sliding window of a depthwise convolution, how it is cut into tiles, and what its kernels are given."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.depthwise.costs import (
    MOST_PIXELS_STREAMED,
    MOST_TAPS_STREAMED,
    ROWS_SHARED,
)
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.sliding import MOST_PIXELS, Axis, Sliding, SlidingSchedule
from simplecell.engine.code.window import WindowColumns
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target


def axes_of(problem: ConvolutionProblem) -> tuple[Axis, Axis, Axis]:
    """The window along depth, height and width."""
    p = problem
    depth, height, width = map(Axis, p.src, p.dst, p.kernel, p.strides, p.dilation, p.low)
    return depth, height, width


def window_of(problem: ConvolutionProblem, dst_pixel: int) -> Sliding:
    """The window of a convolution. dst_pixel: values from one pixel of dst to the next."""
    p, (od, oh, ow) = problem, problem.dst
    strides = (od * oh * ow * dst_pixel, oh * ow * dst_pixel, ow * dst_pixel, dst_pixel) if dst_pixel != p.oc else None
    return Sliding(p.n, *axes_of(p), p.ic, p.oc, strides)


def columns_of(window: Sliding, target: Target) -> WindowColumns | str:
    """Tiles of a row, or why the columns cannot be unrolled."""
    lanes, multiplier = target.lanes, max(window.oc // max(window.ic, 1), 1)
    if window.ic > window.oc > 0:
        return f"every output sums {window.ic // window.oc} channels"
    # Registers: an accumulator per pixel, the weights of one row of taps, one column, one product where there is no
    # fused multiplication.
    narrow = _streams(window, target) and (rows_together(window, target) == 2 or window.height.stride > 1)
    most = min(MOST_PIXELS_STREAMED if narrow else MOST_PIXELS, target.registers - window.width.taps - 3)
    columns = window.columns(most)
    fits = lanes % multiplier == 0 or multiplier % lanes == 0
    if isinstance(columns, WindowColumns) and multiplier > 1 and (window.oc % lanes or not fits):
        return f"a channel multiplier of {multiplier} does not fit vectors of {lanes}"
    return columns


def rows_together(window: Sliding, target: Target) -> int:
    """Two rows of outputs where they share rows of the window. Registers: two rows of sums, two rows of weights, one
    column."""
    h, taps = window.height, window.width.taps
    fits = 2 * MOST_PIXELS + 2 * taps + 2 <= target.registers
    shares = h.dilation == 1 and h.taps - h.stride > ROWS_SHARED and h.outputs % 2 == 0
    return 2 if fits and shares and not window.planes else 1


def _streams(window: Sliding, target: Target) -> bool:
    """Is it bound by what lies beyond the second-level cache?"""
    d, h, w = window.axes
    values = window.n * (d.size * h.size * w.size * window.ic + d.outputs * h.outputs * w.outputs * window.oc)
    return 4 * values > target.l2 and h.taps * w.taps <= MOST_TAPS_STREAMED


@dataclass(frozen=True)
class WeightStrides(Schedule):
    """Values from one plane, row, column of the weights to the next; negative for a window that is turned round."""

    weights_plane: int
    weights_row: int
    weights_column: int

    @staticmethod
    def of(window: Sliding, inputs: int = 1) -> WeightStrides:
        """inputs: channels of a group."""
        h, w, column = window.height, window.width, inputs * window.oc
        return WeightStrides(h.taps * w.taps * column, w.taps * column, column)


@dataclass(frozen=True)
class DepthwiseSchedule(Schedule):
    window: SlidingSchedule
    weights: WeightStrides


@dataclass(frozen=True)
class OnePassSchedule(Schedule):
    """Of the gradient for src, whose extents are `i…` (diff_dst) and `o…` (diff_src)."""

    n: int
    ih: int
    iw: int
    oh: int
    ow: int
    channels: int
    block: int
    """channels of a unit of work"""
    strip: int
    """channels of it that go along a row before the next ones do"""
    kh: int
    sh: int
    ph: int


@dataclass(frozen=True)
class GradientWeightsSchedule(Schedule):
    window: SlidingSchedule
    iw: int
    """inputs of a row"""
    kw: int
    """columns of the window"""
