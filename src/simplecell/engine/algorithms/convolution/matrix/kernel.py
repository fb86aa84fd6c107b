"""Convolution on a matrix unit that multiplies bfloat16: inputs and weights as sums of bfloat16 parts."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.convolution.pool_stage import Pool, pooled
from simplecell.engine.code.bfloat16 import PRODUCTS, split
from simplecell.engine.code.emit import I1, I8, I64, PTR, Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.matrix_unit import COLUMNS, DEPTH, ROWS, TILE, MatrixUnit
from simplecell.engine.code.tile import LINE, fetch, next_weights
from simplecell.engine.code.tile_store import Operands


@dataclass(frozen=True)
class ConvolutionMatrix(Kernel):
    """dst[n, d, h, w, oc] = epilogue(Σ over taps and ic of src · weights), for one group.

    The loops, from the outermost: share of the output channels; image, depth, block of rows, block of columns (these
    are divided among the threads); block of 32 output channels; part of the input channels, such that its weights stay
    in L2; chunk of two tiles of pixels; 32 input channels (of which a chunk's pixels stay in L1); taps.

    The inputs of a block of rows and columns are first split into their parts in the thread's scratch, with zeros where
    they lie outside the picture,
    one picture for each phase of the strides: pixel (r, s) of phase (a, b) is input (r · stride_h + a, s · stride_w +
    b). So each tap reads neighbouring pixels for neighbouring outputs, also across the ends of rows: output (y, x) of
    the block is number y · across + x, where `across` is as wide as a phase. There are `per_row` tiles of `tile_rows`
    pixels in a row; or, where `per_row` is ACROSS_ROWS, they go on across the ends of rows, and what is computed
    between the rows is not stored.

    With few input channels, `merged`, a row of taps is one: the values that it reads lie one behind the other, kernel
    width · ic of them, and are copied for each output.

    pool: the rows of a tile are whole windows, of one row or of two; the two tiles of a chunk are then one above the
    other. oh and ow are those of whole windows, of which the rows and columns of a block are multiples; `full` operands
    are not for it.

    The sums of a chunk go through the epilogue while the next chunk is multiplied, a few pixels with each 32 input
    channels: the vector units and the stores have little else to do then. Sums are made in one order, whatever the
        blocks.
    """

    parts: int
    """bfloat16 values that a float32 value is split into"""
    epilogue: Epilogue = NO_EPILOGUE
    merged: bool = False
    """A row of taps counts as one, of `run` ≤ 32 input channels."""
    lines: int = 1
    """cache lines to fetch with each 32 input channels of a tap, of the weights needed next"""
    fetch_inputs: bool = False
    """or, where all weights are near, of the next block's inputs"""
    pool: Pool | None = None

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *(("run",) if self.merged else ()), *self.epilogue.arguments)

    @property
    def name(self) -> str:
        words = (
            f"convolution_matrix_bf16x{self.parts}",
            "merged" if self.merged else "",
            f"{'i' if self.fetch_inputs else 'p'}{self.lines}",
            self.epilogue.name,
            self.pool.name if self.pool is not None else "",
        )
        return "_".join(w for w in words if w)

    def emit(self, e: Emitter) -> None:
        _Matrix(e, self).emit()


_ARGUMENTS = (
    "dst src weights next_weights scratch scratch_stride "
    # oc: values from one pixel of dst to the next; channels: how many are computed
    "n od oh ow oc channels id ih iw ic "
    "stride_d stride_h stride_w pad_d pad_h pad_w dilation_d "
    "kd reach_h reach_w "  # planes of the kernel; input rows and columns from the first tap to the last
    "phases_h phases_w "  # of the strides, as far as taps look at them
    "taps offsets "  # how many, and where each begins in scratch (bytes)
    # outputs in a block; shares of the output channels; pixels in a tile, tiles in a row
    "rows columns shares tile_rows per_row "
    # scratch: pixels in a row, then bytes from one pixel, phase, plane, part to the next
    "across pitch phase plane part "
    # 32 input channels each, added at a time; where sums wait in scratch, and bytes from one chunk's to the next's
    "slabs sums sums_chunk "
    # where in scratch the places of a block's outputs are noted; pixels to finish with each 32 input channels of a
    # tap
    "places finished "
    "ahead"  # values of weights to fetch with each 32 input channels of a tap; see `lines`
).split()

NONE = ir.Constant(ir.VectorType(I1, ROWS), None)
"""no lane"""
BLOCK = 2 * COLUMNS
"""output channels that are computed together"""
CHUNK = 2 * ROWS
"""pixels, at most"""
ACROSS_ROWS = 1 << 30
"""as `per_row`: tiles go on across the ends of rows"""
PLACES = 3 + 2 * CHUNK
"""words that note the places of a chunk: where its two tiles begin (pixels); how many outputs exist; for each of these
its number among the sums and its offset in dst"""


