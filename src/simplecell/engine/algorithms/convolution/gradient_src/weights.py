"""Weights as the convolution that computes the gradient takes them: turned round, inputs and outputs exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.matmul_tile import transposed
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.run.program import Address
from simplecell.graph.tensor import Tensor


@dataclass(frozen=True)
class Taps:
    """Some taps of one axis: `count` of them, from number `last` on backwards, every `stride`-th."""

    count: int = 1
    last: int = 0
    stride: int = 1


def turned(ctx: Lowering, weights: Tensor, groups: int, taps: Sequence[Taps]) -> Address:
    """A temporary with the weights of these taps (by axis) turned round; the step that turns them is appended."""
    missing = 3 - len(taps)
    _, kh, kw = (1,) * missing + weights.shape[:-2]
    d, h, w = [Taps()] * missing + list(taps)
    nbytes = 4 * prod(t.count for t in taps) * prod(weights.shape[-2:])
    address = ctx.temporary(nbytes)
    given = TurnSchedule(
        ic=weights.shape[-2], oc=weights.shape[-1] // groups, groups=groups, kh=kh, kw=kw,
        taps_d=d.count, last_d=d.last, tap_stride_d=d.stride,
        taps_h=h.count, last_h=h.last, tap_stride_h=h.stride,
        taps_w=w.count, last_w=w.last, tap_stride_w=w.stride,
    )  # fmt: skip
    ctx.step(
        TurnWeights(),
        algorithm="turn weights",
        nbytes=2 * nbytes,
        dst=address,
        src=ctx.address(weights),
        **given.arguments(),
    )
    return address


@dataclass(frozen=True)
class TurnSchedule(Schedule):
    ic: int
    """of one group"""
    oc: int
    """of one group"""
    groups: int
    kh: int
    """rows of taps in src"""
    kw: int
    taps_d: int
    """of dst"""
    last_d: int
    """the tap of src that becomes the first"""
    tap_stride_d: int
    """taps of src from one of dst back to the next"""
    taps_h: int
    last_h: int
    tap_stride_h: int
    taps_w: int
    last_w: int
    tap_stride_w: int


@dataclass(frozen=True)
class TurnWeights(Kernel):
    """dst[u, o, g · ic + i] = src[last − u · tap_stride, i, g · oc + o], for u < taps on each of three spatial axes.

    ic and oc count the channels of one of the `groups`. With strides, each phase takes some of the taps (see phases/).
    """

    arguments = ("dst", "src", *TurnSchedule.names())

    @property
    def name(self) -> str:
        return kernel_name("convolution_gradient_src", "turn_weights", "float32")

    def emit(self, e: Emitter) -> None:
        dst, src = e.pointer("dst"), e.pointer("src")
        ic, oc, groups, kh, kw = (e.index(a) for a in ("ic", "oc", "groups", "kh", "kw"))
        (nz, lz, sz), (ny, ly, sy), (nx, lx, sx) = (
            tuple(e.index(f"{what}_{a}") for what in ("taps", "last", "tap_stride")) for a in "dhw"
        )
        strips = (ic + (e.lanes - 1)) // e.lanes
        first, last = e.my_share(nz * ny * nx * groups * strips)
        with e.loop(last, start=first, name="strip") as unit:
            i, rest = unit.index % strips * e.lanes, unit.index // strips
            group, tap = rest % groups, rest // groups
            x, y, z = tap % nx, tap // nx % ny, tap // nx // ny
            from_tap = ((lz - z * sz) * kh + ly - y * sy) * kw + lx - x * sx
            source = e.at(src, (from_tap * ic + i) * (groups * oc) + group * oc)
            to = e.at(dst, tap * oc * (groups * ic) + group * ic + i)
            _transpose(e, source, groups * oc, to, groups * ic, (ic - i).minimum(e.lanes), oc)


def _transpose(e: Emitter, src: Value, src_row: Index, dst: Value, dst_row: Index, rows: Index, columns: Index) -> None:
    """dst[c, r] = src[r, c], r < rows ≤ lanes, c < columns: squares of a vector's side in registers, what is left value
    by value."""
    lanes = e.lanes
    squares = e.select(rows.equals(lanes), columns // lanes * lanes, 0)
    with e.loop(squares, step=lanes, name="square") as at:
        block = [e.load(src, src_row * r + at.index) for r in range(lanes)]
        for c, value in enumerate(transposed(e, block)):
            e.store(value, dst, (at.index + c) * dst_row)
    with e.loop(columns, start=squares, name="column") as column, e.loop(rows, name="row") as row:
        e.store(e.load(src, row.index * src_row + column.index, lanes=1), dst, column.index * dst_row + row.index)
