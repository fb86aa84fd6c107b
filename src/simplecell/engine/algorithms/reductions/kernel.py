"""Fused reductions: sum, max, … of an Expression over some axes of a shape.

Two forms, by what happens to the innermost axis: it is reduced (`Rows`: vectors run along it and are combined in the
end) or kept (`Columns`: each lane is a result of its own, as in the sum of NHWC over N, H and W). Both accumulate in
two levels, so that a long float32 sum errs like a short one. Where there are few results, the outermost reduced axis is
cut into parts, whose number depends on the shape alone; a second step combines them. The order of additions never
depends on the threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.loops.nest import BROADCAST, STRIDED
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, I8, I32, Emitter, Index, Value
from simplecell.engine.code.expression import Expression
from simplecell.engine.code.gather import gather, lane_offsets, scatter
from simplecell.engine.code.kernel import Kernel, digest
from simplecell.engine.code.units import units

FUNCTIONS = ("sum", "max", "min", "prod", "any", "all")
Span = tuple[Index, Index]
"""First and last (exclusive) index."""
Body = Callable[[Sequence[Value], list[Value]], list[Value]]
"""Given the inputs' pointers and the accumulators so far, emits a piece of the reduction and gives the accumulators
after it."""
BLOCK = 64
"""Additions in the first level of a sum."""


@dataclass(frozen=True)
class Combine:
    """How two partial results become one. `dtype` is that of the values; a bool is held in a byte."""

    function: str
    dtype: str

    @property
    def _logical(self) -> str:
        return {"any": "or_", "max": "or_", "all": "and_", "min": "and_"}[self.function]

    @property
    def element(self) -> ir.Type:
        return ELEMENT[self.dtype]

    def identity(self) -> float | int:
        """What leaves the other operand as it is."""
        if self.function in ("any", "all") or self.dtype == "bool":
            return int(self.function in ("all", "min"))
        if self.function in ("sum", "prod"):
            one = int(self.function == "prod")
            return float(one) if self.dtype in elementwise.FLOATS else one
        if self.dtype in elementwise.FLOATS:
            return float("-inf") if self.function == "max" else float("inf")
        bits, signed = self.element.width, self.dtype in elementwise.SIGNED
        lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return lowest if self.function == "max" else highest

    def start(self, e: Emitter, lanes: int | None = None) -> Value:
        return e.number(self.identity(), lanes, self.element)

    def __call__(self, e: Emitter, a: Value, b: Value) -> Value:
        if self.dtype == "bool":
            return getattr(e.b, self._logical)(a, b)
        name = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}[self.function]
        return elementwise.BINARY[name][1](e, self.dtype, a, b)

    def value(self, e: Emitter, x: Value) -> Value:
        """An expression's result as it is accumulated."""
        if self.dtype != "bool":
            return x
        return e.b.zext(x, ir.VectorType(I8, x.type.count) if isinstance(x.type, ir.VectorType) else I8)

    def across(self, e: Emitter, v: Value) -> Value:
        """All lanes combined, halves first: one order for every run."""
        lanes = v.type.count
        while lanes > 1:
            half = lanes // 2
            parts = [
                e.b.shuffle_vector(v, v, ir.Constant(ir.VectorType(I32, half), list(range(first, first + half))))
                for first in (0, half)
            ]
            v, lanes = self(e, *parts), half
        return e.b.extract_element(v, I32(0))


@dataclass(frozen=True)
class _Reduction(Kernel):
    """What both forms share.

    Run-time arguments: `n`, the innermost extent; `k0 …`, outer kept extents; `r0 …`, outer reduced extents; `parts`,
    and `per`, the indices of the cut axis in each part; for each input its address and strides; `dst`, its strides
    along the kept axes, and `dst_part` from part to part. All strides in elements. An expression of several outputs (of
    one dtype) has them all reduced at once, to `dst`, `dst1`, …, which have the same strides.
    """

    function: str
    expression: Expression
    inputs: tuple[str, ...]
    kept: int
    reduced: int
    unroll: int = 1

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        found = ["n", *(f"k{a}" for a in range(self.kept)), *(f"r{a}" for a in range(self.reduced)), "parts", "per"]
        for i, how in enumerate(self.inputs):
            found += [f"i{i}", *(f"i{i}_k{a}" for a in range(self.kept)), *(f"i{i}_r{a}" for a in range(self.reduced))]
            if how == STRIDED:
                found.append(f"i{i}_step")
        return (*found, *self.outputs, "dst_part", *(f"dst_k{a}" for a in range(self.kept)))

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("dst", *(f"dst{j}" for j in range(1, self.count)))

    @property
    def count(self) -> int:
        """Results per index."""
        return len(self.expression.outputs)

    @property
    def dtype(self) -> str:
        return self.expression.dtype(self.expression.outputs[0])

    @property
    def combine(self) -> Combine:
        return Combine(self.function, self.dtype)


