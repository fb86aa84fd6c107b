"""The fused element-wise loop nest: one Expression over a shape, each operand with strides of its own.

It also moves data: slices, transposes, broadcasts, concatenation and padding are the identity with other strides. Outer
extents and all strides are run-time arguments; compiled in are the expression and, for each operand, how it moves along
the innermost axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.loops.costs import LONG, cost
from simplecell.engine.algorithms.loops.nest import (
    BROADCAST,
    CONTIGUOUS,
    STRIDED,
    extent_names,
    operand_names,
    stride_names,
)
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, Emitter, Index, Value
from simplecell.engine.code.expression import Expression
from simplecell.engine.code.gather import gather, lane_offsets, scatter
from simplecell.engine.code.kernel import Kernel, digest, kernel_name
from simplecell.engine.code.units import units

_LETTER = {CONTIGUOUS: "c", BROADCAST: "b", STRIDED: "s"}


@dataclass(frozen=True)
class RowLoop(Kernel):
    """outputs[...] = expression(inputs[...]) over `rank` outer axes and an innermost one of `n` elements.

    Run-time arguments are those of RowLoopSchedule, and for each operand `i0 …, o0 …` its address. An output may lie
    where an input does if their strides are equal; otherwise they must not overlap.
    """

    expression: Expression
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    rank: int = 0

    @property
    def moves(self) -> tuple[tuple[str, str], ...]:
        """Each operand's name, and how it moves."""
        return tuple(zip(operand_names(len(self.inputs), len(self.results)), (*self.inputs, *self.results)))

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        found = ["n", "chunk", *extent_names(self.rank)]
        for name, how in self.moves:
            found += [name, *stride_names(name, self.rank), *([f"{name}_step"] if how == STRIDED else [])]
        return tuple(found)

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f"o{k}" for k in range(len(self.results)))

    @property
    def name(self) -> str:
        pattern = "".join(_LETTER[how] for how in self.inputs) + "_" + "".join(_LETTER[how] for how in self.results)
        dtype = self.expression.dtype(self.expression.outputs[0])
        return kernel_name(
            "elementwise", "rows", dtype, f"r{self.rank}", pattern, self.expression.words or "copy", digest(self)
        )

    def emit(self, e: Emitter) -> None:
        # A copy that gathers or scatters gains nothing from vectors: one element at a time, four in flight.
        scalar = not self.expression.instructions and STRIDED in (*self.inputs, *self.results)
        body = _Body(self, e, 1 if scalar else e.lanes)
        n, chunk = e.index("n"), e.index("chunk")
        extents = [e.index(name) for name in extent_names(self.rank)]
        with units(e, n, chunk, extents) as (start, stop, indices):
            body.row(start, stop, indices)


class _Body:
    """The innermost axis."""

    def __init__(self, loop: RowLoop, e: Emitter, lanes: int) -> None:
        self.loop, self.e, self.lanes = loop, e, lanes
        self.dtypes = [loop.expression.inputs[k] for k in range(len(loop.inputs))]
        self.dtypes += [loop.expression.dtype(v) for v in loop.expression.outputs]
        self.how = [how for _, how in loop.moves]
        self.names = [name for name, _ in loop.moves]
        self.base = [e.pointer(name) for name in self.names]
        self.strides = [[e.index(s) for s in stride_names(name, loop.rank)] for name in self.names]
        self.steps = [e.index(f"{name}_step") if how == STRIDED else None for name, how in loop.moves]

    def row(self, start: Index, stop: Index, indices: Sequence[Index]) -> None:
        e, loop = self.e, self.loop
        rows = []
        for base, strides, dtype in zip(self.base, self.strides, self.dtypes):
            offset: Index | int = 0
            for index, stride in zip(indices, strides):
                offset = index * stride + offset
            rows.append(e.at(base, offset, ELEMENT[dtype]))
        count = len(loop.inputs)
        still = {k: self._broadcast(rows[k], k) for k in range(count) if self.how[k] == BROADCAST}
        unroll = 4 if self.lanes == 1 else 2 if cost(loop.expression) <= 8 else 1
        step = unroll * self.lanes

        def vector(at: Index, mask: Value | None) -> None:
            values = [still[k] if k in still else self._load(rows[k], k, at, mask) for k in range(count)]
            for k, value in enumerate(elementwise.emit_expression(e, loop.expression, values)):
                self._store(value, rows[count + k], count + k, at, mask)

        if e.target.avx512 and cost(loop.expression) > LONG:
            # masks cost nothing there, and the expression stands in the code only once
            with e.loop(stop, start, self.lanes, name="inner") as inner:
                vector(inner.index, e.mask(stop - inner.index))
            return
        with e.loop(stop - (step - 1), start, step, name="inner") as inner:
            for u in range(unroll):
                vector(inner.index + u * self.lanes, None)
        done = start + (stop - start) // step * step
        if self.lanes == 1:
            with e.loop(stop, done, name="tail") as inner:
                vector(inner.index, None)
        else:
            with e.loop(stop, done, self.lanes, name="tail") as inner:
                vector(inner.index, e.mask(stop - inner.index))

    def _broadcast(self, row: Value, k: int) -> Value:
        return self.e.splat(elementwise.load(self.e, self.dtypes[k], row, 0, 1), self.lanes)

    def _load(self, row: Value, k: int, at: Index, mask: Value | None) -> Value:
        e, step = self.e, self.steps[k]
        if step is None:
            return elementwise.load(e, self.dtypes[k], row, at, self.lanes, mask)
        if self.lanes == 1:
            return elementwise.load(e, self.dtypes[k], row, at * step, 1)
        value = gather(e, row, lane_offsets(e, at * step, step), ELEMENT[self.dtypes[k]], mask)
        return e.b.icmp_unsigned("!=", value, ir.Constant(value.type, None)) if self.dtypes[k] == "bool" else value

    def _store(self, value: Value, row: Value, k: int, at: Index, mask: Value | None) -> None:
        e, step = self.e, self.steps[k]
        if step is None or self.lanes == 1:
            elementwise.store(e, self.dtypes[k], value, row, at if step is None else at * step, mask)
            return
        if self.dtypes[k] == "bool":
            value = e.b.zext(value, e.vector(self.lanes, ELEMENT["bool"]))
        scatter(e, value, row, lane_offsets(e, at * step, step), ELEMENT[self.dtypes[k]], mask)
