"""Convolution on a matrix unit that multiplies bfloat16: inputs and weights as sums of bfloat16 parts."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.matrix.blocking import BLOCK
from simplecell.engine.algorithms.convolution.matrix.inputs import Inputs
from simplecell.engine.algorithms.convolution.matrix.layout import Layout
from simplecell.engine.algorithms.convolution.matrix.outputs import Outputs
from simplecell.engine.algorithms.convolution.matrix.schedule import PLACES, MatrixSchedule
from simplecell.engine.algorithms.convolution.pool_stage import Pool
from simplecell.engine.code.bfloat16 import PRODUCTS
from simplecell.engine.code.emit import I8, I64, Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.matrix_unit import COLUMNS, DEPTH, TILE, MatrixUnit
from simplecell.engine.code.tile import LINE, fetch, next_weights


@dataclass(frozen=True)
class ConvolutionMatrix(Kernel):
    """dst[n, d, h, w, oc] = epilogue(Σ over taps and ic of src · weights), for one group.

    The loops, from the outermost: share of the output channels; image, depth, block of rows, block of columns (these
    are divided among the threads); block of 32 output channels; part of the input channels, such that its weights stay
    in L2; chunk of two tiles of pixels; 32 input channels (of which a chunk's pixels stay in L1); taps.

    The inputs of a block of rows and columns are first split into their parts in the thread's scratch, with zeros where
    they lie outside, one picture for each phase of the strides: pixel (r, s) of phase (a, b) is input (r · stride_h +
    a, s · stride_w + b). So each tap reads neighbouring pixels for neighbouring outputs, also across the ends of rows:
    output (y, x) of the block is number y · across + x, where `across` is as wide as a phase. There are `per_row` tiles
    of `tile_rows` pixels in a row. Where `per_row` is ACROSS_ROWS, they go on across the ends of rows, and what is
    computed between the rows is not stored.

    With few input channels, `merged`, a row of taps is one: the values that it reads lie one behind the other, kernel
    width · ic of them, and are copied for each output.

    pool: the rows of a tile are full windows, of one row or of two; the two tiles of a chunk are then one above the
    other. oh and ow are those of full windows, of which the rows and columns of a block are multiples; `full` operands
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
        return kernel_name(
            "convolution_forward", "matrix", "float32",
            f"bf16x{self.parts}",
            "merged" * self.merged,
            f"{'i' if self.fetch_inputs else 'p'}{self.lines}",
            self.epilogue.name,
            self.pool.name if self.pool is not None else "",
        )  # fmt: skip

    def emit(self, e: Emitter) -> None:
        _Matrix(e, self).emit()


_ADDRESSES = ("dst", "src", "weights", "offsets", "scratch", "scratch_stride")
_ARGUMENTS = (*_ADDRESSES, *MatrixSchedule.names())


class _Matrix:
    def __init__(self, e: Emitter, kernel: ConvolutionMatrix) -> None:
        self.e, self.k, self.unit = e, kernel, MatrixUnit(e)
        self.layout = Layout(e, kernel.merged)
        self.inputs = Inputs(self.layout, kernel.parts, kernel.merged)
        self.outputs = Outputs(self.layout, kernel.epilogue, kernel.pool)

    def emit(self) -> None:
        e = self.e
        shares, slabs = e.index("shares"), e.index("slabs")
        blocks = (self.layout.channels + BLOCK - 1) // BLOCK
        slab_bytes = self.layout.taps * (2 * self.k.parts * TILE)
        block_bytes = self.layout.deep * slab_bytes
        units = e.index("n") * self.layout.od * self.layout.row_blocks * self.layout.column_blocks
        first, last = e.my_share(units * shares)
        with self.unit.configured(self.layout.tile_rows), e.loop(last, start=first, name="unit") as unit:
            share, area = unit.index // units, self.layout.area(unit.index % units)
            self.inputs.split(area)
            chunks = self.outputs.note_places(area)
            begin, end = blocks * share // shares, blocks * (share + 1) // shares
            begins = e.at(self.layout.weights, begin * block_bytes, I8)
            after = e.b.select((unit.index + 1).equals(last), next_weights(e, begins), begins)
            self.outputs.wait(chunks, chunks, self.layout.sums)
            inputs = (
                self.layout.first_input(self.layout.area((unit.index + 1).minimum(last - 1) % units))
                if self.k.fetch_inputs
                else self.layout.src
            )
            with e.loop(end, start=begin, carry=[inputs], name="block") as block:
                with e.loop(self.layout.deep, step=slabs, carry=block.values, name="part", at_least_once=True) as k:
                    stop = (k.index + slabs).minimum(self.layout.deep)
                    weights = e.at(self.layout.weights, block.index * block_bytes + k.index * slab_bytes, I8)
                    more = e.b.or_(block.index + 1 < end, stop < self.layout.deep)
                    following = e.b.select(more, e.at(weights, (stop - k.index) * slab_bytes, I8), after)
                    with e.loop(
                        chunks, carry=k.values if self.k.fetch_inputs else [following], name="chunk", at_least_once=True
                    ) as chunk:
                        sums = e.at(self.layout.sums, chunk.index * e.index("sums_chunk"), I8)
                        self._begin(sums, k.index > 0)
                        far = self._sum(chunk.index, k.index, stop, weights, chunk.values[0])
                        self._end(sums)
                        self.outputs.wait(
                            e.select(stop.equals(self.layout.deep), chunk.index, chunks), block.index * BLOCK, sums
                        )
                        chunk.carry([far])
                    k.carry(chunk.results)
                block.carry(k.results)
            waiting = self.outputs.waiting()
            self.outputs.finish(waiting, waiting.first, waiting.last)

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
        return self.e.at(sums, self.layout.tile_rows * (c // 2 * BLOCK) + c % 2 * COLUMNS)

    def _sum(self, chunk: Index, first: Index, stop: Index, weights: Value, far: Value) -> Value:
        """Add the products of some slabs of 32 input channels to a chunk's sums, and finish the chunk before meanwhile;
        up to where was fetched ahead."""
        e, unit = self.e, self.unit
        begin, above = (Index(e, e.load(self.layout.places, chunk * PLACES + tile, 1, I64)) for tile in range(2))
        second = (above - begin) * self.layout.pitch
        src = e.at(self.layout.scratch, begin * self.layout.pitch + first * (2 * DEPTH), I8)
        offsets, finished = e.pointer("offsets"), e.index("finished")
        products = [(x, y, c) for x, y in PRODUCTS[self.k.parts] for c in range(4)]
        waiting = self.outputs.waiting()
        with e.loop(
            stop, start=first, carry=[src, weights, far, waiting.first.ir], name="depth", at_least_once=True
        ) as k:
            slab, *rest = k.values
            with e.loop(self.layout.taps, carry=rest, name="tap", at_least_once=True) as tap:
                w, far, done = tap.values
                at = e.at(slab, Index(e, e.load(offsets, tap.index, 1, I64)), I8)
                loaded: tuple[int, int] = (-1, -1)
                for i, (x, y, c) in enumerate(products):
                    if x != loaded[0]:
                        here = e.at(at, self.layout.part * x, I8)
                        unit.load(4, here, self.layout.pitch)
                        unit.load(5, e.at(here, second, I8), self.layout.pitch)
                    if y != loaded[1]:
                        unit.load(6, e.at(w, 2 * y * TILE, I8), 4 * COLUMNS)
                        unit.load(7, e.at(w, (2 * y + 1) * TILE, I8), 4 * COLUMNS)
                    loaded = x, y
                    unit.multiply(c, 4 + c // 2, 6 + c % 2)
                    for line in range(self.k.lines * i // len(products), self.k.lines * (i + 1) // len(products)):
                        fetch(e, e.at(far, line * LINE))
                until = (Index(e, done) + finished).minimum(waiting.last)
                self.outputs.finish(waiting, Index(e, done), until)
                tap.carry([e.at(w, 2 * self.k.parts * TILE, I8), e.at(far, self.layout.ahead), until.ir])
            k.carry([e.at(slab, 2 * DEPTH, I8), *tap.results])
        self.outputs.finish(waiting, Index(e, k.results[3]), waiting.last)
        return k.results[2]
