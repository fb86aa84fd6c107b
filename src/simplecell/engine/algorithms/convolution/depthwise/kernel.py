"""Depthwise convolution: every channel has a window of its own (groups == input channels), with any channel multiplier.

dst[n, y, x, o] = Σ over taps of src[n, y·s − p + r·d, x·s − p + k·d, o // multiplier] · weights[r, k, o]

Groups of a few channels are the same with a sum over the group's inputs: several groups share a vector.

The gradient for src is the same sum: a window turned round (negative strides of the weights), and with strides one such
sum for each phase of the output (gradient.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.convolution.depthwise.schedule import WeightStrides
from simplecell.engine.algorithms.sliding import Extents, Strides, WidthWindow, Window
from simplecell.engine.code.emit import F32, I32, Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile import LINE, fetch
from simplecell.engine.code.window import (
    Finish,
    Row,
    RowTile,
    Slide,
    WindowColumns,
    inside_taps,
    over_channels,
    over_tiles,
)

_WINDOW = (*Extents.names(), *Window.names(), *Strides.names())
_ARGUMENTS = ("src", "weights", "dst", *_WINDOW, *WeightStrides.names())


@dataclass(frozen=True)
class DepthwiseForward(Kernel):
    """Windows whose columns are unrolled: a tile of pixels × one vector of channels in registers; a column that is
    loaded serves all its taps."""

    columns: WindowColumns
    planes: bool = False
    multiplier: int = 1
    """output channels of a group"""
    ragged: bool = True
    """the channels do not fill the last vector"""
    epilogue: Epilogue = NO_EPILOGUE
    inputs: int = 1
    """input channels of a group"""
    together: int = 1
    """Rows of outputs at a time, 1 or 2: what two share is loaded once. Two divide the rows, are not dilated, and have
    a stride below the taps; no planes."""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *self.epilogue.arguments)

    @property
    def name(self) -> str:
        rows, group = "rows2" if self.together == 2 else "", f"g{self.inputs}" if self.inputs > 1 else ""
        parts = str(self.columns), rows, group
        return depthwise_name("forward", self.planes, parts, self.multiplier, self.ragged, self.epilogue.name)

    def emit(self, e: Emitter) -> None:
        s = Slide(e, self.planes)
        weights, finish = e.pointer("weights"), Finish(e, self.epilogue, s.dst)
        w_plane, w_row, w_column = (e.index(a) for a in ("weights_plane", "weights_row", "weights_column"))

        def row_of_taps(
            at: Value,
            sums: Sequence[tuple[list[Value], Value]],
            tile: RowTile,
            c: Index,
            lanes: int,
            mask: Value | None,
        ) -> None:
            """Add what one row of src, from `at` on, adds to the sums of each row of outputs, given with the address of
            its row of weights."""
            for i in range(self.inputs):
                ws = [
                    [e.load(w, w_column * k + s.channels * i, lanes, mask=mask) for k in range(self.columns.taps)]
                    for _, w in sums
                ]
                for j, uses in tile.columns:
                    if self.inputs > 1:
                        x = _of_groups(
                            e,
                            at,
                            s.src_pixel * j + c // self.multiplier * self.inputs,
                            lanes,
                            self.multiplier,
                            self.inputs,
                            i,
                        )
                    else:
                        x = load_channels(e, at, s.src_pixel * j, c, s.channels, self.multiplier, lanes, mask)
                    for (acc, _), w in zip(sums, ws):
                        for p, k in uses:
                            acc[p] = e.fma(x, w[k], acc[p])

        def one_row(row: Row, tile: RowTile, src: Value, c: Index, lanes: int, mask: Value | None) -> list[Value]:
            carry = [e.zero(lanes)] * tile.pixels
            with s.over_taps(row, carry) as (loop, plane, tap):
                w = e.at(weights, (tap * w_row + plane * w_plane if self.planes else tap * w_row) + c)
                acc = list(loop.values)
                row_of_taps(e.at(src, s.tap_offset(plane, tap)), [(acc, w)], tile, c, lanes, mask)
                loop.carry(acc)
            return carry

        def two_rows(row: Row, tile: RowTile, src: Value, c: Index, lanes: int, mask: Value | None) -> list[Value]:
            """Rows of src that belong to the first row of outputs only, to both, to the second only."""
            (first, end), n = row.rows, tile.pixels
            acc = [e.zero(lanes)] * (2 * n)
            parts = [
                (first, end.minimum(s.sh), (0,)),
                (first.maximum(s.sh), end.minimum(s.kh), (0, 1)),
                (first.maximum(s.kh), end, (1,)),
            ]
            for start, stop, members in parts:
                with e.loop(stop, start, carry=acc, name="kh") as tap:
                    sums = [list(tap.values[:n]), list(tap.values[n:])]
                    taps = (tap.index, tap.index - s.sh)
                    at = e.at(src, tap.index * s.src_row)
                    row_of_taps(
                        at, [(sums[m], e.at(weights, taps[m] * w_row + c)) for m in members], tile, c, lanes, mask
                    )
                    tap.carry([*sums[0], *sums[1]])
                acc = tap.results
            return acc

        def tile_of_row(row: Row, tile: RowTile) -> None:
            src_tile = e.at(row.src, tile.x * self.columns.stride * s.src_pixel)
            offset, n = row.offset + tile.x * s.dst_pixel, tile.pixels

            def channels(c: Index, lanes: int, mask: Value | None) -> None:
                acc = (two_rows if self.together == 2 else one_row)(row, tile, src_tile, c, lanes, mask)
                for y in range(self.together):
                    finish(
                        acc[y * n : (y + 1) * n],
                        [offset + s.dst_row * y + s.dst_pixel * p for p in range(n)],
                        c,
                        lanes,
                        mask,
                    )

            over_channels(e, *row.channels, self.ragged, channels)

        def fetch_weights(row: Row) -> None:
            """Ask for the weights of a block all at once. In a network they come from far, and the loop over channels
            asks for them line by line in kh · kw places: 5×5 at 7×7×1152 takes 23 µs there instead of 31."""
            begin, end = row.channels
            with e.loop(s.kh, name="far") as tap, e.loop(end, begin, LINE, name="line") as c:
                for k in range(self.columns.taps):
                    fetch(e, e.at(weights, tap.index * w_row + w_column * k + c.index))

        with s.over_rows(self.together) as row:
            with e.when(row.row.equals(0)):
                fetch_weights(row)
            over_tiles(e, self.columns, s.ow, lambda tile: tile_of_row(row, tile))


@dataclass(frozen=True)
class DepthwiseAny(Kernel):
    """Any window, with everything known only at run time: `pixels` at a time where all taps lie inside the row, one by
    one elsewhere."""

    pixels: int
    planes: bool = False
    multiplier: int = 1
    ragged: bool = True
    epilogue: Epilogue = NO_EPILOGUE
    summed: int = 1
    """channels of src (and of the weights) that each output channel sums: the multiplier of the convolution whose
    gradient this is"""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *WidthWindow.names(), *self.epilogue.arguments)

    @property
    def name(self) -> str:
        parts = "any", str(self.pixels), f"sum{self.summed}" if self.summed > 1 else ""
        return depthwise_name("forward", self.planes, parts, self.multiplier, self.ragged, self.epilogue.name)

    def emit(self, e: Emitter) -> None:
        s = Slide(e, self.planes)
        weights, finish = e.pointer("weights"), Finish(e, self.epilogue, s.dst)
        w_plane, w_row, w_column = (e.index(a) for a in ("weights_plane", "weights_row", "weights_column"))
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

            def taps(
                column: Value, w: Value, acc: list[Value], c: Index, lanes: int, mask: Value | None
            ) -> list[Value]:
                """One tap of every pixel."""
                steps = [sw * s.src_pixel * p for p in range(count)]
                if self.summed == 1:
                    weight = e.load(w, c, lanes, mask=mask)
                    values = [
                        load_channels(e, column, step, c, s.channels, self.multiplier, lanes, mask) for step in steps
                    ]
                    return [e.fma(v, weight, a) for v, a in zip(values, acc)]
                with e.loop(self.summed, carry=acc, name="sum", at_least_once=True) as part:
                    picked = [(c + i).minimum(s.channels - 1) * self.summed + part.index for i in range(lanes)]
                    weight = _gathered(e, w, picked)
                    part.carry(
                        [
                            e.fma(_gathered(e, e.at(column, step), picked), weight, a)
                            for step, a in zip(steps, part.values)
                        ]
                    )
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


def inside(pad: Index, size: Index, outputs: Index, stride: Index, reach: Index) -> tuple[Index, Index]:
    """First and end of the outputs x whose window lies inside: 0 ≤ x·stride − pad and x·stride − pad + reach < size
    (first ≤ end)."""
    low = ((pad.maximum(0) + stride - 1) // stride).minimum(outputs)
    high = ((size + pad - reach).maximum(0) + stride - 1) // stride
    return low, high.minimum(outputs).maximum(low)


def load_channels(
    e: Emitter, pixel: Value, offset: Index, c: Index, channels: Index, multiplier: int, lanes: int, mask: Value | None
) -> Value:
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


def depthwise_name(what: str, planes: bool, parts: Sequence[str], multiplier: int, ragged: bool, epilogue: str) -> str:
    """A kernel's name."""
    multiplied = f"m{multiplier}" if multiplier > 1 else ""
    options = ("3d" if planes else "2d", *parts, multiplied, "ragged" * ragged, epilogue)
    return kernel_name(f"convolution_{what}", "depthwise", "float32", *options)
