"""Instructions of an Expression on values in registers: arithmetic, comparison, selection and casts of every dtype.

A value is a vector (or a scalar) of its dtype's LLVM type, a bool one bit per lane; in memory a bool is a byte.
Semantics are NumPy's, with these choices where NumPy leaves it to the hardware: floats out of an integer's range
saturate and NaN becomes 0; integer division by zero gives 0, as does its remainder; shifts by the width or more give 0
(or -1, shifting a negative number right). float64 has arithmetic but no transcendental functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import llvmlite.ir as ir

from simplecell.engine.code.emit import ELEMENT, F32, F64, I1, I8, I64, Emitter, Index, Value
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.code.functions import FUNCTIONS, power, rounding, trigonometric
from simplecell.engine.code.functions.vectors import at_least, equal, extremum, less, like, narrow, shaped, wide

FLOATS = ("float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
ALL = (*FLOATS, *INTEGERS, "bool")
_BITS = {d: (int(d.lstrip("uint")) if d in INTEGERS else 0) for d in ALL}

UnaryEmitter = Callable[[Emitter, str, Value], Value]
BinaryEmitter = Callable[[Emitter, str, Value, Value], Value]


# --- one operand -----------------------------------------------------------------------------------------------------


def _negative(e: Emitter, dtype: str, x: Value) -> Value:
    return e.b.fneg(x) if dtype in FLOATS else e.b.sub(like(x, 0), x)


def _absolute(e: Emitter, dtype: str, x: Value) -> Value:
    if dtype in FLOATS:
        return e.unary("fabs", x)
    return e.b.select(_less(e, dtype, x, like(x, 0)), e.b.sub(like(x, 0), x), x) if dtype in SIGNED else x


def _sign(e: Emitter, dtype: str, x: Value) -> Value:
    if dtype in FLOATS:
        unit = e.binary("copysign", like(x, 1.0), x)
        # x + 0: NaN for itself, +0 for both zeros
        return e.b.select(e.b.fcmp_unordered("ueq", x, like(x, 0.0)), e.fadd(x, like(x, 0.0)), unit)
    zero = like(x, 0)
    if dtype in UNSIGNED:
        return e.b.zext(e.b.icmp_unsigned("!=", x, zero), x.type)
    return e.b.sub(e.b.zext(_less(e, dtype, zero, x), x.type), e.b.zext(_less(e, dtype, x, zero), x.type))


def _relu(e: Emitter, dtype: str, x: Value) -> Value:
    if dtype in FLOATS:
        return at_least(e, x, 0.0)
    return x if dtype in UNSIGNED else e.b.select(_less(e, dtype, x, like(x, 0)), like(x, 0), x)


def _rounded(function: Callable[[Emitter, Value], Value]) -> UnaryEmitter:
    return lambda e, dtype, x: function(e, x) if dtype in FLOATS else x


def _rsqrt(e: Emitter, dtype: str, x: Value) -> Value:
    return e.b.fdiv(like(x, 1.0), e.unary("sqrt", x))


def _isnan(e: Emitter, dtype: str, x: Value) -> Value:
    return e.b.fcmp_unordered("uno", x, x) if dtype in FLOATS else like(x, 0, I1)


def _isinf(e: Emitter, dtype: str, x: Value) -> Value:
    return equal(e, e.unary("fabs", x), like(x, float("inf"))) if dtype in FLOATS else like(x, 0, I1)


def _isfinite(e: Emitter, dtype: str, x: Value) -> Value:
    return less(e, e.unary("fabs", x), like(x, float("inf"))) if dtype in FLOATS else like(x, 1, I1)


def truth(e: Emitter, dtype: str, x: Value) -> Value:
    """x != 0 (true for NaN)."""
    if dtype in FLOATS:
        return e.b.fcmp_unordered("!=", x, like(x, 0.0))
    return x if dtype == "bool" else e.b.icmp_unsigned("!=", x, like(x, 0))


UNARY: dict[str, tuple[tuple[str, ...], UnaryEmitter]] = {
    "identity": (ALL, lambda e, d, x: x),
    "negative": (FLOATS + INTEGERS, _negative),
    "absolute": (ALL, _absolute),
    "sign": (FLOATS + INTEGERS, _sign),
    "square": (FLOATS + INTEGERS, lambda e, d, x: e.fmul(x, x) if d in FLOATS else e.b.mul(x, x)),
    "relu": (FLOATS + INTEGERS, _relu),
    "sqrt": (FLOATS, lambda e, d, x: e.unary("sqrt", x)),
    "rsqrt": (FLOATS, _rsqrt),
    "reciprocal": (FLOATS, lambda e, d, x: e.b.fdiv(like(x, 1.0), x)),
    "floor": (ALL, _rounded(rounding.floor)),
    "ceil": (ALL, _rounded(rounding.ceil)),
    "round": (ALL, _rounded(rounding.round_even)),
    "trunc": (ALL, _rounded(rounding.trunc)),
    "isnan": (ALL, _isnan),
    "isinf": (ALL, _isinf),
    "isfinite": (ALL, _isfinite),
    "logical_not": (ALL, lambda e, d, x: e.b.not_(truth(e, d, x))),
    "bitwise_not": ((*INTEGERS, "bool"), lambda e, d, x: e.b.not_(x)),
}


# --- two operands ----------------------------------------------------------------------------------------------------


def _less(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
    return compare("<")(e, dtype, a, b)


def compare(sign: str) -> BinaryEmitter:
    def emit(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
        if dtype in FLOATS:
            return e.b.fcmp_unordered("!=", a, b) if sign == "!=" else e.b.fcmp_ordered(sign, a, b)
        return e.b.icmp_signed(sign, a, b) if dtype in SIGNED else e.b.icmp_unsigned(sign, a, b)

    return emit


def _arithmetic(of_floats: str, of_integers: str, of_bools: str) -> BinaryEmitter:
    def emit(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
        name = of_floats if dtype in FLOATS else of_bools if dtype == "bool" else of_integers
        return getattr(e.b, name)(a, b)

    return emit


def _extremum(sign: str) -> BinaryEmitter:
    """maximum (`>`) or minimum (`<`): a NaN on either side is the result."""

    def emit(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
        if dtype == "bool":
            return e.b.or_(a, b) if sign == ">" else e.b.and_(a, b)
        if dtype not in FLOATS:
            return e.b.select(compare(sign)(e, dtype, a, b), a, b)
        return extremum(e, "maximum" if sign == ">" else "minimum", a, b)

    return emit


def _is_number(x: Value) -> bool:
    """A constant that is not NaN."""
    if not isinstance(x, ir.Constant):
        return False
    values = x.constant if isinstance(x.constant, list) else [x.constant]
    return all(isinstance(v, (int, float)) and v == v for v in values)


def _integer_quotient(e: Emitter, dtype: str, a: Value, b: Value) -> tuple[Value, Value]:
    """floor(a / b) and a safe b (1 where b is 0). Up to 32 bits through float64, whose quotient has the right integer
    part."""
    zero, one = like(a, 0), like(a, 1)
    safe = e.b.select(e.b.icmp_unsigned("==", b, zero), one, b)
    if _BITS[dtype] <= 32:
        d = shaped(a, F64)
        convert = e.b.sitofp if dtype in SIGNED else e.b.uitofp
        q = rounding.floor(e, e.b.fdiv(convert(a, d), convert(safe, d)))
        return e.b.trunc(e.b.fptosi(q, shaped(a, I64)), a.type) if _BITS[dtype] == 32 else e.b.fptosi(q, a.type), safe
    if dtype in UNSIGNED:
        return e.b.udiv(a, safe), safe
    # the smallest integer divided by -1 traps: negate instead
    minus = e.b.icmp_signed("==", safe, like(a, -1))
    by = e.b.select(minus, one, safe)
    q = e.b.sdiv(a, by)
    r = e.b.sub(a, e.b.mul(q, by))
    below = e.b.and_(e.b.icmp_signed("!=", r, zero), e.b.icmp_signed("<", e.b.xor(r, by), zero))
    q = e.b.sub(q, e.b.zext(below, a.type))
    return e.b.select(minus, e.b.sub(zero, a), q), safe


def _floor_divide(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
    if dtype == "float32":
        return rounding.floor_divide(e, a, b)
    q, _ = _integer_quotient(e, dtype, a, b)
    return e.b.select(e.b.icmp_unsigned("==", b, like(b, 0)), like(b, 0), q)


def _remainder(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
    if dtype == "float32":
        return rounding.remainder(e, a, b)
    q, _ = _integer_quotient(e, dtype, a, b)
    return e.b.select(e.b.icmp_unsigned("==", b, like(b, 0)), like(b, 0), e.b.sub(a, e.b.mul(q, b)))


def _power(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
    if _is_number(b):
        exponents = set(b.constant) if isinstance(b.constant, list) else {b.constant}
        exponent = exponents.pop()
        if not exponents and exponent in (-2, -1, 0, 1, 2, 3, 4):
            return power.integer_power(e, a, int(exponent))
        if not exponents and exponent == 0.5:
            return power.square_root_power(e, a)
    return power.power(e, a, b)


def _logical(name: str) -> BinaryEmitter:
    return lambda e, dtype, a, b: getattr(e.b, name)(truth(e, dtype, a), truth(e, dtype, b))


def _left_shift(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
    inside = e.b.icmp_unsigned("<", b, like(b, _BITS[dtype]))
    return e.b.select(inside, e.b.shl(a, e.b.select(inside, b, like(b, 0))), like(a, 0))


def _right_shift(e: Emitter, dtype: str, a: Value, b: Value) -> Value:
    last = like(b, _BITS[dtype] - 1)
    inside = e.b.icmp_unsigned("<=", b, last)
    if dtype in SIGNED:
        return e.b.ashr(a, e.b.select(inside, b, last))
    return e.b.select(inside, e.b.lshr(a, e.b.select(inside, b, like(b, 0))), like(a, 0))


_BITWISE = (*INTEGERS, "bool")
BINARY: dict[str, tuple[tuple[str, ...], BinaryEmitter]] = {
    "add": (ALL, _arithmetic("fadd", "add", "or_")),
    "subtract": (FLOATS + INTEGERS, _arithmetic("fsub", "sub", "")),
    "multiply": (ALL, _arithmetic("fmul", "mul", "and_")),
    "divide": (FLOATS, lambda e, d, a, b: e.b.fdiv(a, b)),
    "floor_divide": (("float32", *INTEGERS), _floor_divide),
    "remainder": (("float32", *INTEGERS), _remainder),
    "power": (("float32",), _power),
    "maximum": (ALL, _extremum(">")),
    "minimum": (ALL, _extremum("<")),
    "arctan2": (("float32",), lambda e, d, a, b: trigonometric.arctan2(e, a, b)),
    "equal": (ALL, compare("==")),
    "not_equal": (ALL, compare("!=")),
    "less": (ALL, compare("<")),
    "less_equal": (ALL, compare("<=")),
    "greater": (ALL, compare(">")),
    "greater_equal": (ALL, compare(">=")),
    "logical_and": (ALL, _logical("and_")),
    "logical_or": (ALL, _logical("or_")),
    "logical_xor": (ALL, _logical("xor")),
    "bitwise_and": (_BITWISE, lambda e, d, a, b: e.b.and_(a, b)),
    "bitwise_or": (_BITWISE, lambda e, d, a, b: e.b.or_(a, b)),
    "bitwise_xor": (_BITWISE, lambda e, d, a, b: e.b.xor(a, b)),
    "left_shift": (INTEGERS, _left_shift),
    "right_shift": (INTEGERS, _right_shift),
}


# --- casts -----------------------------------------------------------------------------------------------------------


def cast(e: Emitter, x: Value, source: str, target: str) -> Value:
    """`x` of dtype `source` as dtype `target`."""
    if source == target:
        return x
    if target == "bool":
        return truth(e, source, x)
    typ = shaped(x, ELEMENT[target])
    if source in FLOATS:
        if target in FLOATS:
            return wide(e, x) if target == "float64" else narrow(e, x)
        name = f"llvm.fpto{'s' if target in SIGNED else 'u'}i.sat.{_suffix(typ)}.{_suffix(x.type)}"
        return e.b.call(e.intrinsic(name, typ, [x.type]), [x])
    if target in FLOATS:
        return e.b.sitofp(x, typ) if source in SIGNED else e.b.uitofp(x, typ)
    if source == "bool" or _BITS[source] < _BITS[target]:
        return e.b.sext(x, typ) if source in SIGNED else e.b.zext(x, typ)
    return e.b.trunc(x, typ) if _BITS[source] > _BITS[target] else x


def _suffix(typ: ir.Type) -> str:
    element = typ.element if isinstance(typ, ir.VectorType) else typ
    name = "f32" if element == F32 else "f64" if element == F64 else f"i{element.width}"
    return f"v{typ.count}{name}" if isinstance(typ, ir.VectorType) else name


# --- memory ----------------------------------------------------------------------------------------------------------


def register_type(dtype: str, lanes: int) -> ir.Type:
    """LLVM's type of a value in registers."""
    element = I1 if dtype == "bool" else ELEMENT[dtype]
    return element if lanes == 1 else ir.VectorType(element, lanes)


