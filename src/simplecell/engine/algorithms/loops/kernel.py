"""The fused element-wise loop nest: one Expression over a shape, each operand with strides of its own.

It also moves data: slices, transposes, broadcasts, concatenation and padding are the identity with other strides. Outer
extents and all strides are run-time arguments; compiled in are the expression and, for each operand, how it moves along
the innermost axis.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, I32, I64, PTR, VOID, Emitter, Index, Value
from simplecell.engine.code.expression import Expression
from simplecell.engine.code.functions import FUNCTIONS
from simplecell.engine.code.kernel import Kernel

CONTIGUOUS, BROADCAST, STRIDED = "contiguous", "broadcast", "strided"
"""How an operand moves along the innermost axis: by one element, not at all, by a run-time number of elements."""
_LETTER = {CONTIGUOUS: "c", BROADCAST: "b", STRIDED: "s"}


def digest(what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:8]


def words(expression: Expression) -> str:
    """The first functions of an expression, for names."""
    functions = [i.function for i in expression.instructions if i.function != "constant"]
    return "_".join(functions[:3]) or "copy"


def cost(expression: Expression) -> int:
    """Instructions per element, roughly."""
    heavy = {"power": 60, "remainder": 60, "floor_divide": 60, "arctan2": 50}
    return sum(
        25 if i.function in FUNCTIONS else heavy.get(i.function, 1)
        for i in expression.instructions
        if i.function != "constant"
    )


@dataclass(frozen=True)
class Loop(Kernel):
    """outputs[...] = expression(inputs[...]) over `rank` outer axes and an innermost one of `n` elements.

    Run-time arguments: `n`; `chunk`, the elements of the innermost axis that make a unit of work (a multiple of 64, at
    least 1); the outer extents `d0 …`; for each operand `i0 …, o0 …` its address, its strides `i0_s0 …` along the outer
    axes and, if it is strided, `i0_step` along the innermost one, all in elements.

    An output may lie where an input does if their strides are equal; otherwise they must not overlap.
    """

    expression: Expression
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    rank: int = 0

    @property
    def _operands(self) -> tuple[tuple[str, str], ...]:
        return (
            *((f"i{k}", how) for k, how in enumerate(self.inputs)),
            *((f"o{k}", how) for k, how in enumerate(self.results)),
        )

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        found = ["n", "chunk", *(f"d{k}" for k in range(self.rank))]
        for name, how in self._operands:
            found += [name, *(f"{name}_s{k}" for k in range(self.rank))]
            if how == STRIDED:
                found.append(f"{name}_step")
        return tuple(found)

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f"o{k}" for k in range(len(self.results)))

    @property
    def name(self) -> str:
        pattern = "".join(_LETTER[how] for how in self.inputs) + "_" + "".join(_LETTER[how] for how in self.results)
        return f"loop{self.rank}_{pattern}_{words(self.expression)}_{digest(self)}"

    def emit(self, e: Emitter) -> None:
        # A copy that gathers or scatters gains nothing from vectors: one element at a time, four in flight.
        scalar = not self.expression.instructions and STRIDED in (*self.inputs, *self.results)
        body = _Body(self, e, 1 if scalar else e.lanes)
        n, chunk = e.index("n"), e.index("chunk")
        with units(e, n, chunk, self.rank) as (start, stop, indices):
            body.row(start, stop, indices)


class _Body:
    """The innermost axis."""

    def __init__(self, loop: Loop, e: Emitter, lanes: int) -> None:
        self.loop, self.e, self.lanes = loop, e, lanes
        self.dtypes = [loop.expression.inputs[k] for k in range(len(loop.inputs))]
        self.dtypes += [loop.expression.dtype(v) for v in loop.expression.outputs]
        self.how = [how for _, how in loop._operands]
        self.names = [name for name, _ in loop._operands]
        self.base = [e.pointer(name) for name in self.names]
        self.strides = [[e.index(f"{name}_s{k}") for k in range(loop.rank)] for name in self.names]
        self.steps = [e.index(f"{name}_step") if how == STRIDED else None for name, how in loop._operands]

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

        if e.target.avx512 and cost(loop.expression) > 24:
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


class units:
    """Context: this thread's share of (outer indices × chunks of the innermost axis), one after the other.

    with units(e, n, chunk, rank) as (start, stop, indices): a piece [start, stop) of the innermost axis at outer
    `indices`. The outer extents are the arguments `d0 …`. Divisions happen once per thread; from unit to unit the
    indices count like an odometer.
    """

    def __init__(self, e: Emitter, n: Index, chunk: Index, rank: int, extents: Sequence[Index] | None = None) -> None:
        self.e, self.n, self.chunk = e, n, chunk
        self.extents = [e.index(f"d{k}") for k in range(rank)] if extents is None else list(extents)

    def __enter__(self) -> tuple[Index, Index, list[Index]]:
        e = self.e
        chunks = (self.n + (self.chunk - 1)) // self.chunk
        wheels = [*self.extents, chunks]
        total = wheels[0]
        for extent in wheels[1:]:
            total = total * extent
        first, last = e.my_share(total)
        rest = first
        indices: list[Index] = []
        for extent in reversed(wheels[1:]):
            indices.insert(0, rest % extent)
            rest = rest // extent
        indices.insert(0, rest)
        self._loop = e.loop(last, first, carry=[i.ir for i in indices], name="unit")
        loop = self._loop.__enter__()
        now = [Index(e, v) for v in loop.values]
        turned: list[Value] = []
        carry = Index(e, 1)
        for value, extent in zip(reversed(now[1:]), reversed(wheels[1:])):
            up = value + carry
            full = up.equals(extent)
            turned.insert(0, e.select(full, 0, up).ir)
            carry = e.select(full, 1, 0)
        turned.insert(0, (now[0] + carry).ir)
        loop.carry(turned)
        start = now[-1] * self.chunk
        return start, (start + self.chunk).minimum(self.n), now[:-1]

    def __exit__(self, *error: object) -> None:
        self._loop.__exit__(*error)  # type: ignore[arg-type]


def lane_offsets(e: Emitter, first: Index, step: Index, lanes: int | None = None) -> Value:
    """first + lane · step, as 64-bit integers."""
    lanes = e.lanes if lanes is None else lanes
    lane = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    return e.b.add(e.splat(first.ir, lanes), e.b.mul(lane, e.splat(step.ir, lanes)))


def gather(e: Emitter, pointer: Value, offsets: Value, element: ir.Type, mask: Value | None = None) -> Value:
    """pointer[offsets] (in elements); lanes that `mask` leaves out read as zero and touch no memory."""
    lanes = offsets.type.count
    typ, pointers, bools = ir.VectorType(element, lanes), ir.VectorType(PTR, lanes), ir.VectorType(ir.IntType(1), lanes)
    at = _pointers(e, pointer, offsets, element)
    name = f"llvm.masked.gather.v{lanes}{_suffix(element)}.v{lanes}p0"
    fn = e.intrinsic(name, typ, [pointers, I32, bools, typ])
    return e.b.call(
        fn,
        [
            at,
            I32(_size(element)),
            mask if mask is not None else ir.Constant(bools, [1] * lanes),
            ir.Constant(typ, None),
        ],
    )


def scatter(
    e: Emitter, value: Value, pointer: Value, offsets: Value, element: ir.Type, mask: Value | None = None
) -> None:
    """pointer[offsets] = value, lane after lane."""
    lanes = offsets.type.count
    typ, pointers, bools = ir.VectorType(element, lanes), ir.VectorType(PTR, lanes), ir.VectorType(ir.IntType(1), lanes)
    at = _pointers(e, pointer, offsets, element)
    fn = e.intrinsic(f"llvm.masked.scatter.v{lanes}{_suffix(element)}.v{lanes}p0", VOID, [typ, pointers, I32, bools])
    e.b.call(fn, [value, at, I32(_size(element)), mask if mask is not None else ir.Constant(bools, [1] * lanes)])


def _pointers(e: Emitter, pointer: Value, offsets: Value, element: ir.Type) -> Value:
    bases = e.splat(e.b.ptrtoint(pointer, I64), offsets.type.count)
    size = ir.Constant(offsets.type, [_size(element)] * offsets.type.count)
    return e.b.inttoptr(e.b.add(bases, e.b.mul(offsets, size)), ir.VectorType(PTR, offsets.type.count))


def _size(element: ir.Type) -> int:
    return element.width // 8 if isinstance(element, ir.IntType) else 4 if element == ELEMENT["float32"] else 8


def _suffix(element: ir.Type) -> str:
    return f"i{element.width}" if isinstance(element, ir.IntType) else "f32" if element == ELEMENT["float32"] else "f64"
