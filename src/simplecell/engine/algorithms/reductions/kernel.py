"""Fused reductions: sum, max, … of an Expression over some axes of a shape. What their two forms share.

The forms differ by what happens to the innermost axis: it is reduced (rows/) or kept (columns/). Both accumulate in two
levels, so that a long float32 sum errs like a short one. Where there are few results, the outermost reduced axis is cut
into parts, whose number depends on the shape alone; a second step combines them. The order of additions never depends
on the threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.loops.nest import BROADCAST, STRIDED
from simplecell.engine.algorithms.reductions.combine import Combine
from simplecell.engine.algorithms.reductions.schedule import extent_names, stride_names
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, Emitter, Index, Value
from simplecell.engine.code.expression import Expression
from simplecell.engine.code.gather import gather, lane_offsets
from simplecell.engine.code.kernel import Kernel

Span = tuple[Index, Index]
"""First and last (exclusive) index."""
Body = Callable[[Sequence[Value], list[Value]], list[Value]]
"""Given the inputs' pointers and the accumulators so far, emits a piece of the reduction and gives the accumulators
after it."""
BLOCK = 64
"""Additions in the first level of a sum."""


@dataclass(frozen=True)
class ReductionKernel(Kernel):
    """What both forms share. Run-time arguments are those of ReductionSchedule, and the addresses of inputs and
    outputs.

    An expression of several outputs (of one dtype) has them all reduced at once, to `dst`, `dst1`, …, which have the
    same strides.
    """

    function: str
    expression: Expression
    inputs: tuple[str, ...]
    kept: int
    reduced: int
    unroll: int = 1

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        kept, reduced = extent_names(self.kept, self.reduced)
        found = ["n", *kept, *reduced, "parts", "per"]
        for i, how in enumerate(self.inputs):
            along_kept, along_reduced = stride_names(f"i{i}", self.kept, self.reduced)
            found += [f"i{i}", *along_kept, *along_reduced, *([f"i{i}_step"] if how == STRIDED else [])]
        return (*found, *self.outputs, "dst_part", *stride_names("dst", self.kept, 0)[0])

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


class Inputs:
    """Loading the expression's inputs and evaluating it."""

    def __init__(self, kernel: ReductionKernel, e: Emitter) -> None:
        self.kernel, self.e = kernel, e
        numbered = range(len(kernel.inputs))
        self.base = [e.pointer(f"i{i}") for i in numbered]
        names = [stride_names(f"i{i}", kernel.kept, kernel.reduced) for i in numbered]
        self.kept = [[e.index(name) for name in kept] for kept, _ in names]
        self.reduced = [[e.index(name) for name in reduced] for _, reduced in names]
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
