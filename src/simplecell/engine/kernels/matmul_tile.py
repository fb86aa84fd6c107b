"""The register tile with strides in every direction: the inner loop of matrix products and of the gradients of convolutions.

    acc[i, v] += sum over d of  a[i · row + d · a_step] · b[d · b_step + v · lanes]        i < rows, v < vectors

`tile.accumulate` is the special case of packed weights and a source that is contiguous in d. Here the rows of `a` may be contiguous
instead (a transposed operand, the pixels of a weight gradient), and `b` may lie where the user has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import llvmlite.ir as ir

from simplecell.engine.emit import I32, PTR, Emitter, Index, Value
from simplecell.engine.expression import Epilogue
from simplecell.engine.kernels.tile import Tile
from simplecell.engine.target import Target

UNROLLED_EPILOGUE = 5
"""Epilogues of more instructions run in a loop over the tile's vectors, from the stack: unrolled they would cost more to compile
than they save."""


def products(
    e: Emitter,
    tile: Tile,
    acc: Sequence[Value],
    a: Sequence[Value],
    row: Index,
    a_step: Index,
    b: Value,
    b_step: Index,
    depth: Index,
    masks: Sequence[Value] | None = None,
    ahead: int = 0,
) -> list[Value]:
    """The accumulators `acc[i · vectors + v]` after `depth` more steps, each adding in the order of d.

    a: the addresses of the first row of each of the tile's groups; `masks`: one per vector where `b` must not be read past
    its last column; `ahead`: for how many steps ahead the rows of `a` (contiguous ones) are fetched into L1.
    """
    unroll = 2 if isinstance(a_step.value, int) and tile.unroll(e.target) > 1 else 1
    per_group = tile.pixels // tile.groups

    def step(acc: Sequence[Value], a: Sequence[Value], b: Value, d: int) -> list[Value]:
        at = e.at(b, b_step * d)
        if ahead:
            for group in a:
                prefetch(e, e.at(group, a_step * ahead))
                prefetch(e, e.at(group, a_step * ahead + row * (per_group - 1)))
        w = [e.load(at, v * e.lanes, mask=masks[v] if masks else None) for v in range(tile.vectors)]
        out: list[Value] = []
        for group in a:
            pointer = group
            for i in range(per_group):
                if isinstance(row.value, int):
                    x = e.broadcast(group, row * i + a_step * d)
                else:
                    pointer = e.at(pointer, row) if i else pointer
                    x = e.broadcast(pointer, a_step * d)
                out += [e.fma(x, w[v], acc[len(out) + v]) for v in range(tile.vectors)]
        return out

    def steps(count: Index, by: int, carry: Sequence[Value]) -> list[Value]:
        with e.loop(count, step=by, carry=carry, name="depth") as loop:
            values, groups, b = loop.values[: tile.accumulators], loop.values[tile.accumulators : -1], loop.values[-1]
            for d in range(by):
                values = step(values, groups, b, d)
            loop.carry([*values, *(e.at(g, a_step * by) for g in groups), e.at(b, b_step * by)])
        return loop.results

    carry: list[Value] = [*acc, *a, b]
    if unroll > 1:
        whole = depth // unroll * unroll
        carry = steps(whole, unroll, carry)
        carry = steps(depth - whole, 1, carry)
    else:
        carry = steps(depth, 1, carry)
    return carry[: tile.accumulators]


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


def resume(e: Emitter, tile: Tile, first: Value, dst: Value, row: Index, masks: Sequence[Value] | None = None) -> list[Value]:
    """Accumulators to start from: zeros where the condition `first` holds, else what an earlier block left at `dst`."""
    zeros = [e.zero()] * tile.accumulators
    with e.loop(e.select(first, 0, 1), carry=zeros, name="resume") as loop:
        loop.carry(load_rows(e, tile, dst, row, masks))
    return loop.results


def store_rows(e: Emitter, tile: Tile, acc: Sequence[Value], dst: Value, row: Index, masks: Sequence[Value] | None = None) -> None:
    """Write the accumulators as they are."""
    for i in range(tile.pixels):
        for v in range(tile.vectors):
            e.store(acc[i * tile.vectors + v], dst, v * e.lanes, mask=masks[v] if masks else None)
        dst = e.at(dst, row)


class EpilogueOperands:
    """The run-time arguments of an epilogue: loaded once at the start of a kernel, read at (offset in dst, channel)."""

    def __init__(self, e: Emitter, epilogue: Epilogue) -> None:
        self.e, self.epilogue = e, epilogue
        self.addresses = [e.pointer(name) for name in epilogue.arguments]

    def apply(self, value: Value, offset: Index, channel: Index, mask: Value | None = None) -> Value:
        """The epilogue of one vector whose first lane is `dst[offset]`, of output channel `channel`."""
        if not self.epilogue.expression.instructions:
            return value
        from simplecell.engine.elementwise import emit_expression

        e, values = self.e, [value]
        for kind, address in zip(self.epilogue.kinds, self.addresses, strict=True):
            if kind == "scalar":
                values.append(e.broadcast(address))
            else:
                values.append(e.load(address, channel if kind == "channel" else offset, mask=mask))
        return emit_expression(e, self.epilogue.expression, values)[0]

    def store(
        self, tile: Tile, acc: Sequence[Value], dst: Value, offset: Index, row: Index, channel: Index, masks: Sequence[Value] | None = None
    ) -> None:
        """Apply the epilogue to the tile and write it: its first element is `dst[offset]`, in output channel `channel`."""
        e = self.e
        if len(self.epilogue.expression.instructions) > UNROLLED_EPILOGUE:
            self._store_from_stack(tile, acc, dst, offset, row, channel, masks)
            return
        out: list[Value] = []
        at = offset
        for i in range(tile.pixels):
            for v in range(tile.vectors):
                out.append(self.apply(acc[i * tile.vectors + v], at + v * e.lanes, channel + v * e.lanes, masks[v] if masks else None))
            at = at + row
        store_rows(e, tile, out, e.at(dst, offset), row, masks)

    def _store_from_stack(
        self, tile: Tile, acc: Sequence[Value], dst: Value, offset: Index, row: Index, channel: Index, masks: Sequence[Value] | None
    ) -> None:
        e, width = self.e, tile.vectors * self.e.lanes
        stack = stack_space(e, tile.accumulators * e.lanes)
        for j, value in enumerate(acc):
            e.store(value, stack, j * e.lanes)
        with e.loop(tile.pixels, name="epilogue_row", at_least_once=True) as r:
            for v in range(tile.vectors):
                value = e.load(stack, r.index * width + v * e.lanes)
                at, mask = offset + r.index * row + v * e.lanes, masks[v] if masks else None
                e.store(self.apply(value, at, channel + v * e.lanes, mask), dst, at, mask=mask)


def stack_space(e: Emitter, floats: int) -> Value:
    """Room for so many float32 on the stack of the function, taken once however often the code around it runs."""
    with e.b.goto_entry_block():
        space = e.b.alloca(ir.ArrayType(ir.FloatType(), floats))
        space.align = 64
        return e.b.bitcast(space, PTR)


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


def pack_copied(e: Emitter, b: Value, row: Index, panel: Value, vectors: int, depth: Index, masks: Sequence[Value] | None) -> None:
    """panel[d][vectors · lanes] = b[d · row + …], zeros where `masks` end."""
    width = vectors * e.lanes
    with e.loop(depth, carry=[b, panel], name="pack") as loop:
        source, to = loop.values
        for v in range(vectors):
            e.store(e.load(source, v * e.lanes, mask=masks[v] if masks else None), to, v * e.lanes)
        loop.carry([e.at(source, row), e.at(to, width)])


def pack_transposed(e: Emitter, b: Value, row: Index, columns: Index, panel: Value, vectors: int, depth: Index) -> None:
    """panel[d][j] = b[j · row + d] for j < vectors · lanes; `columns` of them exist, those after the last repeat it."""
    width, lanes = vectors * e.lanes, e.lanes
    whole = depth // lanes * lanes
    with e.loop(vectors, name="pack_vector", at_least_once=True) as vector:
        first = vector.index * lanes
        rows = [e.at(b, (first + j).minimum(columns - 1) * row) for j in range(lanes)]
        to = e.at(panel, first)
        with e.loop(whole, step=lanes, name="pack_block") as block:
            for j, value in enumerate(transposed(e, [e.load(r, block.index) for r in rows])):
                e.store(value, to, (block.index + j) * width)
        with e.loop(lanes, name="pack_row", at_least_once=True) as r:
            source = e.at(b, (first + r.index).minimum(columns - 1) * row)
            with e.loop(depth, start=whole, name="pack_rest") as rest:
                e.store(e.load(source, rest.index, lanes=1), to, rest.index * width + r.index)


def native_masks(target: Target) -> bool:
    """Whether masked loads and stores are single instructions (AVX-512, AVX2)."""
    return target.name in ("avx512", "avx2")
