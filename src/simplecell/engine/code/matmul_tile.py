"""The register tile with strides in every direction: the inner loop of matrix products and of the gradients of
convolutions.

    acc[i, v] += sum over d of  a[i · row + d · a_stride] · b[d · b_stride + v · lanes]        i < rows, v < vectors

`tile.accumulate` is the special case of packed weights and a source that is contiguous in d. Here the rows of `a` may
be contiguous instead (a transposed operand, the pixels of a weight gradient), and `b` may lie where the user has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import llvmlite.ir as ir

from simplecell.engine.code.emit import I32, PTR, Emitter, Index, Value
from simplecell.engine.code.tile import Tile


def products(
    e: Emitter,
    tile: Tile,
    acc: Sequence[Value],
    a: Sequence[Value],
    row: Index,
    a_stride: Index,
    b: Value,
    b_stride: Index,
    depth: Index,
    masks: Sequence[Value] | None = None,
    ahead: int = 0,
) -> list[Value]:
    """The accumulators `acc[i · vectors + v]` after `depth` more values of d, each adding in the order of d.

    a: the address of the first row, or those of several runs of equally many rows; `masks`: one per vector where `b`
    must not be read past its last column; `ahead`: for how many values of d ahead the rows of `a` (contiguous ones) are
    fetched into L1.
    """
    near = isinstance(row.value, int)
    per_run = tile.pixels // len(a)
    # One address for each run of rows that addressing modes reach: all of them if they are neighbours, else three, at
    # address + stride · 0, 1, 2.
    reach = per_run if near else 3
    runs = [(e.at(start, row * r), min(reach, per_run - r)) for start in a for r in range(0, per_run, reach)]

    def add(acc: Sequence[Value], starts: Sequence[Value], b: Value) -> list[Value]:
        if ahead:
            for start, (_, rows) in zip(starts, runs):
                prefetch(e, e.at(start, a_stride * ahead))
                prefetch(e, e.at(start, a_stride * ahead + row * (rows - 1)))
        w = [e.load(b, v * e.lanes, mask=masks[v] if masks else None) for v in range(tile.vectors)]
        out: list[Value] = []
        for start, (_, rows) in zip(starts, runs):
            for i in range(rows):
                x = e.broadcast(start, row * i)
                out += [e.fma(x, w[v], acc[len(out) + v]) for v in range(tile.vectors)]
        return out

    # One value of d a turn: unrolled by two, LLVM computes all addresses first and spills (12×2: 87 GFLOP/s, not 125).
    with e.loop(depth, carry=[*acc, *(start for start, _ in runs), b], name="depth") as loop:
        values, starts, b = loop.values[: tile.accumulators], loop.values[tile.accumulators : -1], loop.values[-1]
        loop.carry([*add(values, starts, b), *(e.at(start, a_stride) for start in starts), e.at(b, b_stride)])
    return loop.results[: tile.accumulators]


def prefetch(e: Emitter, pointer: Value, locality: int = 3) -> None:
    """Bring the line at `pointer` near: locality 3 into L1, 2 into L2. An address that does not exist is ignored."""
    fn = e.intrinsic("llvm.prefetch.p0", ir.VoidType(), [PTR, I32, I32, I32])
    e.b.call(fn, [pointer, I32(0), I32(locality), I32(1)])


def load_rows(e: Emitter, tile: Tile, dst: Value, row: Index, masks: Sequence[Value] | None = None) -> list[Value]:
    """The tile's accumulators as an earlier block left them at `dst`, `row` elements from one row to the next."""
    out: list[Value] = []
    for _ in range(tile.pixels):
        out += [e.load(dst, v * e.lanes, mask=masks[v] if masks else None) for v in range(tile.vectors)]
        dst = e.at(dst, row)
    return out


def resume(
    e: Emitter, tile: Tile, first: Value, dst: Value, row: Index, masks: Sequence[Value] | None = None
) -> list[Value]:
    """Accumulators to start from: zeros where the condition `first` holds, else what an earlier block left at `dst`."""
    zeros = [e.zero()] * tile.accumulators
    with e.loop(e.select(first, 0, 1), carry=zeros, name="resume") as loop:
        loop.carry(load_rows(e, tile, dst, row, masks))
    return loop.results


def store_rows(
    e: Emitter, tile: Tile, acc: Sequence[Value], dst: Value, row: Index, masks: Sequence[Value] | None = None
) -> None:
    """Write the accumulators as they are."""
    for i in range(tile.pixels):
        for v in range(tile.vectors):
            e.store(acc[i * tile.vectors + v], dst, v * e.lanes, mask=masks[v] if masks else None)
        dst = e.at(dst, row)


def transposed(e: Emitter, rows: Sequence[Value]) -> list[Value]:
    """A square block of as many vectors as lanes, its rows become columns: log2(lanes) rounds that exchange halves."""
    x, lanes = list(rows), len(rows)
    half = lanes // 2
    index = ir.VectorType(ir.IntType(32), lanes)
    while half:
        low = ir.Constant(index, [j if not j & half else lanes + j - half for j in range(lanes)])
        high = ir.Constant(index, [j + half if not j & half else lanes + j for j in range(lanes)])
        for i in range(lanes):
            if not i & half:
                a, b = x[i], x[i + half]
                x[i], x[i + half] = e.b.shuffle_vector(a, b, low), e.b.shuffle_vector(a, b, high)
        half //= 2
    return x


def pack_copied(
    e: Emitter, b: Value, row: Index, panel: Value, vectors: int, depth: Index, masks: Sequence[Value] | None
) -> None:
    """panel[d][vectors · lanes] = b[d · row + …], zeros where `masks` end."""
    width = vectors * e.lanes
    with e.loop(depth, carry=[b, panel], name="pack") as loop:
        source, to = loop.values
        for v in range(vectors):
            e.store(e.load(source, v * e.lanes, mask=masks[v] if masks else None), to, v * e.lanes)
        loop.carry([e.at(source, row), e.at(to, width)])


def pack_transposed(
    e: Emitter, b: Value, row: Index, columns: Index, panel: Value, vectors: Index | int, depth: Index
) -> None:
    """panel[d][j] = b[j · row + d] for j < vectors · lanes; `columns` of them exist, those after the last repeat it."""
    width, lanes = vectors * e.lanes, e.lanes
    full = depth // lanes * lanes
    with e.loop(vectors, name="pack_vector", at_least_once=True) as vector:
        first = vector.index * lanes
        rows = [e.at(b, (first + j).minimum(columns - 1) * row) for j in range(lanes)]
        to = e.at(panel, first)
        with e.loop(full, step=lanes, name="pack_block") as block:
            for j, value in enumerate(transposed(e, [e.load(r, block.index) for r in rows])):
                e.store(value, to, (block.index + j) * width)
        with e.loop(lanes, name="pack_row", at_least_once=True) as r:
            source = e.at(b, (first + r.index).minimum(columns - 1) * row)
            with e.loop(depth, start=full, name="pack_rest") as rest:
                e.store(e.load(source, rest.index, lanes=1), to, rest.index * width + r.index)