class _Matrix:
    def __init__(self, e: Emitter, kernel: ConvolutionMatrix) -> None:
        self.e, self.k, self.unit = e, kernel, MatrixUnit(e)
        self.dst, self.src, self.weights = e.pointer("dst"), e.pointer("src"), e.pointer("weights")
        self.od, self.oh, self.ow, self.oc, self.channels = (e.index(a) for a in ("od", "oh", "ow", "oc", "channels"))
        self.id, self.ih, self.iw, self.ic = (e.index(a) for a in ("id", "ih", "iw", "ic"))
        self.strides = [e.index(f"stride_{a}") for a in "dhw"]
        self.pads = [e.index(f"pad_{a}") for a in "dhw"]
        self.phases_h, self.phases_w, self.taps = e.index("phases_h"), e.index("phases_w"), e.index("taps")
        self.across, self.pitch, self.phase = e.index("across"), e.index("pitch"), e.index("phase")
        self.plane, self.part = e.index("plane"), e.index("part")
        self.tile_rows, self.per_row, self.ahead = e.index("tile_rows"), e.index("per_row"), e.index("ahead")
        self.rows, self.columns = e.index("rows"), e.index("columns")
        self.row_blocks, self.column_blocks = (
            (self.oh + self.rows - 1) // self.rows,
            (self.ow + self.columns - 1) // self.columns,
        )
        self.deep = e.const(1) if kernel.merged else (self.ic + DEPTH - 1) // DEPTH
        self.scratch = e.b.gep(e.pointer("scratch"), [(e.thread * e.index("scratch_stride")).ir], source_etype=I8)
        self.sums, self.places = (e.at(self.scratch, e.index(a), I8) for a in ("sums", "places"))
        self.operands = Operands.of(e, kernel.epilogue)
        self.window = kernel.pool.size[1:] if kernel.pool is not None else (1, 1)
        with e.b.goto_entry_block():
            self.waiting = e.b.alloca(I64, 4)  # see _Waiting
            self.waiting.type = PTR

    def emit(self) -> None:
        e = self.e
        shares, slabs = e.index("shares"), e.index("slabs")
        blocks = (self.channels + BLOCK - 1) // BLOCK
        slab_bytes = self.taps * (2 * self.k.parts * TILE)
        block_bytes = self.deep * slab_bytes
        units = e.index("n") * self.od * self.row_blocks * self.column_blocks
        first, last = e.my_share(units * shares)
        with self.unit.configured(self.tile_rows), e.loop(last, start=first, name="unit") as unit:
            share, area = unit.index // units, self._area(unit.index % units)
            self._split(area)
            chunks = self._note_places(area)
            begin, end = blocks * share // shares, blocks * (share + 1) // shares
            begins = e.at(self.weights, begin * block_bytes, I8)
            after = e.b.select((unit.index + 1).equals(last), next_weights(e, begins), begins)
            self._wait(chunks, chunks, self.sums)
            inputs = (
                self._inputs(self._area((unit.index + 1).minimum(last - 1) % units))
                if self.k.fetch_inputs
                else self.src
            )
            with e.loop(end, start=begin, carry=[inputs], name="block") as block:
                with e.loop(self.deep, step=slabs, carry=block.values, name="part", at_least_once=True) as k:
                    stop = (k.index + slabs).minimum(self.deep)
                    weights = e.at(self.weights, block.index * block_bytes + k.index * slab_bytes, I8)
                    more = e.b.or_(block.index + 1 < end, stop < self.deep)
                    following = e.b.select(more, e.at(weights, (stop - k.index) * slab_bytes, I8), after)
                    with e.loop(
                        chunks, carry=k.values if self.k.fetch_inputs else [following], name="chunk", at_least_once=True
                    ) as chunk:
                        sums = e.at(self.sums, chunk.index * e.index("sums_chunk"), I8)
                        self._begin(sums, k.index > 0)
                        far = self._sum(chunk.index, k.index, stop, weights, chunk.values[0])
                        self._end(sums)
                        self._wait(e.select(stop.equals(self.deep), chunk.index, chunks), block.index * BLOCK, sums)
                        chunk.carry([far])
                    k.carry(chunk.results)
                block.carry(k.results)
            waiting = self._waiting()
            self._finish(waiting, waiting.first, waiting.last)

    def _area(self, unit: Index) -> _Area:
        x0, rest = unit % self.column_blocks * self.columns, unit // self.column_blocks
        y0, plane = rest % self.row_blocks * self.rows, rest // self.row_blocks
        return _Area(plane, y0, x0, (self.oh - y0).minimum(self.rows), (self.ow - x0).minimum(self.columns))

    def _inputs(self, area: _Area) -> Value:
        """About where the inputs of a block begin: those that the block before has not read."""
        d, image = area.plane % self.od * self.strides[0], area.plane // self.od
        row = (image * self.id + d) * self.ih + area.y0 * self.strides[1]
        return self.e.at(self.src, (row * self.iw + area.x0 * self.strides[2]) * self.ic)

    def _split(self, area: _Area) -> None:
        """The parts of all inputs that a block of outputs reads."""
        e, b = self.e, self.e.b
        (sd, sh, _), (pd, ph, _) = self.strides, self.pads
        reach_h = e.index("reach_h")
        image, d = area.plane // self.od, area.plane % self.od
        with (
            e.loop(e.index("kd"), name="plane", at_least_once=True) as z,
            e.loop(self.phases_h, name="phase_h", at_least_once=True) as phase,
        ):
            iz = d * sd - pd + z.index * e.index("dilation_d")
            with e.loop(area.height + (reach_h - phase.index) // sh, name="split_row") as r:
                iy = (area.y0 + r.index) * sh + phase.index - ph
                exists = b.and_(b.and_(iz >= 0, iz < self.id), b.and_(iy >= 0, iy < self.ih))
                line = ((image * self.id + iz) * self.ih + iy) * self.iw
                out = e.at(
                    self.scratch,
                    z.index * self.plane
                    + phase.index * self.phases_w * self.phase
                    + r.index * self.across * self.pitch,
                    I8,
                )
                split_row = self._split_runs if self.k.merged else self._split_row
                spoiled = split_row(e.at(self.src, line * self.ic), out, area, exists, True)
                with e.when(e.any(spoiled)):
                    split_row(e.at(self.src, line * self.ic), out, area, exists, False)

    def _split_row(self, src: Value, out: Value, area: _Area, exists: Value, finite: bool) -> Value:
        """The phases of a row of inputs: pixels that are inside the picture, and zeros. In the result, a lane is true
        if they are not `finite`, as was expected."""
        e, sw = self.e, self.strides[2]
        with e.loop(self.phases_w, carry=[NONE], name="phase_w", at_least_once=True) as phase:
            count = area.width + (e.index("reach_w") - phase.index) // sw
            before = (
                self.pads[2] - phase.index - area.x0 * sw
            )  # input column −before is the first; those from 0 to iw exist
            low = ((before + sw - 1).maximum(0) // sw).minimum(count)
            high = ((self.iw + before + sw - 1).maximum(0) // sw).minimum(count)
            low, high = e.select(exists, low, count), e.select(exists, high.maximum(low), count)
            to = e.at(out, phase.index * self.phase, I8)
            self._zero(to, e.const(0), low)
            phase.carry([self._split_pixels(e.at(src, (0 - before) * self.ic), to, low, high, phase.values[0], finite)])
            self._zero(to, high, count)
        return phase.results[0]

    def _split_runs(self, src: Value, out: Value, area: _Area, exists: Value, finite: bool) -> Value:
        """What a row of taps reads for each output, as far as it is inside the picture; the result as of
        `_split_row`."""
        e, run = self.e, self.e.index("run")
        step = self.strides[2] * self.ic
        begin = (area.x0 * self.strides[2] - self.pads[2]) * self.ic
        end = e.select(exists, self.iw * self.ic, 0)
        with e.loop(area.width, carry=[NONE], name="pixel") as p:
            at, to = begin + p.index * step, e.at(out, p.index * self.pitch, I8)
            low, high = (0 - at).maximum(0), (end - at).minimum(run)  # of the run's values, those that exist
            halves: list[Value] = []
            for i in range(0, DEPTH, e.lanes):
                mask = e.b.and_(e.mask(high - i), e.b.not_(e.mask(low - i)))
                halves.append(e.load(src, at + i, mask=mask))
            parts, spoiled = split(e, halves[0], halves[1], self.k.parts, finite)
            for part, words in enumerate(parts):
                e.store(words, e.at(to, self.part * part, I8))
            p.carry([e.b.or_(p.values[0], spoiled)])
        return p.results[0]

    def _split_pixels(self, src: Value, out: Value, low: Index, high: Index, spoiled: Value, finite: bool) -> Value:
        e, sw = self.e, self.strides[2]
        whole = self.ic // DEPTH * DEPTH
        rest = self.ic - whole
        masks = e.mask(rest), e.mask(rest - e.lanes)
        with e.loop(high, start=low, carry=[spoiled], name="pixel") as p:
            at, to = e.at(src, p.index * sw * self.ic), e.at(out, p.index * self.pitch, I8)

            def write(c: Index, low: Value, high: Value, spoiled: Value) -> Value:
                parts, more = split(e, low, high, self.k.parts, finite)
                for part, words in enumerate(parts):
                    e.store(words, e.at(to, self.part * part + c * 2, I8))  # noqa: B023
                return e.b.or_(spoiled, more)

            with e.loop(whole, step=DEPTH, carry=p.values, name="channel") as c:
                c.carry([write(c.index, e.load(at, c.index), e.load(at, c.index + e.lanes), c.values[0])])
            with e.loop(e.select(rest > 0, 1, 0), carry=c.results, name="rest") as r:
                low_, high_ = (e.load(at, whole + e.lanes * i, mask=mask) for i, mask in enumerate(masks))
                r.carry([write(whole, low_, high_, r.values[0])])
            p.carry(r.results)
        return p.results[0]

    def _zero(self, out: Value, low: Index, high: Index) -> None:
        e = self.e
        with e.loop(high, start=low, name="no_pixel") as p, e.loop(self.deep, name="channel") as c:
            for part in range(self.k.parts):
                to = e.at(out, p.index * self.pitch + self.part * part + c.index * (2 * DEPTH), I8)
                e.store(e.zero(), to)

    def _tile_begins(self, chunk: Index, half: Index | int) -> Index:
        """Number of the first pixel of one of a chunk's two tiles."""
        if self.window[0] == 2:
            row, column = chunk // self.per_row * 2 + half, chunk % self.per_row
        else:
            tile = chunk * 2 + half
            row, column = tile // self.per_row, tile % self.per_row
        return row * self.across + column * self.tile_rows

    def _note_places(self, area: _Area) -> Index:
        """Write down the places of a block's outputs, and none for the chunk after the last; the number of chunks."""
        e, (down, along) = self.e, self.window
        by_rows = self.per_row < ACROSS_ROWS
        tiles = ((area.height - 1) * self.across + area.width + self.tile_rows - 1) // self.tile_rows
        tiles = e.select(by_rows, area.height * self.per_row, tiles)
        chunks = (tiles + 1) // 2 if down == 1 else area.height // 2 * self.per_row
        height, width = self.oh // down, self.ow // along
        first_pixel = (area.plane * height + area.y0 // down) * width + area.x0 // along
        with e.loop(chunks, name="chunk") as chunk:
            at = e.at(self.places, chunk.index * PLACES, I64)
            for tile in range(2):
                e.store(self._tile_begins(chunk.index, tile).ir, at, tile)
            with e.loop(2 // down, carry=[e.const(0).ir], name="half", at_least_once=True) as half:
                begin = self._tile_begins(chunk.index, half.index)
                end = begin + self.tile_rows
                first = begin // self.across
                after = e.select(by_rows, first + 1, (end - 1) // self.across + 1).minimum(area.height)
                with e.loop(after, first, carry=half.values, name="row") as y:
                    line = y.index * self.across
                    with e.loop(
                        end.minimum(line + area.width), begin.maximum(line), along, carry=y.values, name="pixel"
                    ) as p:
                        n = Index(e, p.values[0])
                        row = half.index * self.tile_rows + p.index - begin
                        e.store(row.ir, at, n * 2 + 3)
                        e.store(
                            ((first_pixel + y.index // down * width + (p.index - line) // along) * self.oc).ir,
                            at,
                            n * 2 + 4,
                        )
                        p.carry([(n + 1).ir])
                    y.carry(p.results)
                half.carry(y.results)
            e.store(half.results[0], at, 2)
        e.store(e.const(0).ir, self.places, chunks * PLACES + 2)
        return chunks

    def _begin(self, sums: Value, more: Value) -> None:
        """Tiles 0 … 3: the sums so far."""
        with self.e.otherwise_when(more) as (yes, no):
            with yes:
                for c in range(4):
                    self.unit.load(c, self._quarter(sums, c), 4 * BLOCK)
            with no:
                for c in range(4):
                    self.unit.zero(c)

    def _end(self, sums: Value) -> None:
        for c in range(4):
            self.unit.store(c, self._quarter(sums, c), 4 * BLOCK)

    def _quarter(self, sums: Value, c: int) -> Value:
        return self.e.at(sums, self.tile_rows * (c // 2 * BLOCK) + c % 2 * COLUMNS)

    def _sum(self, chunk: Index, first: Index, stop: Index, weights: Value, far: Value) -> Value:
        """Add the products of some slabs of 32 input channels to a chunk's sums, and finish the chunk before meanwhile;
        up to where was fetched ahead."""
        e, unit = self.e, self.unit
        begin, above = (Index(e, e.load(self.places, chunk * PLACES + tile, 1, I64)) for tile in range(2))
        second = (above - begin) * self.pitch
        src = e.at(self.scratch, begin * self.pitch + first * (2 * DEPTH), I8)
        offsets, finished = e.pointer("offsets"), e.index("finished")
        products = [(x, y, c) for x, y in PRODUCTS[self.k.parts] for c in range(4)]
        waiting = self._waiting()
        with e.loop(
            stop, start=first, carry=[src, weights, far, waiting.first.ir], name="depth", at_least_once=True
        ) as k:
            slab, *rest = k.values
            with e.loop(self.taps, carry=rest, name="tap", at_least_once=True) as tap:
                w, far, done = tap.values
                at = e.at(slab, Index(e, e.load(offsets, tap.index, 1, I64)), I8)
                loaded: tuple[int, int] = (-1, -1)
                for i, (x, y, c) in enumerate(products):
                    if x != loaded[0]:
                        here = e.at(at, self.part * x, I8)
                        unit.load(4, here, self.pitch)
                        unit.load(5, e.at(here, second, I8), self.pitch)
                    if y != loaded[1]:
                        unit.load(6, e.at(w, 2 * y * TILE, I8), 4 * COLUMNS)
                        unit.load(7, e.at(w, (2 * y + 1) * TILE, I8), 4 * COLUMNS)
                    loaded = x, y
                    unit.multiply(c, 4 + c // 2, 6 + c % 2)
                    for line in range(self.k.lines * i // len(products), self.k.lines * (i + 1) // len(products)):
                        fetch(e, e.at(far, line * LINE))
                until = (Index(e, done) + finished).minimum(waiting.last)
                self._finish(waiting, Index(e, done), until)
                tap.carry([e.at(w, 2 * self.k.parts * TILE, I8), e.at(far, self.ahead), until.ir])
            k.carry([e.at(slab, 2 * DEPTH, I8), *tap.results])
        self._finish(waiting, Index(e, k.results[3]), waiting.last)
        return k.results[2]

    def _wait(self, chunk: Index, channel: Index, sums: Value) -> None:
        """A chunk's sums now wait to be finished; those before are finished."""
        e = self.e
        first = chunk * PLACES + 2
        count = Index(e, e.load(self.places, first, 1, I64))
        for i, word in enumerate((first, count * 2 + first, channel)):
            e.store(word.ir, self.waiting, i)
        e.store(e.b.ptrtoint(sums, I64), self.waiting, 3)

    def _waiting(self) -> _Waiting:
        e = self.e
        first, last, channel, sums = (e.load(self.waiting, i, 1, I64) for i in range(4))
        left = self.channels - Index(e, channel)
        masks = e.mask(left), e.mask(left - e.lanes)
        return _Waiting(Index(e, first), Index(e, last), Index(e, channel), e.b.inttoptr(sums, PTR), masks)

    def _finish(self, waiting: _Waiting, first: Index, last: Index) -> None:
        """Sums → epilogue → dst, for the places from `first` to `last`."""
        e = self.e
        with e.loop(last, start=first, step=2, name="finish") as at:
            row, offset = (Index(e, e.load(self.places, at.index + i, 1, I64)) for i in (1, 2))
            for v, mask in enumerate(waiting.masks):
                c = waiting.channel + v * e.lanes
                window = [
                    [
                        self._finished(waiting.sums, row + self.tile_rows * down + along, v, offset, c, mask)
                        for along in range(self.window[1])
                    ]
                    for down in range(self.window[0])
                ]
                value = window[0][0] if self.k.pool is None else pooled(e, self.k.pool.function, window)
                e.store(value, self.dst, offset + c, mask=mask)

    def _finished(self, sums: Value, row: Index, v: int, offset: Index, channel: Index, mask: Value) -> Value:
        value = self.e.load(sums, row * BLOCK + v * self.e.lanes)
        return self.operands.apply(self.e, value, offset, channel, mask)


@dataclass(frozen=True)
class _Area:
    """A block of outputs: its plane (of all images), first row and column, and extents."""

    plane: Index
    y0: Index
    x0: Index
    height: Index
    width: Index


@dataclass(frozen=True)
class _Waiting:
    """Sums that are not in dst yet: which of the noted places are theirs, output channels, where they are."""

    first: Index
    last: Index
    channel: Index
    sums: Value
    masks: tuple[Value, Value]
