"""From accumulators to memory: the epilogue on every vector of a tile, and the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simplecell.engine.code.elementwise import emit_expression
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.tile import LINE, Tile, fetch

INLINE = 8
"""Epilogues of up to so many instructions are written out for every accumulator while it is in its register; longer
ones (a gelu is some 30) would make 28 copies of themselves, so their accumulators go through memory to one copy in a
loop."""


@dataclass(frozen=True)
class Operands:
    """An epilogue's operands, as a kernel's arguments `e0, e1, …` name them: addresses, or values splat over the lanes
    (scalars)."""

    epilogue: Epilogue
    values: tuple[Value, ...]

    @staticmethod
    def of(e: Emitter, epilogue: Epilogue) -> Operands:
        found = []
        for name, kind in zip(epilogue.arguments, epilogue.kinds):
            at = e.pointer(name)
            found.append(e.broadcast(at) if kind == "scalar" else at)
        return Operands(epilogue, tuple(found))

    def loaded(self, e: Emitter, channel: Index) -> Operands:
        """With the vectors of the channels from `channel` on read already, for many pixels."""
        kinds = tuple("scalar" if k == "channel" else k for k in self.epilogue.kinds)
        values = tuple(e.load(v, channel) if k == "channel" else v for k, v in zip(self.epilogue.kinds, self.values))
        return Operands(replace(self.epilogue, kinds=kinds), values)

    def apply(self, e: Emitter, accumulator: Value, pixel: Index, channel: Index, mask: Value | None = None) -> Value:
        """The epilogue of one vector; `pixel` is the offset of its pixel in the dense output, `channel` its first
        channel."""
        if not self.epilogue.expression.instructions:
            return accumulator
        read = {
            "scalar": lambda v: v,
            "channel": lambda v: e.load(v, channel, mask=mask),
            "full": lambda v: e.load(v, pixel + channel, mask=mask),
        }
        values = [read[kind](v) for kind, v in zip(self.epilogue.kinds, self.values)]
        return emit_expression(e, self.epilogue.expression, [accumulator, *values])[0]


def fetch_operands(e: Emitter, tile: Tile, operands: Operands, pixel: Index, stride: Index, channel: Index) -> None:
    """Ask for the tile's part of the `full` operands, so that it has come when the products are done."""
    for kind, at in zip(operands.epilogue.kinds, operands.values):
        if kind == "full":
            for p in range(tile.pixels):
                for line in range(0, tile.vectors * e.lanes, LINE):
                    fetch(e, e.at(at, (pixel + p) * stride + channel + line))


def store_tile(
    e: Emitter,
    tile: Tile,
    acc: Sequence[Value],
    operands: Operands,
    dst: Value,
    pixel: Index,
    dst_stride: Index,
    channel: Index,
    channels: Index,
    offset: Index | int = 0,
) -> None:
    """Store a tile's accumulators through the epilogue.

    pixel: number of the tile's first pixel in dst (pixels are `dst_stride` values apart; `full` operands have the same
        layout);
    channel: the tile's first output channel; channels: how many of the tile's are left in dst (may exceed the tile's);
    offset: of pixel 0 in dst.
    """
    width = tile.vectors * e.lanes
    first = pixel * dst_stride + offset

    def from_registers() -> None:
        loaded = [operands.loaded(e, channel + v * e.lanes) for v in range(tile.vectors)]
        for p in range(tile.pixels):
            for v in range(tile.vectors):
                at, c = first + dst_stride * p, channel + v * e.lanes
                e.store(loaded[v].apply(e, acc[p * tile.vectors + v], at, c), dst, at + c)

    def from_memory() -> None:
        """One copy of the epilogue, or two where channels may end within a vector."""
        for i, a in enumerate(acc):
            e.store(a, buffer, i * e.lanes)
        with e.loop(tile.pixels, name="pixel") as p:
            at = first + dst_stride * p.index
            with e.loop(channels.minimum(width), step=e.lanes, name="vector") as v:
                c = channel + v.index
                value = e.load(buffer, p.index * width + v.index)
                with e.otherwise_when(v.index + e.lanes <= channels) as (full, ragged):
                    with full:
                        e.store(operands.apply(e, value, at, c), dst, at + c)
                    with ragged:
                        mask = e.mask(channels - v.index)
                        e.store(operands.apply(e, value, at, c, mask), dst, at + c, mask=mask)

    buffer = e.stack(tile.accumulators * e.lanes)
    if len(operands.epilogue.expression.instructions) > INLINE:
        from_memory()
        return
    with e.otherwise_when(channels >= width) as (full, ragged):
        with full:
            from_registers()
        with ragged:
            from_memory()
