"""LLVM's types, and 64-bit integers with Python's operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.ir as ir

if TYPE_CHECKING:
    from simplecell.engine.code.function import Function

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

    def __init__(self, e: Function, value: Value | int) -> None:
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
