"""Writing kernels as one reads them: loops are context managers, indices have arithmetic, vectors have masked tails.

A kernel's emitter gets an `Emitter` and calls it:

    src, n = e.pointer("src"), e.index("n")
    with e.loop(n, step=e.lanes) as loop:
        v = e.load(src, loop.index)
        e.store(e.fadd(v, v), src, loop.index)
"""

from __future__ import annotations

from collections.abc import Sequence

import llvmlite.ir as ir

from simplecell.engine.code.function import Function, Loop
from simplecell.engine.code.index import ELEMENT, F32, F64, I1, I8, I16, I32, I64, PTR, VOID, Index, Value
from simplecell.engine.target import Target

__all__ = [
    "ELEMENT", "F32", "F64", "I1", "I8", "I16", "I32", "I64", "PTR", "VOID", "Emitter", "Index", "Loop", "Value",
]  # fmt: skip


class Emitter(Function):
    """One LLVM function under construction: `void name(i64 *args, i64 thread, i64 threads)`."""

    def __init__(self, module: ir.Module, target: Target, name: str, arguments: Sequence[str]) -> None:
        super().__init__(module, target, name, [PTR, I64, I64])
        self.arguments = tuple(arguments)
        self.fn.attributes.add("nounwind")
        self.args, thread, threads = self.fn.args
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


def _suffix(element: ir.Type) -> str:
    return f"i{element.width}" if isinstance(element, ir.IntType) else "f32" if element == F32 else "f64"


def _suffix_of(typ: ir.Type) -> str:
    return f"v{typ.count}{_suffix(typ.element)}" if isinstance(typ, ir.VectorType) else _suffix(typ)