class _Inputs:
    """Loading the expression's inputs and evaluating it."""

    def __init__(self, kernel: _Reduction, e: Emitter) -> None:
        self.kernel, self.e = kernel, e
        numbered = range(len(kernel.inputs))
        self.base = [e.pointer(f"i{i}") for i in numbered]
        self.kept = [[e.index(f"i{i}_k{a}") for a in range(kernel.kept)] for i in numbered]
        self.reduced = [[e.index(f"i{i}_r{a}") for a in range(kernel.reduced)] for i in numbered]
        self.steps = [e.index(f"i{i}_step") if how == STRIDED else None for i, how in enumerate(kernel.inputs)]

    def moved(
        self, pointers: Sequence[Value], strides: Sequence[Sequence[Index]], indices: Sequence[Index]
    ) -> list[Value]:
        """The pointers after going to `indices` along axes of these strides."""
        result = []
        for i, (pointer, along) in enumerate(zip(pointers, strides)):
            offset: Index | int = 0
            for index, stride in zip(indices, along):
                offset = index * stride + offset
            result.append(self.e.at(pointer, offset, ELEMENT[self.kernel.expression.inputs[i]]))
        return result

    def evaluate(self, rows: Sequence[Value], at: Index, mask: Value | None) -> list[Value]:
        """The expression's outputs at [at, at + lanes) of the innermost axis, ready to be combined."""
        e, values = self.e, []
        for i, how in enumerate(self.kernel.inputs):
            dtype, step = self.kernel.expression.inputs[i], self.steps[i]
            if how == BROADCAST:
                values.append(e.splat(elementwise.load(e, dtype, rows[i], 0, 1)))
            elif step is None:
                values.append(elementwise.load(e, dtype, rows[i], at, mask=mask))
            else:
                x = gather(e, rows[i], lane_offsets(e, at * step, step), ELEMENT[dtype], mask)
                values.append(e.b.icmp_unsigned("!=", x, ir.Constant(x.type, None)) if dtype == "bool" else x)
        return [self.kernel.combine.value(e, v) for v in elementwise.emit_expression(e, self.kernel.expression, values)]

    def nest(
        self, rows: Sequence[Value], accumulators: list[Value], spans: Sequence[Span], body: Body, axis: int = 0
    ) -> list[Value]:
        """The accumulators after loops over `spans` of the reduced axes from `axis` on, around `body`."""
        if not spans:
            return body(rows, accumulators)
        (start, stop), *inner = spans
        with self.e.loop(stop, start, carry=accumulators, name="reduced") as loop:
            pointers = self.moved(rows, [[s[axis]] for s in self.reduced], [loop.index])
            loop.carry(self.nest(pointers, loop.values, inner, body, axis + 1))
        return loop.results


@dataclass(frozen=True)
class Rows(_Reduction):
    """The innermost axis is reduced; `unroll` accumulators."""

    @property
    def name(self) -> str:
        return f"reduce_rows_{self.function}_{self.expression.words}_{self.unroll}_{digest(self)}"

    def emit(self, e: Emitter) -> None:
        inputs, combine = _Inputs(self, e), self.combine
        n, parts, per = e.index("n"), e.index("parts"), e.index("per")
        targets, dst_part = [e.pointer(name) for name in self.outputs], e.index("dst_part")
        dst_kept = [e.index(f"dst_k{a}") for a in range(self.kept)]
        extents = [e.index(f"k{a}") for a in range(self.kept)]
        outer = [(e.const(0), e.index(f"r{a}")) for a in range(self.reduced)]
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

    def _row(self, e: Emitter, inputs: _Inputs, span: Span) -> Body:
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


@dataclass(frozen=True)
class Columns(_Reduction):
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
        return f"reduce_columns_{self.function}_{self.expression.words}_{self.unroll}x{self.vectors}_{digest(self)}"

    def emit(self, e: Emitter) -> None:
        inputs, combine = _Inputs(self, e), self.combine
        n, parts, per = e.index("n"), e.index("parts"), e.index("per")
        targets, dst_part = [e.pointer(name) for name in self.outputs], e.index("dst_part")
        dst_kept = [e.index(f"dst_k{a}") for a in range(self.kept)]
        dst_step = e.index("dst_step") if self.scattered else None
        extents = [parts, *(e.index(f"k{a}") for a in range(self.kept))]
        spans = [(e.const(0), e.index(f"r{a}")) for a in range(self.reduced)]
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

    def _rows(
        self, e: Emitter, inputs: _Inputs, span: Span, at: Sequence[Index], masks: Sequence[Value | None]
    ) -> Body:
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
