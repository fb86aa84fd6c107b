"""What depthwise convolution and pooling share: rows of outputs, tap ranges, and tiles of pixels whose borders are
known.

Both slide a window and work channel by channel, so a vector holds neighbouring channels of one pixel, and a tile is a
few neighbouring pixels of one row. Rows and planes of the window that fall outside the input are left out by the bounds
of a loop. Columns are unrolled, so those that fall outside are left out when the kernel is emitted: the first and the
last tile of a row have code of their own. No halo is ever copied, and no padding is ever read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from simplecell.engine.code.elementwise import emit_expression
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import Epilogue

EXTENTS = ("n", "od", "oh", "ow", "id", "ih", "channels", "block", "strip")
"""Outputs, inputs (rows and planes; columns are in `WindowColumns`), output channels; the channels that one unit of
work takes, and of these the strip that goes along a row before the next one does."""
WINDOW = ("kd", "kh", "sd", "sh", "dd", "dh", "pd", "ph", "pw")
"""Taps, strides, dilation of planes and rows; padding before the first plane, row, column (negative: skipped input)."""
STRIDES = ("src_image", "src_plane", "src_row", "src_pixel", "dst_image", "dst_plane", "dst_row", "dst_pixel")
"""In elements. They need not be dense: a concatenation's part or every second pixel is written in place."""


@dataclass(frozen=True)
class WindowColumns:
    """The window's columns, as far as they are compiled in: what the tiles of one row read."""

    taps: int
    stride: int
    dilation: int
    low: int
    """columns of padding that the first tile sees"""
    high: int
    """columns of padding that the last tile sees"""
    pixels: int
    """outputs of one tile"""
    last: int
    """outputs of the last tile"""
    single: bool
    """the row is one tile, of `last` outputs"""

    def __str__(self) -> str:
        dilation = f"d{self.dilation}" if self.dilation > 1 else ""
        tiles = (
            f"{self.last}"
            if self.single
            else f"{self.pixels}n"
            if self.last == self.pixels
            else f"{self.pixels}n{self.last}"
        )
        return f"w{self.taps}s{self.stride}{dilation}p{self.low}_{self.high}_{tiles}"


def plan_columns(
    taps: int, stride: int, dilation: int, pad: int, size: int, outputs: int, most: int
) -> WindowColumns | str:
    """Tiles for a row of `outputs` from `size` inputs with `pad` columns before the first, or the reason why it will
    not do.

    `most` bounds the outputs of a tile (registers). A tile that divides the row needs less code; 7 divides the rows of
    most networks.
    """
    low = max(0, pad)
    high = max(0, (outputs - 1) * stride - pad + (taps - 1) * dilation - (size - 1))
    if outputs <= most:
        return WindowColumns(taps, stride, dilation, low, high, outputs, outputs, True)
    choices = [p for p in (7, 8, 6, 5, 4, 3, 2, 1) if p <= most]
    pixels = next((p for p in choices if outputs % p == 0 and p >= 4), choices[0])
    last = outputs % pixels or pixels
    if last * stride < high:
        last += pixels
    if low > pixels * stride or high > last * stride or last > most + 4:
        return f"the padding ({low}, {high}) reaches past the first and last tile of {pixels} pixels"
    return WindowColumns(taps, stride, dilation, low, high, pixels, last, last == outputs)


@dataclass(frozen=True)
class RowTile:
    """Neighbouring outputs of one row, from output `x` on; `columns` lists the input columns that exist, each with its
    uses (pixel, tap)."""

    x: Index
    pixels: int
    columns: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]

    def taps_of(self, pixel: int) -> int:
        """How many taps of a pixel lie inside the row."""
        return sum(1 for _, uses in self.columns for p, _ in uses if p == pixel)


def _tile(c: WindowColumns, x: Index, pixels: int, low: int, high: int) -> RowTile:
    uses: dict[int, list[tuple[int, int]]] = {}
    for p in range(pixels):
        for k in range(c.taps):
            uses.setdefault(p * c.stride + k * c.dilation, []).append((p, k))
    end = (pixels - 1) * c.stride + (c.taps - 1) * c.dilation + 1 - high
    return RowTile(x, pixels, tuple((j, tuple(u)) for j, u in sorted(uses.items()) if low <= j < end))


