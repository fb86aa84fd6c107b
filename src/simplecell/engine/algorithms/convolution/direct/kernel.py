"""Direct convolution on the register tile, in one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import lcm

from simplecell.engine.algorithms.convolution.direct.schedule import Copy, Loops, Spread, Sums, TapLoops
from simplecell.engine.algorithms.convolution.direct.source import Copied, InPlace
from simplecell.engine.algorithms.convolution.pool_stage import Pool, pooled
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile import Ahead, Offsets, Pixels, Tile, accumulate, next_weights, zeros
from simplecell.engine.code.tile_store import Operands, fetch_operands, store_tile


@dataclass(frozen=True)
class ConvolutionDirect(Kernel):
    """dst[n, d, h, w, oc] = epilogue(Σ over taps and ic of src · weights).

    The loops, from the outermost: part of the output channels; image, depth, block of rows, block of columns (these
    five are divided among the threads); block of output channels; row; tile of pixels; taps; one contiguous run of
    input values.

    The sizes of the blocks are arguments. Weights that fit the L2 cache are read from there once for each block of
    rows, so a few rows will do; larger ones want blocks as large as the cache holds inputs, since they come from memory
    for each block.

    copy: the block's input rows are first copied into scratch, with the halo of zeros; its pixels may lie further apart
    there (`pitch`): 14 pixels whose distance is a multiple of 4096 bytes all fall into one set of the L1 cache, which
    holds 8 or 12 lines. Without copy, all input that is read must exist (no padding).

    spread: dst is not dense (the outputs of one phase of a strided gradient).

    A ragged last tile is moved left over the one before: it computes some pixels again, to the same bits. So a row is
    never narrower than the tile, and dst must not be among the epilogue's operands.

    joined: a tile's pixels may go on in the next row of the block, whose blocks are full rows: only the last tile of a
    block is ragged. For tiles of few pixels, since each has its address in a register. Neither spread nor with a pool.

    pool: a few tiles of as many rows as a window has wait in a buffer until they can be pooled. oh and ow are those of
    whole windows, of which the rows and columns of a block are multiples; `full` operands are not for it.
    """

    tile: Tile
    epilogue: Epilogue = NO_EPILOGUE
    copy: bool = False
    spread: bool = False
    lines: int = 1
    """cache lines of the weights needed next to fetch in each turn of the loop over depth"""
    unroll: int = 1
    """steps of depth in a turn of that loop; `run` must be a multiple"""
    waiting: bool = False
    """One row of taps after the other goes over all tiles, and their sums wait in scratch meanwhile. (A row is what
    taps2 counts: it may be a single tap.) Needs copy."""
    joined: bool = False
    pool: Pool | None = None

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (
            *("dst", "src", "weights", *Loops.names(), *TapLoops.names()),
            *(("scratch", "scratch_stride", *Copy.names()) if self.copy else ()),
            *(Sums.names() if self.waiting else ()),
            *(Spread.names() if self.spread else ()),
            *self.epilogue.arguments,
        )

    @property
    def name(self) -> str:
        return kernel_name(
            "convolution_forward", "direct", "float32",
            str(self.tile) + (f"p{self.lines}" if self.lines > 1 else ""),
            f"u{self.unroll}" if self.unroll > 1 else "",
            "copy" * self.copy,
            "spread" * self.spread,
            "waiting" * self.waiting,
            "joined" * self.joined,
            self.epilogue.name,
            self.pool.name if self.pool is not None else "",
        )  # fmt: skip

    def emit(self, e: Emitter) -> None:
        _Direct(e, self).emit()


class _Direct:
    def __init__(self, e: Emitter, kernel: ConvolutionDirect) -> None:
        self.e, self.k, self.tile, self.width = e, kernel, kernel.tile, kernel.tile.vectors * e.lanes
        self.dst, self.weights = e.pointer("dst"), e.pointer("weights")
        self.n, self.od, self.oh, self.ow, self.oc = (e.index(a) for a in ("n", "od", "oh", "ow", "oc"))
        self.loops = [(e.index(f"taps{i}"), e.index(f"tap{i}")) for i in range(3)]
        self.run, self.pixel, self.ahead = e.index("run"), e.index("pixel"), e.index("ahead")
        self.operands = Operands.of(e, kernel.epilogue)
        self.source = Copied(e) if kernel.copy else InPlace(e)

    def emit(self) -> None:
        e = self.e
        rows, columns, parts = e.index("block_rows"), e.index("block_columns"), e.index("parts")
        group_ic, group_oc, group_blocks, blocks = (
            e.index(a) for a in ("group_ic", "group_oc", "group_blocks", "blocks")
        )
        block_weights = self.loops[0][0] * self.loops[1][0] * self.loops[2][0] * self.run * self.width
        row_blocks, column_blocks = (self.oh + rows - 1) // rows, (self.ow + columns - 1) // columns
        units = self.n * self.od * row_blocks * column_blocks
        first, last = e.my_share(units * parts)
        with e.loop(last, start=first, name="unit") as unit:
            part, u = unit.index // units, unit.index % units
            x0, u = u % column_blocks * columns, u // column_blocks
            y0, plane = u % row_blocks * rows, u // row_blocks
            x1, y1 = (x0 + columns).minimum(self.ow), (y0 + rows).minimum(self.oh)
            x_base = x0.minimum(self.ow - self.tile.pixels)  # where the ragged tile of a narrow last block begins
            base, row_stride = self.source.block(plane // self.od, plane % self.od, y0, y1, x_base, x1)
            begin, end = blocks * part // parts, blocks * (part + 1) // parts
            with e.loop(end, start=begin, name="block") as block:
                group, c = block.index // group_blocks, block.index % group_blocks * self.width
                area = _Area(plane, y0, y1, x0, x1, x_base, row_stride, group * group_oc + c, group_oc - c)
                if self.k.joined:  # one row of all pixels
                    area = replace(area, y1=y0 + 1, x1=(y1 - y0) * self.ow)
                src, weights = e.at(base, group * group_ic), e.at(self.weights, block.index * block_weights)
                begins = e.at(self.weights, begin * block_weights)
                after = e.b.select((unit.index + 1).equals(last), next_weights(e, begins), begins)
                following = e.b.select(
                    block.index + 1 < end, e.at(self.weights, (block.index + 1) * block_weights), after
                )
                if self.k.waiting:
                    self._by_rows_of_taps(area, src, weights, following)
                else:
                    self._tiles(area, src, weights, self.loops, following)

    def _by_rows_of_taps(self, area: _Area, src: Value, weights: Value, following: Value) -> None:
        """One row of taps after the other over all tiles of the area."""
        e = self.e
        (n0, s0), (n1, s1), (n2, _) = self.loops
        row_weights = n2 * self.run * self.width
        with e.loop(n0 * n1, name="taps") as t:
            here = e.at(weights, t.index * row_weights)
            at = e.at(src, t.index // n1 * s0 + t.index % n1 * s1)
            last = (t.index + 1).equals(n0 * n1)
            self._tiles(
                area,
                at,
                here,
                self.loops[2:],
                e.b.select(last, following, e.at(here, row_weights)),
                (t.index > 0, last),
            )

    def _tiles(
        self,
        area: _Area,
        src: Value,
        weights: Value,
        loops: list[tuple[Index, Index]],
        following: Value,
        waiting: tuple[Value, Value] | None = None,
    ) -> None:
        """All tiles of the area. following: the weights needed next; waiting: were there sums before, and are these the
        last?"""
        e, t = self.e, self.tile

        def tile(row: Index, x: Index, far: Value, store: Callable[[list[Value], Index], None]) -> Value:
            """One tile; where was fetched up to."""
            at = x.minimum((area.x1 if self.k.joined else self.ow) - t.pixels)
            if not self.k.spread:
                fetch_operands(e, t, self.operands, (area.plane * self.oh + row) * self.ow + at, self.oc, area.channel)
            acc = zeros(e, t)
            if waiting:
                sums = self._sums(area, row, x)
                acc = self._load(acc, sums, waiting[0])
            if self.k.joined:
                column, next_row = at % self.ow, area.row_stride - self.ow * self.pixel
                src_tile = e.at(src, at // self.ow * area.row_stride + column * self.pixel)
                later = range(1, t.pixels)
                pixels: Index | Pixels = Offsets(
                    e, [self.pixel * i + e.select(column + i >= self.ow, next_row, 0) for i in later]
                )
            else:
                src_tile, pixels = (
                    e.at(src, (row - area.y0) * area.row_stride + (at - area.x_base) * self.pixel),
                    self.pixel,
                )
            acc, far = self._sum(acc, src_tile, pixels, weights, loops, far)
            if waiting:
                with e.otherwise_when(waiting[1]) as (last, more):
                    with last:
                        store(acc, at)
                    with more:
                        for i, a in enumerate(acc):
                            e.store(a, sums, i * e.lanes)
            else:
                store(acc, at)
            return far

        if self.k.pool is not None:
            self._pooled(self.k.pool, area, tile, following, waiting[1] if waiting else None)
            return
        with e.loop(area.y1, start=area.y0, carry=[following], name="row") as row:
            with e.loop(area.x1, start=area.x0, step=t.pixels, carry=row.values, name="tile") as x:
                x.carry([tile(row.index, x.index, x.values[0], lambda acc, at: self._store(acc, area, row.index, at))])
            row.carry(x.results)

    def _pooled(
        self, pool: Pool, area: _Area, tile: Callable[..., Value], following: Value, last: Value | None
    ) -> None:
        """The area's tiles in the order in which they are pooled: for the rows of a window, as many as end where a
        window does. (Those of full rows would not stay in L1: 224 pixels of 64 channels take 114 KB.)"""
        e, t, (_, ph, pw) = self.e, self.tile, pool.size
        stretch = lcm(t.pixels, pw)
        pitch = t.pixels + stretch  # the last tile of a row may begin before the stretch does
        buffer = e.stack(ph * pitch * self.width)
        with e.loop(area.y1, start=area.y0, step=ph, carry=[following], name="windows") as y:
            with e.loop(area.x1, start=area.x0, step=stretch, carry=y.values, name="run") as begin:
                end = (begin.index + stretch).minimum(area.x1)

                def store(acc: list[Value], at: Index) -> None:
                    pixel = (row.index - y.index) * pitch + t.pixels + at - begin.index  # noqa: B023
                    wide, begins = e.const(self.width), 0 - area.channel
                    store_tile(e, t, acc, self.operands, buffer, pixel, wide, area.channel, area.channels, begins)

                with e.loop(y.index + ph, start=y.index, carry=begin.values, name="row") as row:
                    with e.loop(end, start=begin.index, step=t.pixels, carry=row.values, name="tile") as x:
                        x.carry([tile(row.index, x.index, x.values[0], store)])
                    row.carry(x.results)
                begin.carry(row.results)
                line = (area.plane * (self.oh // ph) + y.index // ph) * (self.ow // pw) + begin.index // pw

                def pixels(v: Index, mask: Value | None) -> None:
                    with e.loop((end - begin.index) // pw, name="pixel") as p:  # noqa: B023
                        places = [
                            [((p.index * pw + t.pixels + r * pitch + s) * self.width + v) for s in range(pw)]
                            for r in range(ph)
                        ]
                        # Channels that are not stored may hold anything, denormal numbers, too, which take a hundred
                        # times as long.
                        value = pooled(
                            e, pool.function, [[e.load(buffer, at, mask=mask) for at in row_] for row_ in places]
                        )
                        e.store(value, self.dst, (line + p.index) * self.oc + area.channel + v, mask)  # noqa: B023

                with e.when(last) if last is not None else nullcontext():
                    with e.loop(area.channels.minimum(self.width), step=e.lanes, name="vector") as v:
                        with e.otherwise_when(v.index + e.lanes <= area.channels) as (full, ragged):
                            with full:
                                pixels(v.index, None)
                            with ragged:
                                pixels(v.index, e.mask(area.channels - v.index))
            y.carry(begin.results)

    def _sum(
        self,
        acc: list[Value],
        src: Value,
        pixels: Index | Pixels,
        weights: Value,
        loops: list[tuple[Index, Index]],
        far: Value,
    ) -> tuple[list[Value], Value]:
        """The accumulators after loops over taps around the contiguous run; and the address up to which was fetched
        ahead."""
        if not loops:
            ahead = Ahead(self.k.lines, far, self.ahead)
            *acc, far = accumulate(self.e, self.tile, acc, src, pixels, weights, self.run, ahead, unroll=self.k.unroll)
            return acc, far
        (count, distance), *inner = loops
        weights_distance = self.run * self.width
        for n, _ in inner:
            weights_distance = weights_distance * n
        with self.e.loop(count, carry=[*acc, far, src, weights], name="tap", at_least_once=True) as tap:
            *acc, far, src, weights = tap.values
            acc, far = self._sum(acc, src, pixels, weights, inner, far)
            tap.carry([*acc, far, self.e.at(src, distance), self.e.at(weights, weights_distance)])
        *acc, far, _, _ = tap.results
        return acc, far

    def _store(self, acc: list[Value], area: _Area, row: Index, at: Index) -> None:
        e, plane = self.e, area.plane
        if self.k.spread:
            image, deep, down, pixel = (e.index(a) for a in Spread.names())
            start = plane // self.od * image + plane % self.od * deep + row * down
            store_tile(e, self.tile, acc, self.operands, self.dst, at, pixel, area.channel, area.channels, start)
        else:
            at = (plane * self.oh + row) * self.ow + at
            store_tile(e, self.tile, acc, self.operands, self.dst, at, self.oc, area.channel, area.channels)

    def _sums(self, area: _Area, row: Index, x: Index) -> Value:
        """Where the sums of a tile wait."""
        e, t = self.e, self.tile
        across = (area.x1 - area.x0 + t.pixels - 1) // t.pixels
        tile = (row - area.y0) * across + (x - area.x0) // t.pixels
        return e.at(self.source.scratch, e.index("sums") + tile * (t.accumulators * e.lanes))

    def _load(self, acc: list[Value], sums: Value, condition: Value) -> list[Value]:
        """The sums if the condition holds, else acc; a loop of no or one turn, since a branch has no values."""
        e = self.e
        with e.loop(e.select(condition, 1, 0), carry=acc, name="sums") as loop:
            loop.carry([e.load(sums, i * e.lanes) for i in range(len(acc))])
        return loop.results


@dataclass(frozen=True)
class _Area:
    """A block of output pixels and of output channels."""

    plane: Index
    y0: Index
    y1: Index
    x0: Index
    x1: Index
    x_base: Index
    """the column that the source's address stands for"""
    row_stride: Index
    """values from the input of one output row to the next's"""
    channel: Index
    channels: Index
    """how many there are from `channel` on"""
