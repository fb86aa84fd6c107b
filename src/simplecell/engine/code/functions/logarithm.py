"""log and its relatives, float32.

x = 2^k · (1 + m) with 1 + m in [0.75, 1.5): log x = k·ln 2 + log(1 + m), where m is exact.
"""

from __future__ import annotations

import math

from simplecell.engine.code.emit import F32, Emitter, Value
from simplecell.engine.code.functions.exponential import LN2, LN2_HIGH, LN2_LOW, exp_of_minus
from simplecell.engine.code.functions.vectors import (
    at_least,
    bits,
    bits_of,
    equal,
    from_bits,
    horner,
    less,
    like,
    narrow,
    shaped,
    wide,
    with_sign_of,
)

_LOG1P = (0.3333333730697632, -0.2500016689300537, 0.19999821484088898, -0.16655485332012177, 0.14271105825901031,
          -0.12717020511627197, 0.11731412261724472, -0.09236257523298264, 0.03873918205499649)  # fmt: skip
"""(log(1 + m) - m + m²/2) / m³ for -0.25 ≤ m ≤ 0.5, relative error of log(1 + m): 9.4e-9"""
_LOG_WIDE = (0.6666666666666734, 0.39999999999416286, 0.2857142874216007, 0.22222198587343198, 0.1818356395237857,
             0.15314052640950399, 0.14795991775489087)  # fmt: skip
"""(2·atanh(s) - 2s) / s³ in s², |s| ≤ 0.1716"""
_EXPONENT = -0x800000  # sign and exponent bits of a float32


def _assembled(e: Emitter, m: Value, k: Value) -> Value:
    """k·ln 2 + log(1 + m), small terms first."""
    z = e.fmul(m, m)
    y = e.fmul(e.fmul(z, m), horner(e, m, _LOG1P))
    y = e.fma(k, like(k, LN2_LOW), y)
    y = e.fma(z, like(z, -0.5), y)
    return e.fma(k, like(k, LN2_HIGH), e.fadd(y, m))


def _limits(e: Emitter, x: Value, result: Value, pole: float) -> Value:
    """-inf at the pole, NaN below it, +inf and NaN for themselves."""
    result = e.b.select(less(e, x, like(x, math.inf)), result, x)
    result = e.b.select(equal(e, x, like(x, pole)), like(x, -math.inf), result)
    return e.b.select(less(e, x, like(x, pole)), like(x, math.nan), result)


def log(e: Emitter, x: Value) -> Value:
    """≤ 2 ULP, denormal arguments included."""
    tiny = less(e, x, like(x, 2.0**-126))
    i = bits(e, e.b.select(tiny, e.fmul(x, like(x, 2.0**23)), x))
    k = e.b.and_(e.b.sub(i, like(i, bits_of(0.75))), like(i, _EXPONENT))
    m = e.fsub(from_bits(e, e.b.sub(i, k)), like(x, 1.0))
    kf = e.b.sitofp(e.b.ashr(k, like(k, 23)), shaped(x, F32))
    kf = e.b.select(tiny, e.fsub(kf, like(kf, 23.0)), kf)
    return _limits(e, x, _assembled(e, m, kf), 0.0)


def log1p_core(e: Emitter, x: Value) -> Value:
    """log(1 + x) for -1 < x < inf. 1 + x gives only the exponent k; m = 2^-k·x + (2^-k - 1) keeps all of x."""
    u = bits(e, e.fadd(x, like(x, 1.0)))
    k = e.b.and_(e.b.sub(u, like(u, bits_of(0.75))), like(u, _EXPONENT))
    s = from_bits(e, e.b.sub(like(u, bits_of(4.0)), k))  # 4 · 2^-k: a float32 even for k = 128
    m = e.fadd(from_bits(e, e.b.sub(bits(e, x), k)), e.fma(s, like(s, 0.25), like(s, -1.0)))
    return _assembled(e, m, e.b.sitofp(e.b.ashr(k, like(k, 23)), shaped(x, F32)))


