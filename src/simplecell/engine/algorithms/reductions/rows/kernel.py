"""Reductions whose innermost axis is reduced: vectors run along it and are combined in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.algorithms.reductions.kernel import BLOCK, Body, Inputs, ReductionKernel, Span
from simplecell.engine.algorithms.reductions.schedule import extent_names, stride_names
from simplecell.engine.code.emit import Emitter, Value
from simplecell.engine.code.kernel import digest, kernel_name
from simplecell.engine.code.units import units


@dataclass(frozen=True)
class ReduceRows(ReductionKernel):
    """The innermost axis is reduced; `unroll` accumulators."""

    @property
    def name(self) -> str:
        words = self.expression.words
        return kernel_name(f"reduce_{self.function}", "rows", self.dtype, f"{self.unroll}", words, digest(self))

    def emit(self, e: Emitter) -> None:
        inputs, combine = Inputs(self, e), self.combine
        n, parts, per = e.index("n"), e.index("parts"), e.index("per")
        targets, dst_part = [e.pointer(name) for name in self.outputs], e.index("dst_part")
        dst_kept = [e.index(name) for name in stride_names("dst", self.kept, 0)[0]]
        kept, reduced = extent_names(self.kept, self.reduced)
        extents = [e.index(name) for name in kept]
        outer = [(e.const(0), e.index(name)) for name in reduced]
        zero = combine.start(e)
        with units(e, parts, e.const(1), extents) as (part, _, indices):
            rows = inputs.moved(inputs.base, inputs.kept, indices)
            first, last = part * per, (part + 1) * per
            if outer:
                cut = [(first, last.minimum(outer[0][1])), *outer[1:]]
                inner = (e.const(0), n)
            else:
                cut, inner = [], (first, last.minimum(n))
            accumulators = inputs.nest(rows, [zero] * (self.unroll * self.count), cut, self._row(e, inputs, inner))
            offset = part * dst_part
            for index, stride in zip(indices, dst_kept):
                offset = offset + index * stride
            for j, dst in enumerate(targets):
                total, *others = accumulators[j :: self.count]
                for other in others:
                    total = combine(e, total, other)
                e.store(combine.across(e, total), dst, offset)

    def _row(self, e: Emitter, inputs: Inputs, span: Span) -> Body:
        """A run along the innermost axis, block by block."""
        combine, unroll, count = self.combine, self.unroll, self.count
        zero, step = combine.start(e), unroll * e.lanes
        start, stop = span

        def body(pointers: Sequence[Value], accumulators: list[Value]) -> list[Value]:
            with e.loop(stop, start, BLOCK * step, carry=accumulators, name="block") as block:
                end = (block.index + BLOCK * step).minimum(stop)
                with e.loop(end - (step - 1), block.index, step, carry=[zero] * (unroll * count), name="inner") as loop:
                    found = [
                        v for u in range(unroll) for v in inputs.evaluate(pointers, loop.index + u * e.lanes, None)
                    ]
                    loop.carry([combine(e, a, v) for a, v in zip(loop.values, found)])
                done = block.index + (end - block.index) // step * step
                with e.loop(end, done, e.lanes, carry=loop.results[:count], name="tail") as tail:
                    mask = e.mask(end - tail.index)
                    values = [e.b.select(mask, v, zero) for v in inputs.evaluate(pointers, tail.index, mask)]
                    tail.carry([combine(e, a, v) for a, v in zip(tail.values, values)])
                blocks = [*tail.results, *loop.results[count:]]
                block.carry([combine(e, a, v) for a, v in zip(block.values, blocks)])
            return block.results

        return body