def load(
    e: Emitter, dtype: str, pointer: Value, offset: Index | int = 0, lanes: int | None = None, mask: Value | None = None
) -> Value:
    """A value from memory, `offset` in elements."""
    x = e.load(pointer, offset, lanes, ELEMENT[dtype], mask)
    return e.b.icmp_unsigned("!=", x, like(x, 0)) if dtype == "bool" else x


def store(
    e: Emitter, dtype: str, value: Value, pointer: Value, offset: Index | int = 0, mask: Value | None = None
) -> None:
    """A value to memory, `offset` in elements."""
    e.store(e.b.zext(value, shaped(value, I8)) if dtype == "bool" else value, pointer, offset, mask)


# --- expressions -----------------------------------------------------------------------------------------------------


def supports(function: str, dtypes: Sequence[str]) -> bool:
    """Can `function` be an instruction? `dtypes` are those of its operands, then that of its result."""
    if any(d not in ALL for d in dtypes):
        return False
    operand = dtypes[0]
    if function in ("cast", "select", "constant"):
        return True
    if function in FUNCTIONS:
        return operand == "float32"
    found = UNARY.get(function) or BINARY.get(function)
    return found is not None and operand in found[0]


def emit_expression(e: Emitter, expression: Expression, values: Sequence[Value]) -> list[Value]:
    """The expression's outputs from values of its inputs: all vectors of one length, or all scalars."""
    known = list(values)
    shape = values[0] if values else None
    for instruction in expression.instructions:
        operands = [known[i] for i in instruction.operands]
        known.append(_instruction(e, expression, instruction, operands, shape))
    return [known[i] for i in expression.outputs]


def _instruction(
    e: Emitter, expression: Expression, i: Instruction, operands: Sequence[Value], shape: Value | None
) -> Value:
    if i.function == "constant":
        assert i.number is not None
        lanes = e.lanes if shape is None else int(getattr(shape.type, "count", 1))
        typ = register_type(i.dtype, lanes)
        number = float(i.number) if i.dtype in FLOATS else int(i.number)
        return ir.Constant(typ, [number] * lanes if lanes > 1 else number)
    if i.function == "select":
        return e.b.select(*operands)
    dtype = expression.dtype(i.operands[0])
    if i.function == "cast":
        return cast(e, operands[0], dtype, i.dtype)
    if i.function in FUNCTIONS:
        return FUNCTIONS[i.function](e, operands[0])
    if i.function in UNARY:
        return UNARY[i.function][1](e, dtype, operands[0])
    return BINARY[i.function][1](e, dtype, operands[0], operands[1])
