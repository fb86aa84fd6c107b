"""sin, cos, tan and their inverses, float32, by float64 inside.

x = q·π/2 + r, |r| ≤ π/4. Up to 2^20 the quadrant q and r come from two multiplications with parts of π/2; larger
arguments (rare: the branch is skipped when no lane needs it) multiply their 24 bits with 81 bits of 2^k·2/π from a
table (Payne and Hanek).
"""

from __future__ import annotations

import math

import llvmlite.ir as ir

from simplecell.engine.code.emit import F64, I32, I64, Emitter, Index, Value
from simplecell.engine.code.functions.exponential import ROUNDER_WIDE
from simplecell.engine.code.functions.vectors import (
    any_lane,
    bits,
    equal,
    from_bits,
    horner,
    isnan,
    lanes_of,
    less,
    like,
    narrow,
    wide,
    with_sign_of,
)

_SIN = (
    -0.16666666666627966,
    0.008333333324611385,
    -0.0001984126345690583,
    2.755527904472814e-06,
    -2.4755890823276464e-08,
)
_COS = (
    0.041666666666595534,
    -0.001388888887739709,
    2.4801580583430035e-05,
    -2.755549626252302e-07,
    2.0643160098901094e-09,
)
_ARCTAN = (-0.33333333295966056, 0.1999999688023274, -0.14285622910557863, 0.11109754724790433, -0.0907891716656567,
0.07623177680540974,
           -0.06391489340808582, 0.05095253755903537, -0.03593762732448162, 0.020548638739667675, -0.008602323222644629,
           0.002286758760367888, -0.00028548683257595295)  # fmt: skip
"""(arctan(x) - x) / x³ in x², |x| ≤ 1, relative error of arctan: 1.4e-12"""
_HALF_PI = 1.5707963267948966
_HALF_PI_HIGH = float.fromhex("0x1.921fb544p+0")  # 33 bits: the product with q < 2^20 is exact
_HALF_PI_LOW = 6.123233995736766e-17 + (_HALF_PI - _HALF_PI_HIGH)
_LIMIT = 1048576.0
_FIRST = 126 + 20  # biased exponent of the smallest argument that the table serves
_TWO_OVER_PI = 0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424DD2E006492EEA09D1921C
_TWO_OVER_PI_BITS = 384


def _table() -> list[float]:
    """For each exponent the high (28 bits) and low part of 2^k·2/π modulo 4, x being a 24-bit integer times 2^k."""
    entries = []
    for exponent in range(_FIRST, 255):
        k = exponent - 150
        keep = 130
        scaled = _TWO_OVER_PI << k if k >= 0 else _TWO_OVER_PI >> -k  # in units of 2^-384
        part = (scaled % (4 << _TWO_OVER_PI_BITS)) >> (_TWO_OVER_PI_BITS - keep)
        high = part >> (keep - 26) << (keep - 26)  # 2 bits before the point, 26 behind it
        entries += [math.ldexp(float(high), -keep), math.ldexp(float(part - high), -keep)]
    return entries


def _table_pointer(e: Emitter) -> Value:
    name = "two_over_pi"
    found = e.module.globals.get(name)
    if found is None:
        typ = ir.ArrayType(F64, len(_table()))
        found = ir.GlobalVariable(e.module, typ, name)
        found.initializer, found.global_constant, found.linkage = ir.Constant(typ, _table()), True, "internal"
    return found


def _huge(e: Emitter, x: Value) -> tuple[Value, Value]:
    """Quadrant (float64, modulo 4 enough) and r of one float32 |x| ≥ 2^19; inf gives NaN."""
    b = e.b
    i = bits(e, e.unary("fabs", x))
    exponent = Index(e, b.zext(b.lshr(i, I32(23)), I64)).minimum(254).maximum(_FIRST) - _FIRST
    m = b.uitofp(b.or_(b.and_(i, I32(0x7FFFFF)), I32(0x800000)), F64)
    table = _table_pointer(e)
    high, low = (e.load(table, exponent * 2 + part, lanes=1, element=F64) for part in (0, 1))
    p = e.fmul(m, high)
    q = e.fsub(e.fadd(p, like(p, ROUNDER_WIDE)), like(p, ROUNDER_WIDE))
    r = e.fmul(e.fadd(e.fsub(p, q), e.fmul(m, low)), like(p, _HALF_PI))
    broken = b.icmp_unsigned(">=", i, I32(0x7F800000))
    r = b.select(broken, like(r, math.nan), r)
    negative = less(e, x, like(x, 0.0))
    return b.select(negative, b.fneg(q), q), b.select(negative, b.fneg(r), r)


def _reduce(e: Emitter, x: Value) -> tuple[Value, Value]:
    """Quadrant as integer bits (the low two count) and r as float64."""
    d = wide(e, x)
    q = e.fsub(e.fma(d, like(d, 2 / math.pi), like(d, ROUNDER_WIDE)), like(d, ROUNDER_WIDE))
    r = e.fma(q, like(d, -_HALF_PI_LOW), e.fma(q, like(d, -_HALF_PI_HIGH), d))
    near = less(e, e.unary("fabs", x), like(x, _LIMIT))
    vector = isinstance(x.type, ir.VectorType)
    with e.loop(e.select(any_lane(e, e.b.not_(near)), lanes_of(x), 0), carry=[q, r], name="huge") as loop:
        lane = loop.index.ir
        one = e.b.extract_element(x, lane) if vector else x
        q1, r1 = _huge(e, one)
        take = e.b.extract_element(near, lane) if vector else near
        q0, r0 = (e.b.extract_element(v, lane) if vector else v for v in loop.values)
        q1, r1 = e.b.select(take, q0, q1), e.b.select(take, r0, r1)
        loop.carry([e.b.insert_element(v, s, lane) if vector else s for v, s in zip(loop.values, (q1, r1))])
    q, r = loop.results
    return bits(e, e.fadd(q, like(q, ROUNDER_WIDE))), r