def over_tiles(e: Emitter, c: WindowColumns, outputs: Index, body: Callable[[RowTile], None]) -> None:
    """Emit `body` for each kind of tile of a row of `outputs`: first, between, last."""
    if c.single:
        body(_tile(c, e.const(0), c.last, c.low, c.high))
        return
    own_last = c.high > 0 or c.last != c.pixels
    start, stop = e.const(0), outputs - c.last if own_last else outputs
    if c.low:
        body(_tile(c, e.const(0), c.pixels, c.low, 0))
        start = e.const(c.pixels)
    with e.loop(stop, start, c.pixels, name="tile") as loop:
        body(_tile(c, loop.index, c.pixels, 0, 0))
    if own_last:
        body(_tile(c, stop, c.last, 0, c.high))


@dataclass(frozen=True)
class Row:
    """One row of outputs of one block of channels, and the window's rows and planes that lie inside the input."""

    image: Index
    plane: Index
    row: Index
    channels: tuple[Index, Index]
    """first and end"""
    planes: tuple[Index, Index]
    """first and end of the taps along the depth"""
    rows: tuple[Index, Index]
    """first and end of the taps along the height"""
    src: Value
    """address of column 0 of the window's first row (which may lie outside) for channel 0 of the source"""
    offset: Index
    """of output 0, channel 0, in elements of dst"""


