"""Sliding windows as the kernels of depthwise convolution and pooling take them: one axis at a time, three axes
always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from simplecell.engine.code.window import Columns, plan_columns
from simplecell.engine.planning.lowering import Lowering
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

    def columns(self, most: int = MOST_PIXELS) -> Columns | str:
        """Tiles of one row, or why the columns cannot be unrolled."""
        w = self.width
        if w.taps > MOST_COLUMNS:
            return f"{w.taps} columns are too many to unroll"
        return plan_columns(w.taps, w.stride, w.dilation, w.pad, w.size, w.outputs, most)

    def arguments(self, block: int, strip: int | None = None) -> dict[str, Any]:
        """Run-time arguments of a kernel that slides; it picks those it takes."""
        d, h, w = self.axes
        found: dict[str, Any] = {}
        for letter, attribute in (
            ("k", "taps"),
            ("s", "stride"),
            ("d", "dilation"),
            ("p", "pad"),
            ("o", "outputs"),
            ("i", "size"),
        ):
            found |= {letter + axis: getattr(a, attribute) for axis, a in zip("dhw", self.axes)}
        dst = self.dst_strides or (
            d.outputs * h.outputs * w.outputs * self.oc,
            h.outputs * w.outputs * self.oc,
            w.outputs * self.oc,
            self.oc,
        )
        src = (d.size * h.size * w.size * self.ic, h.size * w.size * self.ic, w.size * self.ic, self.ic)
        for side, strides in (("src", src), ("dst", dst)):
            found |= {f"{side}_{what}": s for what, s in zip(("image", "plane", "row", "pixel"), strides)}
        return found | {"n": self.n, "channels": self.oc, "block": block, "strip": strip or block}

    def work(self, ctx: Lowering) -> dict[str, Any]:
        """Run-time arguments of a kernel whose units of work are rows of outputs."""
        w, rows, block = self.width, self.depth.taps * self.height.taps, self.block(ctx)
        if rows <= 1:  # neighbouring tiles share too little
            return self.arguments(block)
        columns = (MOST_PIXELS - 1) * w.stride + max(w.taps - 1, 0) * w.dilation + 1
        wanted = ctx.target.l1 // 2 // (4 * rows * columns)
        return self.arguments(
            block, min(max(wanted, 4 * ctx.target.lanes) // ctx.target.lanes * ctx.target.lanes, block)
        )

    def block(self, ctx: Lowering) -> int:
        """Channels that one unit of work (a row of outputs) takes: so many that the rows which neighbouring units share
        stay in the first-level cache, unless the source comes from beyond the second level: whole rows are streamed
        best then."""
        d, h, w = self.axes
        lanes, channels = ctx.target.lanes, max(self.oc, 1)
        wanted = channels
        rows = d.taps * h.taps
        if rows > 1 and 4 * d.size * h.size * w.size * self.ic < ctx.target.l2 // 2:
            wanted = ctx.target.l1 // 2 // (4 * rows * w.size)
        if self.n * d.outputs * h.outputs < 4 * ctx.threads > 4:
            wanted = min(wanted, -(-channels // (4 * ctx.threads)))
        parts = -(-channels // max(wanted // lanes * lanes, lanes, min(channels, 4 * lanes) if rows > 1 else lanes))
        return -(-channels // parts // lanes) * lanes if parts > 1 else -(-channels // lanes) * lanes


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
