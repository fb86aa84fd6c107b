"""What the function emitters share: constants shaped like a value, bits, polynomials, and the detour through float64.

All of it works on scalars and on vectors of any length. Comparisons are ordered, so a NaN fails them; a
`select(less(x, c), c, x)` therefore hands a NaN in `x` on, and is one machine instruction.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import llvmlite.ir as ir

from simplecell.engine.code.emit import F32, F64, I1, I32, I64, Emitter, Value


def element(x: Value) -> ir.Type:
    """The type of one lane."""
    return x.type.element if isinstance(x.type, ir.VectorType) else x.type


def shaped(x: Value, typ: ir.Type) -> ir.Type:
    """`typ` in as many lanes as `x` has."""
    return ir.VectorType(typ, x.type.count) if isinstance(x.type, ir.VectorType) else typ


def like(x: Value, number: float | int | bool, typ: ir.Type | None = None) -> Value:
    """`number` in every lane of a value shaped like `x`; of element type `typ`, or that of `x`."""
    whole = shaped(x, element(x) if typ is None else typ)
    return ir.Constant(whole, [number] * whole.count if isinstance(whole, ir.VectorType) else number)


def less(e: Emitter, a: Value, b: Value) -> Value:
    return e.b.fcmp_ordered("<", a, b)


def equal(e: Emitter, a: Value, b: Value) -> Value:
    return e.b.fcmp_ordered("==", a, b)


def isnan(e: Emitter, x: Value) -> Value:
    return e.b.fcmp_unordered("uno", x, x)


def at_least(e: Emitter, x: Value, bound: float) -> Value:
    """max(x, bound), NaN handed on."""
    return extremum(e, "maximum", x, like(x, bound))


def at_most(e: Emitter, x: Value, bound: float) -> Value:
    """min(x, bound), NaN handed on."""
    return extremum(e, "minimum", x, like(x, bound))


def extremum(e: Emitter, intrinsic: str, a: Value, b: Value) -> Value:
    """`maximum` or `minimum` of floats: a NaN on either side is the result; which of two zeros is left open (`nsz`).

    LLVM's intrinsic and not a comparison with a selection: it is one instruction where an operand is a number, and two
    of them in a row (relu6, the clamp of exp) stay two, where selections get merged into comparisons of six
    instructions.
    """
    typ = a.type
    suffix = f"v{typ.count}f{_width(typ.element)}" if isinstance(typ, ir.VectorType) else f"f{_width(typ)}"
    return e.b.call(e.intrinsic(f"llvm.{intrinsic}.{suffix}", typ, [typ] * 2), [a, b], fastmath=("nsz",))


def _width(typ: ir.Type) -> int:
    return 32 if typ == F32 else 64


def bits(e: Emitter, x: Value) -> Value:
    """The float's bits as integers of its width."""
    return e.b.bitcast(x, shaped(x, I32 if element(x) == F32 else I64))


def from_bits(e: Emitter, x: Value) -> Value:
    """The floats whose bits these integers are."""
    return e.b.bitcast(x, shaped(x, F32 if element(x) == I32 else F64))


def bits_of(number: float) -> int:
    """The bits of a float32 constant."""
    return int(struct.unpack("<I", struct.pack("<f", number))[0])


def horner(e: Emitter, x: Value, coefficients: Sequence[float]) -> Value:
    """The polynomial of these coefficients, lowest degree first."""
    result = like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = e.fma(result, x, like(x, c))
    return result


def with_sign_of(e: Emitter, magnitude: Value, x: Value) -> Value:
    return e.binary("copysign", magnitude, x)


def wide(e: Emitter, x: Value) -> Value:
    """float32 → float64: seldom used functions are computed there, by plain formulas whose errors vanish in the
    rounding back."""
    return e.b.fpext(x, shaped(x, F64))


def narrow(e: Emitter, x: Value) -> Value:
    """float64 → float32, rounded to nearest: denormals and overflow come out right by themselves."""
    return e.b.fptrunc(x, shaped(x, F32))


def lanes_of(x: Value) -> int:
    return int(x.type.count) if isinstance(x.type, ir.VectorType) else 1


def any_lane(e: Emitter, condition: Value) -> Value:
    """Whether any lane of a vector of bools is true."""
    if not isinstance(condition.type, ir.VectorType):
        return condition
    fn = e.intrinsic(f"llvm.vector.reduce.or.v{condition.type.count}i1", I1, [condition.type])
    return e.b.call(fn, [condition])