def log1p(e: Emitter, x: Value) -> Value:
    """≤ 2 ULP."""
    result = _limits(e, x, log1p_core(e, x), -1.0)
    return e.b.select(less(e, e.unary("fabs", x), like(x, 1e-8)), x, result)  # denormals and -0


def softplus(e: Emitter, x: Value) -> Value:
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), ≤ 3 ULP; NaN comes through the maximum."""
    return e.fadd(at_least(e, x, 0.0), log1p_core(e, exp_of_minus(e, x)))


def log_wide(e: Emitter, d: Value) -> Value:
    """log of normal, positive, finite float64 values, to about 2^-50 of the result."""
    i = bits(e, d)
    shifted = e.b.sub(i, like(i, 0x3FE6A09E00000000 - (1023 << 52)))  # less √½, more a bias that keeps it positive
    biased = e.b.lshr(shifted, like(i, 52))
    # an integer below 2^52 in the low bits of 2^52: converts without an instruction for 64-bit integers
    k = e.fsub(from_bits(e, e.b.or_(biased, like(i, 0x4330000000000000))), like(d, 2.0**52 + 1023))
    m = from_bits(e, e.b.sub(i, e.b.shl(e.b.sub(biased, like(i, 1023)), like(i, 52))))
    f = e.fsub(m, like(m, 1.0))
    s = e.b.fdiv(f, e.fadd(m, like(m, 1.0)))
    z = e.fmul(s, s)
    r = e.fma(e.fmul(s, z), horner(e, z, _LOG_WIDE), e.fadd(s, s))
    return e.fma(k, like(k, LN2), r)


def _log_to_base(e: Emitter, x: Value, factor: float) -> Value:
    return _limits(e, x, narrow(e, e.fmul(log_wide(e, wide(e, x)), like(wide(e, x), factor))), 0.0)


def log2(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP; exact for powers of two."""
    return _log_to_base(e, x, 1 / LN2)


def log10(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP."""
    return _log_to_base(e, x, 1 / math.log(10))


def _log1p_wide(e: Emitter, u: Value) -> Value:
    """log(1 + u) of float64 u ≥ 0: log(y)·u/(y - 1) with y = 1 + u as rounded, which makes up for the rounding."""
    y = e.fadd(u, like(u, 1.0))
    rest = e.fsub(y, like(y, 1.0))
    tiny = equal(e, rest, like(u, 0.0))
    return e.b.select(tiny, u, e.fmul(log_wide(e, y), e.b.fdiv(u, e.b.select(tiny, like(u, 1.0), rest))))


def arcsinh(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP."""
    a = wide(e, e.unary("fabs", x))
    z = e.fmul(a, a)
    root = e.unary("sqrt", e.fadd(z, like(z, 1.0)))
    y = narrow(e, _log1p_wide(e, e.fadd(a, e.b.fdiv(z, e.fadd(root, like(root, 1.0))))))
    return with_sign_of(e, e.b.select(less(e, a, like(a, math.inf)), y, e.unary("fabs", x)), x)


def arccosh(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP; NaN below 1."""
    t = wide(e, e.fsub(x, like(x, 1.0)))
    d = e.fsub(wide(e, x), like(t, 1.0))
    y = narrow(e, _log1p_wide(e, e.fadd(d, e.unary("sqrt", e.fmul(d, e.fadd(d, like(d, 2.0)))))))
    y = e.b.select(less(e, x, like(x, math.inf)), y, x)
    return e.b.select(less(e, x, like(x, 1.0)), like(x, math.nan), y)


def arctanh(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP; ±inf at ±1, NaN beyond."""
    d = wide(e, e.unary("fabs", x))
    one = like(d, 1.0)
    inside = less(e, d, one)
    safe = e.b.select(inside, d, like(d, 0.5))
    y = e.fmul(_log1p_wide(e, e.b.fdiv(e.fadd(safe, safe), e.fsub(one, safe))), like(d, 0.5))
    edge = e.b.select(equal(e, d, one), like(d, math.inf), like(d, math.nan))
    return with_sign_of(e, narrow(e, e.b.select(inside, y, edge)), x)
