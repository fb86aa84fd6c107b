"""Depthwise convolution: every channel has a window of its own (groups == input channels), with any channel multiplier.

dst[n, y, x, o] = Σ over taps of src[n, y·s − p + r·d, x·s − p + k·d, o // multiplier] · weights[r, k, o]

Groups of a few channels are the same with a sum over the group's inputs: several groups share a vector.

The gradient for src is the same sum: a window turned round (negative strides of the weights), and with strides one such sum for
each phase of the output (`lowering/depthwise.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.emit import F32, I32, Emitter, Index, Value
from simplecell.engine.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.kernel import Kernel
from simplecell.engine.kernels.window import (
    EXTENTS,
    STRIDES,
    WINDOW,
    Columns,
    Finish,
    Row,
    Slide,
    Tile,
    inside_taps,
    kernel_name,
    over_channels,
    over_tiles,
)

WEIGHTS = ("weights_plane", "weights_row", "weights_column")
"""Strides of the weights in elements; negative for a window that is turned round."""


@dataclass(frozen=True)
class DepthwiseForward(Kernel):
    """Windows whose columns are unrolled: a tile of pixels × one vector of channels in registers; a column that is loaded serves
    all its taps."""

    columns: Columns
    planes: bool = False
    multiplier: int = 1
    """output channels of a group"""
    ragged: bool = True
    """the channels do not fill the last vector"""
    epilogue: Epilogue = NO_EPILOGUE
    inputs: int = 1
    """input channels of a group"""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("src", "weights", "dst", *EXTENTS, *WINDOW, *STRIDES, *WEIGHTS, *self.epilogue.arguments)

    @property
    def name(self) -> str:
        parts = [str(self.columns), *([f"g{self.inputs}"] if self.inputs > 1 else [])]
        return _name("forward", self.planes, parts, self.multiplier, self.ragged, self.epilogue)

    def emit(self, e: Emitter) -> None:
        s = Slide(e, self.planes)
        weights, finish = e.pointer("weights"), Finish(e, self.epilogue, s.dst)
        w_plane, w_row, w_column = (e.index(a) for a in WEIGHTS)

        def tile_of_row(row: Row, tile: Tile) -> None:
            src_tile = e.at(row.src, tile.x * self.columns.stride * s.src_pixel)
            offset = row.offset + tile.x * s.dst_pixel

            def channels(c: Index, lanes: int, mask: Value | None) -> None:
                carry = [e.zero(lanes)] * tile.pixels
                with s.over_taps(row, carry) as (loop, plane, tap):
                    at = e.at(src_tile, s.tap_offset(plane, tap))
                    w = e.at(weights, (tap * w_row + plane * w_plane if self.planes else tap * w_row) + c)
                    acc = list(loop.values)
                    for i in range(self.inputs):
                        ws = [e.load(w, w_column * k + s.channels * i, lanes, mask=mask) for k in range(self.columns.taps)]
                        for j, uses in tile.columns:
                            if self.inputs > 1:
                                x = _of_groups(e, at, s.src_pixel * j + c // self.multiplier * self.inputs, lanes, self.multiplier, self.inputs, i)
                            else:
                                x = load_channels(e, at, s.src_pixel * j, c, s.channels, self.multiplier, lanes, mask)
                            for p, k in uses:
                                acc[p] = e.fma(x, ws[k], acc[p])
                    loop.carry(acc)
                finish(carry, [offset + s.dst_pixel * p for p in range(tile.pixels)], c, lanes, mask)

            over_channels(e, *row.channels, self.ragged, channels)

        with s.over_rows() as row:
            over_tiles(e, self.columns, s.ow, lambda tile: tile_of_row(row, tile))


@dataclass(frozen=True)
class DepthwiseAny(Kernel):
    """Any window, with everything known only at run time: `pixels` at a time where all taps lie inside the row, one by one elsewhere."""

    pixels: int
    planes: bool = False
    multiplier: int = 1
    ragged: bool = True
    epilogue: Epilogue = NO_EPILOGUE
    summed: int = 1
    """channels of src (and of the weights) that each output channel sums: the multiplier of the convolution whose gradient this is"""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("src", "weights", "dst", *EXTENTS, *WINDOW, "iw", "kw", "sw", "dw", *STRIDES, *WEIGHTS, *self.epilogue.arguments)

    @property
    def name(self) -> str:
        parts = [str(self.pixels), *([f"sum{self.summed}"] if self.summed > 1 else [])]
        return _name("any", self.planes, parts, self.multiplier, self.ragged, self.epilogue)

    def emit(self, e: Emitter) -> None:
        s = Slide(e, self.planes)
        weights, finish = e.pointer("weights"), Finish(e, self.epilogue, s.dst)
        w_plane, w_row, w_column = (e.index(a) for a in WEIGHTS)
        iw, kw, sw, dw = (e.index(a) for a in ("iw", "kw", "sw", "dw"))

        def pixels(row: Row, x: Index, count: int, first: Index, end: Index) -> None:
            """`count` outputs from x on, by the column taps first … end − 1."""
            src_tile = e.at(row.src, x * sw * s.src_pixel)
            offset = row.offset + x * s.dst_pixel

            def channels(c: Index, lanes: int, mask: Value | None) -> None:
                carry = [e.zero(lanes)] * count
                with s.over_taps(row, carry) as (loop, plane, tap):
                    at = e.at(src_tile, s.tap_offset(plane, tap))
                    w = e.at(weights, tap * w_row + plane * w_plane if self.planes else tap * w_row)
                    with e.loop(end, first, carry=loop.values, name="kw") as inner:
                        column, w = e.at(at, inner.index * dw * s.src_pixel), e.at(w, inner.index * w_column)
                        inner.carry(taps(column, w, inner.values, c, lanes, mask))
                    loop.carry(inner.results)
                finish(carry, [offset + s.dst_pixel * p for p in range(count)], c, lanes, mask)

            def taps(column: Value, w: Value, acc: list[Value], c: Index, lanes: int, mask: Value | None) -> list[Value]:
                """One tap of every pixel."""
                steps = [sw * s.src_pixel * p for p in range(count)]
                if self.summed == 1:
                    weight = e.load(w, c, lanes, mask=mask)
                    values = [load_channels(e, column, step, c, s.channels, self.multiplier, lanes, mask) for step in steps]
                    return [e.fma(v, weight, a) for v, a in zip(values, acc)]
                with e.loop(self.summed, carry=acc, name="sum", at_least_once=True) as part:
                    picked = [(c + i).minimum(s.channels - 1) * self.summed + part.index for i in range(lanes)]
                    weight = _gathered(e, w, picked)
                    part.carry([e.fma(_gathered(e, e.at(column, step), picked), weight, a) for step, a in zip(steps, part.values)])
                return list(part.results)

            over_channels(e, *row.channels, self.ragged, channels)

        low, high = inside(s.pw, iw, s.ow, sw, (kw - 1) * dw)
        tiles = low + (high - low) // self.pixels * self.pixels
        with s.over_rows() as row:
            with e.loop(tiles, low, self.pixels, name="tile") as tile:
                pixels(row, tile.index, self.pixels, e.const(0), kw)
            with e.loop(2, name="side") as side:
                left = side.index.equals(0)
                with e.loop(e.select(left, low, s.ow), e.select(left, 0, tiles), name="pixel") as pixel:
                    pixels(row, pixel.index, 1, *inside_taps(pixel.index * sw - s.pw, dw, kw, iw))


@dataclass(frozen=True)
class DepthwiseGradientWeights(Kernel):
    """diff_weights[r, k, o] = Σ over n, y, x of src[n, y·s − p + r·d, x·s − p + k·d, o // multiplier] · diff_dst[n, y, x, o].

    Divided by blocks of channels. `taps` columns of the window at a time (they divide kw) in `taps × split` accumulators over a row of
    outputs: `split` neighbouring pixels add into sums of their own, which hides the latency of a multiplication, and reading a
    column serves all its taps. The row's sums are added to memory, so rounding errors grow with the rows, not with the pixels.
    """

    taps: int
    split: int
    stride: int
    dilation: int
    planes: bool = False
    multiplier: int = 1
    ragged: bool = True

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("src", "diff_dst", "dst", *EXTENTS, *WINDOW, "iw", "kw", *STRIDES)

    @property
    def name(self) -> str:
        return _name("weights", self.planes, [f"w{self.taps}s{self.stride}d{self.dilation}_{self.split}"], self.multiplier, self.ragged, NO_EPILOGUE)

    def emit(self, e: Emitter) -> None:
        s = Slide(e, self.planes)  # STRIDES: src, and diff_dst under the name of dst
        diff, iw, kw = e.pointer("diff_dst"), e.index("iw"), e.index("kw")
        blocks = (s.channels + s.block - 1) // s.block
        first, last = e.my_share(blocks)
        with e.loop(last, first, name="block") as unit:
            c0 = unit.index * s.block
            channels = (c0, (c0 + s.block).minimum(s.channels))
            with e.loop(s.kd * s.kh * kw, name="clear") as tap:
                over_channels(e, *channels, self.ragged, lambda c, lanes, mask: e.store(e.zero(lanes), s.dst, tap.index * s.channels + c, mask))
            with s.rows_of(e.const(0), s.n * s.od * s.oh, channels) as row, s.over_taps(row, []) as (_, plane, r):
                with e.loop(kw, step=self.taps, name="kw") as k:
                    src = e.at(row.src, s.tap_offset(plane, r) + k.index * self.dilation * s.src_pixel)
                    at = (plane * s.kh + r) * kw + k.index if self.planes else r * kw + k.index
                    shift = s.pw - k.index * self.dilation
                    low, high = inside(shift, iw, s.ow, e.const(self.stride), e.const((self.taps - 1) * self.dilation))
                    whole = low + (high - low) // self.split * self.split

                    def row_of_sums(c: Index, lanes: int, mask: Value | None) -> None:
                        sums = self._sums(e, s, src, e.at(diff, row.offset), shift, iw, (low, whole), c, lanes, mask)
                        for j, total in enumerate(sums):
                            place = (at + j) * s.channels + c
                            e.store(e.fadd(e.load(s.dst, place, lanes, mask=mask), total), s.dst, place, mask)

                    over_channels(e, *channels, self.ragged, row_of_sums)

    def _sums(
        self,
        e: Emitter,
        s: Slide,
        src: Value,
        diff: Value,
        shift: Index,
        iw: Index,
        whole: tuple[Index, Index],
        c: Index,
        lanes: int,
        mask: Value | None,
    ) -> list[Value]:
        """The sums of one row of outputs for each of the taps."""
        low, end = whole

        def column(pixel: Index, j: int) -> Value:
            return load_channels(e, src, (pixel * self.stride + j) * s.src_pixel, c, s.channels, self.multiplier, lanes, mask)

        with e.loop(end, low, self.split, carry=[e.zero(lanes)] * (self.taps * self.split), name="pixels") as loop:
            acc = list(loop.values)
            d = [e.load(diff, (loop.index + u) * s.dst_pixel + c, lanes, mask=mask) for u in range(self.split)]
            uses: dict[int, list[tuple[int, int]]] = {}
            for u in range(self.split):
                for j in range(self.taps):
                    uses.setdefault(u * self.stride + j * self.dilation, []).append((u, j))
            for at, pairs in sorted(uses.items()):
                x = column(loop.index, at)
                for u, j in pairs:
                    acc[j * self.split + u] = e.fma(x, d[u], acc[j * self.split + u])
            loop.carry(acc)
        sums = [_total(e, loop.results[j * self.split : (j + 1) * self.split]) for j in range(self.taps)]
        with e.loop(2, carry=sums, name="side") as side:
            left = side.index.equals(0)
            with e.loop(e.select(left, low, s.ow), e.select(left, 0, end), carry=side.values, name="pixel") as pixel:
                one = e.load(diff, pixel.index * s.dst_pixel + c, lanes, mask=mask)
                acc = []
                for j in range(self.taps):
                    position = pixel.index * self.stride + j * self.dilation - shift
                    valid = e.b.icmp_unsigned("<", position.ir, iw.ir)
                    x = load_channels(e, src, e.select(valid, position + shift, shift) * s.src_pixel, c, s.channels, self.multiplier, lanes, mask)
                    acc.append(e.b.select(valid, e.fma(x, one, pixel.values[j]), pixel.values[j]))
                pixel.carry(acc)
            side.carry(pixel.results)
        return list(side.results)


def inside(pad: Index, size: Index, outputs: Index, stride: Index, reach: Index) -> tuple[Index, Index]:
    """First and end of the outputs x whose window lies inside: 0 ≤ x·stride − pad and x·stride − pad + reach < size (first ≤ end)."""
    low = ((pad.maximum(0) + stride - 1) // stride).minimum(outputs)
    high = ((size + pad - reach).maximum(0) + stride - 1) // stride
    return low, high.minimum(outputs).maximum(low)


def load_channels(e: Emitter, pixel: Value, offset: Index, c: Index, channels: Index, multiplier: int, lanes: int, mask: Value | None) -> Value:
    """The inputs of output channels c, c+1, …: each input channel `multiplier` times."""
    if multiplier == 1:
        return e.load(pixel, offset + c, lanes, mask=mask)
    if lanes == 1 or multiplier % lanes == 0:
        return e.broadcast(pixel, offset + c // multiplier, lanes)
    if lanes % multiplier == 0 and mask is None:
        few = e.load(pixel, offset + c // multiplier, lanes // multiplier)
        if lanes == multiplier:
            return e.splat(few, lanes)
        order = ir.Constant(ir.VectorType(I32, lanes), [i // multiplier for i in range(lanes)])
        return e.b.shuffle_vector(few, ir.Constant(few.type, ir.Undefined), order)
    # The last vector, or a multiplier that does not fit the vector. Lanes past the last channel repeat it.
    return _gathered(e, pixel, [offset + (c + i).minimum(channels - 1) // multiplier for i in range(lanes)])


def _of_groups(e: Emitter, pointer: Value, offset: Index, lanes: int, outputs: int, inputs: int, i: int) -> Value:
    """Input channel i of each of the groups whose outputs fill a vector, as often as a group has outputs."""
    groups = lanes // outputs
    few = e.load(pointer, offset, groups * inputs)
    order = ir.Constant(ir.VectorType(I32, lanes), [lane // outputs * inputs + i for lane in range(lanes)])
    return e.b.shuffle_vector(few, ir.Constant(few.type, ir.Undefined), order)


def _gathered(e: Emitter, pointer: Value, offsets: Sequence[Index]) -> Value:
    """A vector of values that lie anywhere."""
    if len(offsets) == 1:
        return e.load(pointer, offsets[0], lanes=1)
    value: Value = ir.Constant(ir.VectorType(F32, len(offsets)), None)
    for i, offset in enumerate(offsets):
        value = e.b.insert_element(value, e.load(pointer, offset, lanes=1), I32(i))
    return value


def _total(e: Emitter, values: Sequence[Value]) -> Value:
    while len(values) > 1:
        values = [e.fadd(values[i], values[i + 1]) if i + 1 < len(values) else values[i] for i in range(0, len(values), 2)]
    return values[0]


def _name(what: str, planes: bool, parts: list[str], multiplier: int, ragged: bool, epilogue: Epilogue) -> str:
    return kernel_name("depthwise", what, planes, [*parts, *([f"m{multiplier}"] if multiplier > 1 else [])], ragged, epilogue)