def _sin_cos(e: Emitter, r: Value) -> tuple[Value, Value]:
    z = e.fmul(r, r)
    sine = e.fma(e.fmul(r, z), horner(e, z, _SIN), r)
    cosine = e.fma(e.fmul(z, z), horner(e, z, _COS), e.fma(z, like(z, -0.5), like(z, 1.0)))
    return sine, cosine


def _odd(e: Emitter, q: Value) -> Value:
    return e.b.icmp_unsigned("!=", e.b.and_(q, like(q, 1)), like(q, 0))


def _flipped(e: Emitter, y: Value, q: Value) -> Value:
    """-y where bit 1 of q is set."""
    return from_bits(e, e.b.xor(bits(e, y), e.b.shl(e.b.and_(q, like(q, 2)), like(q, 62))))


def sin_cos_of_turns(e: Emitter, v: Value) -> tuple[Value, Value]:
    """sin and cos of 2π·v for float32 v in [0, 1], ≤ 1 ULP."""
    d = e.fmul(wide(e, v), like(wide(e, v), 4.0))
    t = e.fadd(d, like(d, ROUNDER_WIDE))
    r = e.fmul(e.fsub(d, e.fsub(t, like(d, ROUNDER_WIDE))), like(d, _HALF_PI))
    q = bits(e, t)
    (sine, cosine), odd = _sin_cos(e, r), _odd(e, q)
    s = _flipped(e, e.b.select(odd, cosine, sine), q)
    c = _flipped(e, e.b.select(odd, sine, cosine), e.b.add(q, like(q, 1)))
    return narrow(e, s), narrow(e, c)


def sin(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP for every argument; NaN for ±inf."""
    q, r = _reduce(e, x)
    sine, cosine = _sin_cos(e, r)
    y = narrow(e, _flipped(e, e.b.select(_odd(e, q), cosine, sine), q))
    return e.b.select(equal(e, x, like(x, 0.0)), x, y)


def cos(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP for every argument; NaN for ±inf."""
    q, r = _reduce(e, x)
    sine, cosine = _sin_cos(e, r)
    return narrow(e, _flipped(e, e.b.select(_odd(e, q), sine, cosine), e.b.add(q, like(q, 1))))


def tan(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP for every argument; NaN for ±inf."""
    q, r = _reduce(e, x)
    sine, cosine = _sin_cos(e, r)
    odd = _odd(e, q)
    y = narrow(e, e.b.fdiv(e.b.select(odd, e.b.fneg(cosine), sine), e.b.select(odd, sine, cosine)))
    return e.b.select(equal(e, x, like(x, 0.0)), x, y)


def _arctan_of_ratio(e: Emitter, y: Value, x: Value) -> Value:
    """arctan(y / x) for float64 y, x ≥ 0, not NaN: in [0, π/2]; 0 for 0 / 0, π/4 for inf / inf."""
    steep = less(e, x, y)
    low, high = e.b.select(steep, x, y), e.b.select(steep, y, x)
    t = e.b.fdiv(low, e.b.select(equal(e, high, like(high, 0.0)), like(high, 1.0), high))
    t = e.b.select(equal(e, low, like(low, math.inf)), like(low, 1.0), t)
    z = e.fmul(t, t)
    angle = e.fma(e.fmul(t, z), horner(e, z, _ARCTAN), t)
    return e.b.select(steep, e.fsub(like(angle, _HALF_PI), angle), angle)


def arctan(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP."""
    angle = _arctan_of_ratio(e, wide(e, e.unary("fabs", x)), like(x, 1.0, F64))
    return e.b.select(isnan(e, x), x, with_sign_of(e, narrow(e, angle), x))


def arctan2(e: Emitter, y: Value, x: Value) -> Value:
    """≤ 1 ULP; zeros and infinities as in C's atan2."""
    angle = _arctan_of_ratio(e, wide(e, e.unary("fabs", y)), wide(e, e.unary("fabs", x)))
    behind = e.b.icmp_signed("<", bits(e, x), like(bits(e, x), 0))  # -0 counts
    angle = narrow(e, e.b.select(behind, e.fsub(like(angle, math.pi), angle), angle))
    return e.b.select(e.b.fcmp_unordered("uno", x, y), e.fadd(x, y), with_sign_of(e, angle, y))


def _leg(e: Emitter, d: Value) -> Value:
    """√(1 - d²), NaN for |d| > 1."""
    one = like(d, 1.0)
    return e.unary("sqrt", e.fmul(e.fsub(one, d), e.fadd(one, d)))


def arcsin(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP; NaN outside [-1, 1]."""
    d = wide(e, e.unary("fabs", x))
    angle = _arctan_of_ratio(e, d, _leg(e, d))
    inside = e.b.fcmp_ordered("<=", d, like(d, 1.0))
    return with_sign_of(e, narrow(e, e.b.select(inside, angle, like(d, math.nan))), x)


def arccos(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP; NaN outside [-1, 1]."""
    d = wide(e, e.unary("fabs", x))
    angle = _arctan_of_ratio(e, _leg(e, d), d)
    angle = e.b.select(less(e, wide(e, x), like(d, 0.0)), e.fsub(like(angle, math.pi), angle), angle)
    inside = e.b.fcmp_ordered("<=", d, like(d, 1.0))
    return narrow(e, e.b.select(inside, angle, like(angle, math.nan)))
