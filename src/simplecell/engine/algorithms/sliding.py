"""Sliding windows as the kernels of depthwise convolution and pooling take them: one axis at a time, three axes
always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.window import WindowColumns, plan_columns
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.planning.setting import Setting
from simplecell.ops.geometry import Pairs

MOST_PIXELS = 8
"""of one tile: enough sums to hide the latency of a multiplication (2 a cycle, 4 cycles), and little code"""
MOST_COLUMNS = 7
"""of a window that is unrolled: 7 taps × 8 pixels are 56 multiplications"""


@dataclass(frozen=True)
class Axis:
    """A window along one axis. `pad` may be negative (inputs that are skipped), `taps` zero (the outputs are empty
    sums)."""

    size: int = 1
    outputs: int = 1
    taps: int = 1
    stride: int = 1
    dilation: int = 1
    pad: int = 0


@dataclass(frozen=True)
class Extents(Schedule):
    """Of outputs (`o…`) and inputs (`i…`), along depth, height and width."""

    n: int
    od: int
    oh: int
    ow: int
    id: int
    ih: int
    channels: int
    """of dst"""
    block: int
    """channels in a unit of work"""
    strip: int
    """channels of these that go along a row before the next ones do"""


@dataclass(frozen=True)
class Window(Schedule):
    """Taps, strides and dilation of planes and rows; padding before the first plane, row, column (negative: inputs that
    are skipped)."""

    kd: int
    kh: int
    sd: int
    sh: int
    dd: int
    dh: int
    pd: int
    ph: int
    pw: int


@dataclass(frozen=True)
class WidthWindow(Schedule):
    """Inputs of a row, and the window along it, where they are not compiled in."""

    iw: int
    kw: int
    sw: int
    dw: int


@dataclass(frozen=True)
class Strides(Schedule):
    """In elements. They need not be dense: a concatenation's part or every second pixel is written in place."""

    src_image: int
    src_plane: int
    src_row: int
    src_pixel: int
    dst_image: int
    dst_plane: int
    dst_row: int
    dst_pixel: int


@dataclass(frozen=True)
class SlidingSchedule(Schedule):
    """Run-time arguments of a kernel that slides a window (code/window.py), but addresses."""

    extents: Extents
    window: Window
    strides: Strides
    width: WidthWindow | None = None


@dataclass(frozen=True)
class Sliding:
    """A window along depth, height and width of `n` images, dense on both sides; `ic` and `oc` are the values in a
    pixel."""

    n: int
    depth: Axis
    height: Axis
    width: Axis
    ic: int
    oc: int
    dst_strides: tuple[int, int, int, int] | None = None
    """image, plane, row, pixel of dst where it is not dense"""
    axes: tuple[Axis, Axis, Axis] = field(init=False)

    def __post_init__(self) -> None:
        if self.dst_strides is None and self.depth == Axis(self.depth.size, self.depth.size):
            object.__setattr__(self, "n", self.n * self.depth.size)  # planes that do not meet are images
            object.__setattr__(self, "depth", Axis())
        object.__setattr__(self, "axes", (self.depth, self.height, self.width))

    @property
    def planes(self) -> bool:
        """Is there a depth to go along?"""
        return self.depth != Axis()

    @property
    def taps(self) -> int:
        return self.depth.taps * self.height.taps * self.width.taps

    def columns(self, most: int = MOST_PIXELS) -> WindowColumns | str:
        """Tiles of one row, or why the columns cannot be unrolled."""
        w = self.width
        if w.taps > MOST_COLUMNS:
            return f"{w.taps} columns are too many to unroll"
        return plan_columns(w.taps, w.stride, w.dilation, w.pad, w.size, w.outputs, most)

    def schedule(self, setting: Setting, columns: bool = False) -> SlidingSchedule:
        """Run-time arguments of a kernel whose units of work are rows of outputs. `columns`: it takes those of the
        window along a row, too."""
        target = setting.target
        w, rows, block = self.width, self.depth.taps * self.height.taps, self._block(setting)
        if rows <= 1:  # neighbouring tiles share too little
            return self.cut(block, block, columns)
        read = (MOST_PIXELS - 1) * w.stride + max(w.taps - 1, 0) * w.dilation + 1
        wanted = max(target.l1 // 2 // (4 * rows * read), 4 * target.lanes)
        return self.cut(block, min(wanted // target.lanes * target.lanes, block), columns)

    def cut(self, block: int, strip: int, columns: bool = False) -> SlidingSchedule:
        """The same, for so many channels in a unit of work and in a strip of it."""
        d, h, w = self.axes
        extents = Extents(
            self.n, d.outputs, h.outputs, w.outputs, d.size, h.size, self.oc, block, strip
        )  # fmt: skip
        window = Window(
            d.taps, h.taps, d.stride, h.stride, d.dilation, h.dilation, d.pad, h.pad, w.pad
        )  # fmt: skip
        src = (d.size * h.size * w.size * self.ic, h.size * w.size * self.ic, w.size * self.ic, self.ic)
        dst = self.dst_strides or (
            d.outputs * h.outputs * w.outputs * self.oc,
            h.outputs * w.outputs * self.oc,
            w.outputs * self.oc,
            self.oc,
        )
        across = WidthWindow(w.size, w.taps, w.stride, w.dilation) if columns else None
        return SlidingSchedule(extents, window, Strides(*src, *dst), across)

    def _block(self, setting: Setting) -> int:
        """Channels that one unit of work (a row of outputs) takes: so many that the rows which neighbouring units share
        stay in the first-level cache, unless the source comes from beyond the second level: whole rows are streamed
        best then."""
        d, h, w = self.axes
        target, channels = setting.target, max(self.oc, 1)
        lanes, rows, wanted = target.lanes, d.taps * h.taps, channels
        if rows > 1 and 4 * d.size * h.size * w.size * self.ic < target.l2 // 2:
            wanted = target.l1 // 2 // (4 * rows * w.size)
        if self.n * d.outputs * h.outputs < 4 * setting.threads > 4:
            wanted = min(wanted, ceil_div(channels, 4 * setting.threads))
        least = min(channels, 4 * lanes) if rows > 1 else lanes
        parts = ceil_div(channels, max(wanted // lanes * lanes, lanes, least))
        return round_up(ceil_div(channels, parts), lanes)


def sliding(
    n: int,
    size: Sequence[int],
    outputs: Sequence[int],
    taps: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: Pairs,
    ic: int,
    oc: int,
) -> Sliding:
    """A window over one, two or three axes; the missing ones are put before."""
    axes = [
        Axis(i, o, k, s, d if k > 1 else 1, p[0])
        for i, o, k, s, d, p in zip(size, outputs, taps, strides, dilation, padding, strict=True)
    ]
    depth, height, width = [Axis()] * (3 - len(axes)) + axes
    return Sliding(n, depth, height, width, ic, oc)
