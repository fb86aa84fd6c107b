"""Reductions whose innermost axis is kept: each lane is a result of its own, as in the sum of NHWC over N, H and W."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.algorithms.reductions.kernel import BLOCK, Body, Inputs, ReductionKernel, Span
from simplecell.engine.algorithms.reductions.schedule import extent_names, stride_names
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.gather import lane_offsets, scatter
from simplecell.engine.code.kernel import digest, kernel_name
from simplecell.engine.code.units import units


@dataclass(frozen=True)
class ReduceColumns(ReductionKernel):
    """The innermost axis is kept: `vectors` vectors of it at a time, `unroll` rows in accumulators of their own."""

    vectors: int = 1
    ragged: bool = True
    """the innermost extent is no multiple of `vectors` vectors"""
    scattered: bool = False
    """results are `dst_step` elements apart"""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*super().arguments, *(("dst_step",) if self.scattered else ()))

    @property
    def name(self) -> str:
        tile, words = f"{self.unroll}x{self.vectors}", self.expression.words
        return kernel_name(f"reduce_{self.function}", "columns", self.dtype, tile, words, digest(self))

    def emit(self, e: Emitter) -> None:
        inputs, combine = Inputs(self, e), self.combine
        n, parts, per = e.index("n"), e.index("parts"), e.index("per")
        targets, dst_part = [e.pointer(name) for name in self.outputs], e.index("dst_part")
        dst_kept = [e.index(name) for name in stride_names("dst", self.kept, 0)[0]]
        dst_step = e.index("dst_step") if self.scattered else None
        kept, reduced = extent_names(self.kept, self.reduced)
        extents = [parts, *(e.index(name) for name in kept)]
        spans = [(e.const(0), e.index(name)) for name in reduced]
        width = self.vectors * e.lanes
        with units(e, n, e.const(width), extents) as (column, _, (part, *indices)):
            rows = inputs.moved(inputs.base, inputs.kept, indices)
            cut = [(part * per, ((part + 1) * per).minimum(spans[0][1])), *spans[1:]]
            at = [column + v * e.lanes for v in range(self.vectors)]
            masks = [e.mask(n - a) if self.ragged else None for a in at]
            body = self._rows(e, inputs, cut[-1], at, masks)
            accumulators = inputs.nest(rows, [combine.start(e)] * (self.vectors * self.count), cut[:-1], body)
            offset = part * dst_part
            for index, stride in zip(indices, dst_kept):
                offset = offset + index * stride
            for j, dst in enumerate(targets):
                for value, a, mask in zip(accumulators[j :: self.count], at, masks):
                    if dst_step is None:
                        e.store(value, dst, offset + a, mask)
                    else:
                        scatter(e, value, dst, lane_offsets(e, offset + a * dst_step, dst_step), combine.element, mask)

    def _rows(self, e: Emitter, inputs: Inputs, span: Span, at: Sequence[Index], masks: Sequence[Value | None]) -> Body:
        """A run along the last reduced axis, block by block."""
        combine, unroll, count = self.combine, self.unroll, self.vectors * self.count
        strides = [[s[-1]] for s in inputs.reduced]
        start, stop = span
        none = [combine.start(e)] * (count * unroll)

        def row(pointers: Sequence[Value], index: Index) -> list[Value]:
            here = inputs.moved(pointers, strides, [index])
            return [v for a, m in zip(at, masks) for v in inputs.evaluate(here, a, m)]

        def added(a: Sequence[Value], b: Sequence[Value]) -> list[Value]:
            return [combine(e, x, y) for x, y in zip(a, b)]

        def body(pointers: Sequence[Value], accumulators: list[Value]) -> list[Value]:
            with e.loop(stop, start, BLOCK * unroll, carry=accumulators, name="block") as block:
                end = (block.index + BLOCK * unroll).minimum(stop)
                with e.loop(end - (unroll - 1), block.index, unroll, carry=none, name="row") as loop:
                    values = [v for u in range(unroll) for v in row(pointers, loop.index + u)]
                    loop.carry(added(loop.values, values))
                total = loop.results[:count]
                if unroll > 1:
                    done = block.index + (end - block.index) // unroll * unroll
                    with e.loop(end, done, carry=total, name="tail") as tail:
                        tail.carry(added(tail.values, row(pointers, tail.index)))
                    total = tail.results
                    for u in range(1, unroll):
                        total = added(total, loop.results[u * count : (u + 1) * count])
                block.carry(added(block.values, total))
            return block.results

        return body
