"""Writing LLVM functions as one reads them: loops are context managers, indices have arithmetic, vectors have masked
tails.

The only file with hand-wired branches. A kernel's emitter gets an `Emitter` and calls it:

    src, n = e.pointer("src"), e.index("n")
    with e.loop(n, step=e.lanes) as loop:
        v = e.load(src, loop.index)
        e.store(e.fadd(v, v), src, loop.index)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import llvmlite.ir as ir

from simplecell.engine.target import Target

I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
PTR = ir.PointerType()
VOID = ir.VoidType()
Value = Any
"""An llvmlite value; llvmlite has no types of its own to check against."""

ELEMENT = {
    "float32": F32,
    "float64": F64,
    "int8": I8,
    "uint8": I8,
    "bool": I8,
    "int16": I16,
    "uint16": I16,
    "int32": I32,
    "uint32": I32,
    "int64": I64,
    "uint64": I64,
}
"""In memory; a bool is a byte."""


class Index:
    """A 64-bit integer with Python's operators, folded while both sides are known. Division and remainder are
    unsigned."""

    __slots__ = ("e", "value")

    def __init__(self, e: Emitter, value: Value | int) -> None:
        self.e, self.value = e, value

    @property
    def ir(self) -> Value:
        return ir.Constant(I64, self.value) if isinstance(self.value, int) else self.value

    def _with(self, other: Index | int, fold: Any, emit: Any, mirrored: bool = False) -> Index:
        a: Any = self
        b: Any = other if isinstance(other, Index) else Index(self.e, other)
        if mirrored:
            a, b = b, a
        if isinstance(a.value, int) and isinstance(b.value, int):
            return Index(self.e, fold(a.value, b.value))
        return Index(self.e, emit(a.ir, b.ir))

    def __add__(self, other: Index | int) -> Index:
        if (other.value if isinstance(other, Index) else other) == 0:
            return self
        return self._with(other, lambda a, b: a + b, self.e.b.add)

    __radd__ = __add__

    def __sub__(self, other: Index | int) -> Index:
        return self._with(other, lambda a, b: a - b, self.e.b.sub)

    def __rsub__(self, other: Index | int) -> Index:
        return self._with(other, lambda a, b: a - b, self.e.b.sub, mirrored=True)

    def __mul__(self, other: Index | int) -> Index:
        if (other.value if isinstance(other, Index) else other) == 1:
            return self
        return self._with(other, lambda a, b: a * b, self.e.b.mul)

    __rmul__ = __mul__

    def __floordiv__(self, other: Index | int) -> Index:
        return self._with(other, lambda a, b: a // b, self.e.b.udiv)

    def __mod__(self, other: Index | int) -> Index:
        return self._with(other, lambda a, b: a % b, self.e.b.urem)

    def _compare(self, sign: str, other: Index | int) -> Value:
        return self.e.b.icmp_signed(sign, self.ir, (other if isinstance(other, Index) else Index(self.e, other)).ir)

    def __lt__(self, other: Index | int) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Index | int) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Index | int) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Index | int) -> Value:
        return self._compare(">=", other)

    def equals(self, other: Index | int) -> Value:
        return self._compare("==", other)

    def minimum(self, other: Index | int) -> Index:
        return self._with(other, min, lambda a, b: self.e.b.select(self.e.b.icmp_signed("<", a, b), a, b))

    def maximum(self, other: Index | int) -> Index:
        return self._with(other, max, lambda a, b: self.e.b.select(self.e.b.icmp_signed(">", a, b), a, b))


class Loop:
    """Inside the `with`: `index` and the carried `values`; `carry(...)` sets the next ones. After it: `results`."""

    def __init__(self, index: Index, values: list[Value]) -> None:
        self.index, self.values, self.results = index, values, list(values)
        self._next = list(values)

    def carry(self, values: Sequence[Value]) -> None:
        self._next = list(values)


class Emitter:
    """One LLVM function under construction: `void name(i64 *args, i64 thread, i64 threads)`."""

    def __init__(self, module: ir.Module, target: Target, name: str, arguments: Sequence[str]) -> None:
        self.module, self.target, self.arguments = module, target, tuple(arguments)
        self.fn = ir.Function(module, ir.FunctionType(VOID, [PTR, I64, I64]), name)
        self.fn.attributes.add("nounwind")
        self.args, thread, threads = self.fn.args
        self.b = ir.IRBuilder(self.fn.append_basic_block("entry"))
        self.thread, self.threads = Index(self, thread), Index(self, threads)
        self.lanes = target.lanes

    # --- arguments -------------------------------------------------------------------------------------------------

    def _word(self, name: str, typ: ir.Type) -> Value:
        at = self.b.gep(self.args, [ir.Constant(I64, self.arguments.index(name))], source_etype=I64)
        value = self.b.load(at, typ=typ, align=8)
        value.name = name
        return value

    def pointer(self, name: str) -> Value:
        """The address in argument `name`."""
        return self._word(name, PTR)

    def index(self, name: str) -> Index:
        """The integer in argument `name`."""
        return Index(self, self._word(name, I64))

    def scalar(self, name: str) -> Value:
        """The float32 in argument `name` (its bits in the word's low half)."""
        return self._word(name, F32)

    def const(self, value: int) -> Index:
        return Index(self, value)

    def my_share(self, units: Index) -> tuple[Index, Index]:
        """First and last (exclusive) of the `units` of work that belong to this thread."""
        return units * self.thread // self.threads, units * (self.thread + 1) // self.threads

    def scratch(self) -> Value:
        """Where this thread's scratch begins, by the arguments `scratch` and `scratch_stride`."""
        return self.b.gep(self.pointer("scratch"), [(self.thread * self.index("scratch_stride")).ir], source_etype=I8)

    def stack(self, count: int, kind: ir.Type = F32) -> Value:
        """Memory for `count` values of a type on the thread's stack, on a cache line; made when the function begins,
        wherever this is called."""
        with self.b.goto_entry_block():
            at = self.b.alloca(ir.ArrayType(kind, count))
        at.align = 64
        at.type = PTR  # llvmlite gives it the type of a pointer to an array, which loads and stores refuse
        return at

    # --- control ---------------------------------------------------------------------------------------------------

    @contextmanager
    def loop(
        self,
        stop: Index | int,
        start: Index | int = 0,
        step: Index | int = 1,
        carry: Sequence[Value] = (),
        name: str = "i",
        at_least_once: bool = False,
    ) -> Iterator[Loop]:
        """for index in range(start, stop, step): values = next(values)."""
        b = self.b
        first, last, by = (x if isinstance(x, Index) else Index(self, x) for x in (start, stop, step))
        before = b.block
        body, done = self.fn.append_basic_block(name), self.fn.append_basic_block(name + "_done")
        if at_least_once:
            b.branch(body)
        else:
            b.cbranch(first < last, body, done)
        b.position_at_end(body)
        i = b.phi(I64, name)
        i.add_incoming(first.ir, before)
        phis = [b.phi(v.type) for v in carry]
        for phi, v in zip(phis, carry):
            phi.add_incoming(v, before)
        loop = Loop(Index(self, i), list(phis))
        yield loop
        after = b.add(i, by.ir)
        latch = b.block
        i.add_incoming(after, latch)
        for phi, v in zip(phis, loop._next):
            phi.add_incoming(v, latch)
        b.cbranch(b.icmp_signed("<", after, last.ir), body, done)
        b.position_at_end(done)
        loop.results = []
        for v, final in zip(carry, loop._next):
            out = b.phi(v.type)
            if not at_least_once:
                out.add_incoming(v, before)
            out.add_incoming(final, latch)
            loop.results.append(out)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """if condition: … (no values leave it)"""
        then, after = self.fn.append_basic_block("then"), self.fn.append_basic_block("after")
        self.b.cbranch(condition, then, after)
        self.b.position_at_end(then)
        yield
        self.b.branch(after)
        self.b.position_at_end(after)

    @contextmanager
    def otherwise_when(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        """with e.otherwise_when(c) as (then, otherwise): with then: …; with otherwise: …"""
        with self.b.if_else(condition) as pair:
            yield pair

    def select(self, condition: Value, a: Index | int, b: Index | int) -> Index:
        x, y = (v if isinstance(v, Index) else Index(self, v) for v in (a, b))
        return Index(self, self.b.select(condition, x.ir, y.ir))

    # --- memory ----------------------------------------------------------------------------------------------------

    def at(self, pointer: Value, offset: Index | int, element: ir.Type = F32) -> Value:
        """pointer + offset elements."""
        offset = offset if isinstance(offset, Index) else Index(self, offset)
        if offset.value == 0 and isinstance(offset.value, int):
            return pointer
        return self.b.gep(pointer, [offset.ir], source_etype=element)

    def vector(self, lanes: int | None = None, element: ir.Type = F32) -> ir.Type:
        lanes = self.lanes if lanes is None else lanes
        return element if lanes == 1 else ir.VectorType(element, lanes)

    def load(
        self,
        pointer: Value,
        offset: Index | int = 0,
        lanes: int | None = None,
        element: ir.Type = F32,
        mask: Value | None = None,
    ) -> Value:
        """`lanes` elements from pointer + offset, unaligned; lanes that `mask` leaves out read as zero and touch no
        memory."""
        at, typ = self.at(pointer, offset, element), self.vector(lanes, element)
        size = element.width // 8 if isinstance(element, ir.IntType) else (4 if element == F32 else 8)
        if mask is None:
            return self.b.load(at, typ=typ, align=size)
        fn = self.intrinsic(f"llvm.masked.load.v{typ.count}{_suffix(element)}.p0", typ, [PTR, I32, mask.type, typ])
        return self.b.call(fn, [at, ir.Constant(I32, size), mask, ir.Constant(typ, None)])

    def store(self, value: Value, pointer: Value, offset: Index | int = 0, mask: Value | None = None) -> None:
        typ = value.type
        element = typ.element if isinstance(typ, ir.VectorType) else typ
        size = element.width // 8 if isinstance(element, ir.IntType) else (4 if element == F32 else 8)
        at = self.at(pointer, offset, element)
        if mask is None:
            self.b.store(value, at, align=size)
            return
        fn = self.intrinsic(f"llvm.masked.store.v{typ.count}{_suffix(element)}.p0", VOID, [typ, PTR, I32, mask.type])
        self.b.call(fn, [value, at, ir.Constant(I32, size), mask])

    def mask(self, count: Index | int, lanes: int | None = None) -> Value:
        """<lanes x i1>: the first `count` lanes (none if count ≤ 0, all if count ≥ lanes)."""
        lanes = self.lanes if lanes is None else lanes
        n = (count if isinstance(count, Index) else Index(self, count)).maximum(0).minimum(lanes)
        typ = ir.VectorType(I32, lanes)
        limit = self.splat(self.b.trunc(n.ir, I32), lanes)
        return self.b.icmp_unsigned("<", ir.Constant(typ, list(range(lanes))), limit)

    def any(self, mask: Value) -> Value:
        """Is one of the lanes of a vector of conditions true?"""
        fn = self.intrinsic(f"llvm.vector.reduce.or.v{mask.type.count}i1", I1, [mask.type])
        return self.b.call(fn, [mask])

    def splat(self, scalar: Value, lanes: int | None = None) -> Value:
        """The scalar in every lane."""
        lanes = self.lanes if lanes is None else lanes
        if lanes == 1:
            return scalar
        typ = ir.VectorType(scalar.type, lanes)
        one = self.b.insert_element(ir.Constant(typ, ir.Undefined), scalar, I32(0))
        return self.b.shuffle_vector(
            one, ir.Constant(typ, ir.Undefined), ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        )

    def broadcast(self, pointer: Value, offset: Index | int = 0, lanes: int | None = None) -> Value:
        """The float32 at pointer + offset in every lane."""
        return self.splat(self.load(pointer, offset, lanes=1), lanes)

    def number(self, value: float, lanes: int | None = None, element: ir.Type = F32) -> Value:
        """A constant in every lane."""
        typ = self.vector(lanes, element)
        return ir.Constant(typ, value if not isinstance(typ, ir.VectorType) else [value] * typ.count)

    def zero(self, lanes: int | None = None, element: ir.Type = F32) -> Value:
        return ir.Constant(self.vector(lanes, element), None if (lanes or self.lanes) > 1 else 0)

    # --- arithmetic ------------------------------------------------------------------------------------------------

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a·b + c, rounded once where the target can (twice elsewhere, which is what its hardware offers)."""
        if self.target.fma:
            fn = self.intrinsic(f"llvm.fma.{_suffix_of(a.type)}", a.type, [a.type] * 3)
            return self.b.call(fn, [a, b, c])
        return self.b.fadd(self.b.fmul(a, b), c)

    def fadd(self, a: Value, b: Value) -> Value:
        return self.b.fadd(a, b)

    def fsub(self, a: Value, b: Value) -> Value:
        return self.b.fsub(a, b)

    def fmul(self, a: Value, b: Value) -> Value:
        return self.b.fmul(a, b)

    def unary(self, intrinsic: str, a: Value) -> Value:
        """An LLVM intrinsic of one operand by its short name: `sqrt`, `fabs`, `floor`, …"""
        return self.b.call(self.intrinsic(f"llvm.{intrinsic}.{_suffix_of(a.type)}", a.type, [a.type]), [a])

    def binary(self, intrinsic: str, a: Value, b: Value) -> Value:
        """An LLVM intrinsic of two operands: `maximum` and `minimum` hand NaN on as NumPy does; `maxnum` does not."""
        return self.b.call(self.intrinsic(f"llvm.{intrinsic}.{_suffix_of(a.type)}", a.type, [a.type] * 2), [a, b])

    def intrinsic(self, name: str, result: ir.Type, operands: Sequence[ir.Type]) -> Value:
        """A declared function, once per module."""
        found = self.module.globals.get(name)
        return found if found is not None else ir.Function(self.module, ir.FunctionType(result, operands), name)

    def done(self) -> None:
        self.b.ret_void()


def _suffix(element: ir.Type) -> str:
    return f"i{element.width}" if isinstance(element, ir.IntType) else "f32" if element == F32 else "f64"


def _suffix_of(typ: ir.Type) -> str:
    return f"v{typ.count}{_suffix(typ.element)}" if isinstance(typ, ir.VectorType) else _suffix(typ)
