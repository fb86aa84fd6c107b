"""From the sums of a chunk to dst: where each output of a block belongs, and the epilogue, which the next chunk's
multiplications hide."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.matrix.blocking import ACROSS_ROWS, BLOCK
from simplecell.engine.algorithms.convolution.matrix.layout import Area, Layout
from simplecell.engine.algorithms.convolution.matrix.schedule import PLACES
from simplecell.engine.algorithms.convolution.pool_stage import Pool, pooled
from simplecell.engine.code.emit import I64, PTR, Index, Value
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.tile_store import Operands


@dataclass(frozen=True)
class Waiting:
    """Sums that are not in dst yet: which of the noted places are theirs, output channels, where they are."""

    first: Index
    last: Index
    channel: Index
    sums: Value
    masks: tuple[Value, Value]


class Outputs:
    """Notes places, and finishes the sums that wait for it."""

    def __init__(self, layout: Layout, epilogue: Epilogue, pool: Pool | None) -> None:
        self.e, self.layout, self.pool = layout.e, layout, pool
        self.operands = Operands.of(self.e, epilogue)
        self.window = pool.size[1:] if pool is not None else (1, 1)
        self.words = self.e.stack(4, I64)  # see Waiting

    def _tile_begins(self, chunk: Index, half: Index | int) -> Index:
        """Number of the first pixel of one of a chunk's two tiles."""
        if self.window[0] == 2:
            row, column = chunk // self.layout.per_row * 2 + half, chunk % self.layout.per_row
        else:
            tile = chunk * 2 + half
            row, column = tile // self.layout.per_row, tile % self.layout.per_row
        return row * self.layout.across + column * self.layout.tile_rows

    def note_places(self, area: Area) -> Index:
        """Write down the places of a block's outputs, and none for the chunk after the last; the number of chunks."""
        e, (down, along) = self.e, self.window
        by_rows = self.layout.per_row < ACROSS_ROWS
        tiles = (
            (area.height - 1) * self.layout.across + area.width + self.layout.tile_rows - 1
        ) // self.layout.tile_rows
        tiles = e.select(by_rows, area.height * self.layout.per_row, tiles)
        chunks = (tiles + 1) // 2 if down == 1 else area.height // 2 * self.layout.per_row
        height, width = self.layout.oh // down, self.layout.ow // along
        first_pixel = (area.plane * height + area.y0 // down) * width + area.x0 // along
        with e.loop(chunks, name="chunk") as chunk:
            at = e.at(self.layout.places, chunk.index * PLACES, I64)
            for tile in range(2):
                e.store(self._tile_begins(chunk.index, tile).ir, at, tile)
            with e.loop(2 // down, carry=[e.const(0).ir], name="half", at_least_once=True) as half:
                begin = self._tile_begins(chunk.index, half.index)
                end = begin + self.layout.tile_rows
                first = begin // self.layout.across
                after = e.select(by_rows, first + 1, (end - 1) // self.layout.across + 1).minimum(area.height)
                with e.loop(after, first, carry=half.values, name="row") as y:
                    line = y.index * self.layout.across
                    with e.loop(
                        end.minimum(line + area.width), begin.maximum(line), along, carry=y.values, name="pixel"
                    ) as p:
                        n = Index(e, p.values[0])
                        row = half.index * self.layout.tile_rows + p.index - begin
                        e.store(row.ir, at, n * 2 + 3)
                        e.store(
                            ((first_pixel + y.index // down * width + (p.index - line) // along) * self.layout.oc).ir,
                            at,
                            n * 2 + 4,
                        )
                        p.carry([(n + 1).ir])
                    y.carry(p.results)
                half.carry(y.results)
            e.store(half.results[0], at, 2)
        e.store(e.const(0).ir, self.layout.places, chunks * PLACES + 2)
        return chunks

    def wait(self, chunk: Index, channel: Index, sums: Value) -> None:
        """A chunk's sums now wait to be finished; those before are finished."""
        e = self.e
        first = chunk * PLACES + 2
        count = Index(e, e.load(self.layout.places, first, 1, I64))
        for i, word in enumerate((first, count * 2 + first, channel)):
            e.store(word.ir, self.words, i)
        e.store(e.b.ptrtoint(sums, I64), self.words, 3)

    def waiting(self) -> Waiting:
        e = self.e
        first, last, channel, sums = (e.load(self.words, i, 1, I64) for i in range(4))
        left = self.layout.channels - Index(e, channel)
        masks = e.mask(left), e.mask(left - e.lanes)
        return Waiting(Index(e, first), Index(e, last), Index(e, channel), e.b.inttoptr(sums, PTR), masks)

    def finish(self, waiting: Waiting, first: Index, last: Index) -> None:
        """Sums → epilogue → dst, for the places from `first` to `last`."""
        e = self.e
        with e.loop(last, start=first, step=2, name="finish") as at:
            row, offset = (Index(e, e.load(self.layout.places, at.index + i, 1, I64)) for i in (1, 2))
            for v, mask in enumerate(waiting.masks):
                c = waiting.channel + v * e.lanes
                window = [
                    [
                        self._finished(waiting.sums, row + self.layout.tile_rows * down + along, v, offset, c, mask)
                        for along in range(self.window[1])
                    ]
                    for down in range(self.window[0])
                ]
                value = window[0][0] if self.pool is None else pooled(e, self.pool.function, window)
                e.store(value, self.layout.dst, offset + c, mask=mask)

    def _finished(self, sums: Value, row: Index, v: int, offset: Index, channel: Index, mask: Value) -> Value:
        value = self.e.load(sums, row * BLOCK + v * self.e.lanes)
        return self.operands.apply(self.e, value, offset, channel, mask)
