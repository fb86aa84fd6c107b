"""Pointwise convolution to few output channels, two steps of depth at a time, so that they fill whole vectors.

24 channels fill one and a half vectors of 16, and a tile of two vectors wastes a quarter of its multiplications. Two
steps of depth together have 48 lanes, three whole vectors: lane 2c + i holds channel c's products of the depths 2d + i.
A pixel's two values are broadcast by one load; when all are added, neighbouring lanes are added to each other. One
vector of channels becomes two in this way, which need half as many loads for each multiplication as a tile of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.code.elementwise import emit_expression
from simplecell.engine.code.emit import F64, I32, Emitter, Index, Value
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile import Strided, Tile, opaque_address, zeros
from simplecell.engine.code.tile_store import Operands
from simplecell.engine.planning.algorithm import Schedule


def pairs_pay(oc: int, depth: int, lanes: int) -> bool:
    """One vector of channels, or half a vector, one and a half, two and a half; and an even depth."""
    return lanes > 1 and 2 * oc % lanes == 0 and 2 * oc // lanes in (1, 2, 3, 5) and depth % 2 == 0


@dataclass(frozen=True)
class PairsSchedule(Schedule):
    depth: int
    oc: int


@dataclass(frozen=True)
class PackPairs(Kernel):
    """src (depth, oc), depth even → dst [depth / 2][oc][2]; 2 oc fill whole vectors."""

    arguments = ("dst", "src", *PairsSchedule.names())

    @property
    def name(self) -> str:
        return kernel_name("convolution_pack_weights", "separable", "float32", "pairs")

    def emit(self, e: Emitter) -> None:
        dst, src, half = e.pointer("dst"), e.pointer("src"), e.lanes // 2
        depth, oc = e.index("depth"), e.index("oc")
        first, last = e.my_share(depth // 2)
        order = ir.Constant(ir.VectorType(I32, e.lanes), [i // 2 + half * (i % 2) for i in range(e.lanes)])
        with e.loop(last, first, name="pair") as d, e.loop(oc, step=half, name="channel") as c:
            a, b = (e.load(src, (d.index * 2 + i) * oc + c.index, half) for i in range(2))
            e.store(e.b.shuffle_vector(a, b, order), dst, (d.index * oc + c.index) * 2)


def paired(
    e: Emitter,
    tile: Tile,
    src: Value,
    depth: Index,
    pixels: Index,
    weights: Value,
    operands: Operands,
    dst: Value,
    place: Index,
) -> None:
    """`pixels` neighbouring pixels from `src` on (`depth` values each) → pixels from number `place` of `dst` on. The
    output channels are those that the tile holds: half a vector for each of its vectors."""
    oc = tile.vectors * e.lanes // 2
    with e.loop(pixels, step=tile.pixels, name="pixels") as x:
        at = x.index.minimum(pixels - tile.pixels)
        acc = _accumulate(e, tile, e.at(src, at * depth), depth, weights)
        for p in range(tile.pixels):
            offset = (place + at + p) * oc
            for v in range(0, tile.vectors, 2):
                c = v * e.lanes // 2
                both = v + 1 < tile.vectors
                first = acc[p * tile.vectors + v]
                value = _added(e, first, acc[p * tile.vectors + v + 1] if both else None)
                e.store(_epilogue(e, operands, value, offset, c), dst, offset + c)


def _accumulate(e: Emitter, tile: Tile, source: Value, depth: Index, weights: Value) -> Sequence[Value]:
    pixels = Strided(e, depth, tile.pixels)
    pairs = ir.VectorType(F64, e.lanes // 2)
    with e.loop(depth // 2, carry=[*zeros(e, tile), source, weights], name="depth", at_least_once=True) as loop:
        *acc, at, w = loop.values
        at = opaque_address(e, at)
        values = [e.load(w, v * e.lanes) for v in range(tile.vectors)]
        for p in range(tile.pixels):
            x = e.b.bitcast(e.splat(e.load(pixels.at(at, p), lanes=1, element=F64), pairs.count), values[0].type)
            for v in range(tile.vectors):
                acc[p * tile.vectors + v] = e.fma(x, values[v], acc[p * tile.vectors + v])
        loop.carry([*acc, e.at(at, 2), e.at(w, tile.vectors * e.lanes)])
    return list(loop.results[: tile.accumulators])


def _added(e: Emitter, a: Value, b: Value | None) -> Value:
    """Sums of neighbouring lanes: of two vectors one, of one half a vector."""
    count = e.lanes if b is not None else e.lanes // 2
    other = b if b is not None else ir.Constant(a.type, ir.Undefined)
    even, odd = (
        e.b.shuffle_vector(a, other, ir.Constant(ir.VectorType(I32, count), [2 * i + k for i in range(count)]))
        for k in range(2)
    )
    return e.fadd(even, odd)


def _epilogue(e: Emitter, operands: Operands, value: Value, pixel: Index, channel: int) -> Value:
    if not operands.epilogue.expression.instructions:
        return value
    lanes = value.type.count
    given = [value]
    for kind, v in zip(operands.epilogue.kinds, operands.values):
        if kind == "scalar":
            order = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
            given.append(e.b.shuffle_vector(v, ir.Constant(v.type, ir.Undefined), order))
        else:
            given.append(e.load(v, pixel + channel if kind == "full" else channel, lanes))
    return emit_expression(e, operands.epilogue.expression, given)[0]