class Slide:
    """The arguments of a sliding window, loaded once; `rows` goes over this thread's rows of outputs."""

    def __init__(self, e: Emitter, planes: bool) -> None:
        self.e, self.planes = e, planes
        self.src, self.dst = e.pointer("src"), e.pointer("dst")
        for name in (*EXTENTS, *WINDOW, *STRIDES):
            setattr(self, name, e.index(name))

    def __getattr__(self, name: str) -> Any:  # set above, by name
        raise AttributeError(name)

    @contextmanager
    def over_rows(self, together: int = 1) -> Iterator[Row]:
        """Units of work: rows fastest, then planes, blocks of channels, images; so neighbouring units share rows of the
        window. A unit comes in strips of channels, so that neighbouring tiles of a row share columns in the cache.

        together: rows in a unit, which divide the rows of outputs; then Row is the first of them, but for `rows`: the
        taps of all of them as one window of kh + (together − 1) · sh taps (not dilated)."""
        blocks = (self.channels + self.block - 1) // self.block
        first, last = self.e.my_share(self.n * blocks * self.od * (self.oh // together))
        with self.rows_of(first, last, together=together) as row:
            begin, end = row.channels
            with self.e.loop(end, begin, self.strip, name="strip") as strip:
                yield replace(row, channels=(strip.index, (strip.index + self.strip).minimum(end)))

    @contextmanager
    def rows_of(
        self, first: Index, last: Index, channels: tuple[Index, Index] | None = None, together: int = 1
    ) -> Iterator[Row]:
        """The units first … last − 1; with `channels` given, blocks are no part of them."""
        e, of_plane = self.e, self.oh // together
        with e.loop(last, first, name="unit") as unit:
            rest = unit.index // of_plane
            y = (unit.index - rest * of_plane) * together
            if self.planes:
                z, rest = rest % self.od, rest // self.od
            else:
                z = e.const(0)
            if channels is None:
                blocks = (self.channels + self.block - 1) // self.block
                image = rest // blocks
                c = (rest - image * blocks) * self.block
                mine = (c, (c + self.block).minimum(self.channels))
            else:
                image, mine = rest, channels
            y0, z0 = y * self.sh - self.ph, z * self.sd - self.pd
            rows = inside_taps(y0, self.dh, self.kh + self.sh * (together - 1), self.ih)
            planes = inside_taps(z0, self.dd, self.kd, self.id) if self.planes else (e.const(0), e.const(1))
            src = e.at(self.src, image * self.src_image + y0 * self.src_row - self.pw * self.src_pixel)
            if self.planes:
                src = e.at(src, z0 * self.src_plane)
            offset = image * self.dst_image + y * self.dst_row
            if self.planes:
                offset += z * self.dst_plane
            yield Row(image, z, y, mine, planes, rows, src, offset)

    @contextmanager
    def over_taps(self, row: Row, carry: list[Value]) -> Iterator[tuple[Any, Index, Index]]:
        """Loops over the window's planes and rows that lie inside: (loop, plane tap, row tap); set loop.carry; after
        it, `carry` holds the results."""
        e = self.e
        if self.planes:
            with e.loop(row.planes[1], row.planes[0], carry=carry, name="kd") as outer:
                with e.loop(row.rows[1], row.rows[0], carry=outer.values, name="kh") as inner:
                    yield inner, outer.index, inner.index
                outer.carry(inner.results)
            carry[:] = outer.results
        else:
            with e.loop(row.rows[1], row.rows[0], carry=carry, name="kh") as inner:
                yield inner, e.const(0), inner.index
            carry[:] = inner.results

    def tap_offset(self, plane: Index, row: Index) -> Index:
        """Elements from the window's first row to this one."""
        offset: Index = row * self.dh * self.src_row
        return offset + plane * self.dd * self.src_plane if self.planes else offset


class Finish:
    """The epilogue and the store. `full` operands have the strides of dst."""

    def __init__(self, e: Emitter, epilogue: Epilogue, dst: Value, arguments: Sequence[str] | None = None) -> None:
        self.e, self.epilogue, self.dst = e, epilogue, dst
        names = epilogue.arguments if arguments is None else arguments
        self.operands = [
            e.load(e.pointer(a), lanes=1) if k == "scalar" else e.pointer(a) for a, k in zip(names, epilogue.kinds)
        ]
        self.long = sum(_LENGTHS.get(i.function, 1) for i in epilogue.expression.instructions) > INLINE

    def __call__(
        self, values: Sequence[Value], offsets: Sequence[Index], c: Index, lanes: int, mask: Value | None
    ) -> None:
        """Store `values` (neighbouring pixels) at `offsets` (of channel 0, in elements of dst) for the vector of
        channels at `c`."""
        e = self.e
        if self.long and len(values) > 1:
            buffer = e.stack(len(values), values[0].type)
            for i, v in enumerate(values):
                e.store(v, buffer, i * lanes)
            pixel = offsets[1] - offsets[0]
            with e.loop(len(values), name="finish", at_least_once=True) as p:
                offset = offsets[0] + p.index * pixel
                e.store(
                    self._apply(e.load(buffer, p.index * lanes, lanes), offset + c, c, lanes, mask),
                    self.dst,
                    offset + c,
                    mask,
                )
            return
        finished = [self._apply(v, offset + c, c, lanes, mask) for v, offset in zip(values, offsets)]
        for v, offset in zip(finished, offsets):
            e.store(v, self.dst, offset + c, mask)

    def _apply(self, value: Value, at: Index, c: Index, lanes: int, mask: Value | None) -> Value:
        if not self.epilogue.expression.instructions:
            return value
        e, inputs = self.e, [value]
        for operand, kind in zip(self.operands, self.epilogue.kinds):
            inputs.append(
                e.splat(operand, lanes)
                if kind == "scalar"
                else e.load(operand, c if kind == "channel" else at, lanes, mask=mask)
            )
        return emit_expression(e, self.epilogue.expression, inputs)[0]


INLINE = 8
"""Epilogues of up to so many operations are written out for every pixel of a tile while it is in its register; longer
ones go through memory to one copy in a loop, or the code (and the time to compile it) would grow with the pixels."""
_LENGTHS = dict.fromkeys(
    (
        "exp",
        "exp2",
        "expm1",
        "sigmoid",
        "tanh",
        "sinh",
        "cosh",
        "log",
        "log1p",
        "log2",
        "log10",
        "softplus",
        "erf",
        "erfc",
        "power",
        "sin",
        "cos",
    ),
    20,
)


def inside_taps(start: Index, dilation: Index, taps: Index, size: Index) -> tuple[Index, Index]:
    """First and end of the taps k for which 0 ≤ start + k·dilation < size."""
    first = ((0 - start).maximum(0) + dilation - 1) // dilation
    end = ((size - start).maximum(0) + dilation - 1) // dilation
    return first, end.minimum(taps)


def over_channels(
    e: Emitter, first: Index, last: Index, ragged: bool, body: Callable[[Index, int, Value | None], None]
) -> None:
    """body(channel, lanes, mask) for each vector of channels; the rest (if `ragged`) by a mask, or one by one where
    masks are slow."""
    full = first + (last - first) // e.lanes * e.lanes if ragged else last
    with e.loop(full, first, e.lanes, name="c") as loop:
        body(loop.index, e.lanes, None)
    if not ragged:
        return
    if e.target.avx512 or e.target.name == "avx2":
        with e.when(full < last):
            body(full, e.lanes, e.mask(last - full))
    else:
        with e.loop(last, full, name="c1") as loop:
            body(loop.index, 1, None)
