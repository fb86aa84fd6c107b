"""exp and its relatives, float32.

exp(x) = 2^k · exp(r) with k = round(x / ln 2), |r| ≤ ln 2 / 2. The polynomials are minimax (Remez exchange,
coefficients rounded to float32 one after the other, lowest first). Rounding adds 1.5·2^23: the integer then stands in
the low bits of the sum, no conversion that is undefined for NaN takes place, and NaN reaches the result through r.
"""

from __future__ import annotations

from simplecell.engine.code.emit import I16, I32, Emitter, Value
from simplecell.engine.code.functions.vectors import (
    at_least,
    at_most,
    bits,
    bits_of,
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

LOG2_E = 1.4426950408889634
LN2 = 0.6931471805599453
LN2_HIGH, LN2_LOW = (
    0.693359375,
    -2.1219444005469057e-4,
)  # the high part has 9 bits: its product with k is exact without fma
ROUNDER = 12582912.0  # 1.5 · 2^23
ROUNDER_WIDE = 6755399441055744.0  # 1.5 · 2^52
_EXP = (0.4999999403953552, 0.16666509211063385, 0.041668009012937546, 0.008369991555809975, 0.0013847090303897858)
"""(exp(r) - 1 - r) / r², relative error of exp(r): 3.5e-9"""
_EXPM1 = (
    0.5,
    0.16666647791862488,
    0.04166647791862488,
    0.008337774313986301,
    0.0013933756854385138,
    0.0001742573076626286,
)
"""the same, one degree more"""
_EXP2 = (0.6931471824645996, 0.24022650718688965, 0.05550406128168106, 0.00961808580905199, 0.0013336504343897104,
         0.00015455964603461325, 1.4692554941575509e-05)  # fmt: skip
"""(2^r - 1) / r for |r| ≤ 1/2, relative error 7.3e-10"""
_EXP_WIDE = (0.5000000000000013, 0.16666666666672333, 0.041666666666503135, 0.008333333332401736, 0.00138888889561104,
             0.00019841267749047884, 2.480147400329914e-05, 2.756180580745498e-06, 2.7639101974196824e-07,
             2.305293782713848e-08)  # fmt: skip
_TANH = (-0.3333326280117035, 0.13330897688865662, -0.05369279906153679, 0.020482776686549187, -0.005528046749532223)
"""(tanh(x) - x) / x³ in x², |x| ≤ 0.65, relative error of tanh: 6.4e-9"""
_SINH_WIDE = (
    0.1666666666706911,
    0.008333333276340647,
    0.00019841296045831344,
    2.755206399340527e-06,
    2.5529823784476025e-08,
)
"""(sinh(x) - x) / x³ in x², |x| ≤ 1"""


def _reduce(e: Emitter, x: Value) -> tuple[Value, Value]:
    """t, whose low bits are k, and r."""
    t = e.fma(x, like(x, LOG2_E), like(x, ROUNDER))
    n = e.fsub(t, like(x, ROUNDER))
    r = e.fma(n, like(x, -LN2_HIGH), x)
    return t, e.fma(n, like(x, -LN2_LOW), r)


def _integer(e: Emitter, t: Value) -> Value:
    """k as an integer."""
    i = bits(e, t)
    return e.b.sub(i, like(i, bits_of(ROUNDER)))


def _power_of_two(e: Emitter, k: Value) -> Value:
    """2^k as float32 for -126 ≤ k ≤ 127."""
    return from_bits(e, e.b.shl(e.b.add(k, like(k, 127)), like(k, 23)))


def _scaled(e: Emitter, p: Value, t: Value) -> Value:
    """p · 2^k for |k| ≤ 252, rounded once if it falls below the normal range: AVX-512 has an instruction for it (LLVM
    22 makes calls of its own `ldexp`); elsewhere in two steps, of which only the second can leave the normal range."""
    if e.target.avx512 and lanes_of(p) == 16:
        n = e.fsub(t, like(t, ROUNDER))
        fn = e.intrinsic("llvm.x86.avx512.mask.scalef.ps.512", p.type, [p.type] * 3 + [I16, I32])
        return e.b.call(fn, [p, n, p, I16(-1), I32(4)])
    k = _integer(e, t)
    half = e.b.ashr(k, like(k, 1))
    return e.fmul(e.fmul(p, _power_of_two(e, half)), _power_of_two(e, e.b.sub(k, half)))


def exp_core(e: Emitter, x: Value) -> Value:
    """exp for -104 ≤ x ≤ 89 (and NaN)."""
    t, r = _reduce(e, x)
    return _scaled(e, e.fadd(e.fma(e.fmul(r, r), horner(e, r, _EXP), r), like(r, 1.0)), t)


def exp(e: Emitter, x: Value) -> Value:
    """≤ 2 ULP, denormal results included."""
    return exp_core(e, at_most(e, at_least(e, x, -104.0), 89.0))


def exp2(e: Emitter, x: Value) -> Value:
    """≤ 2 ULP; exact for integers."""
    x = at_most(e, at_least(e, x, -151.0), 129.0)
    t = e.fadd(x, like(x, ROUNDER))
    r = e.fsub(x, e.fsub(t, like(x, ROUNDER)))
    return _scaled(e, e.fma(horner(e, r, _EXP2), r, like(r, 1.0)), t)


def expm1(e: Emitter, x: Value) -> Value:
    """≤ 2 ULP. 2^k·(exp(r) - 1) + (2^k - 1), with 2^(k-1) in place of 2^k, which at k = 128 is no float32."""
    y = at_most(e, at_least(e, x, -18.0), 89.0)
    t, r = _reduce(e, y)
    k = _integer(e, t)
    p = e.fma(e.fmul(r, r), horner(e, r, _EXPM1), r)
    half = _power_of_two(e, e.b.sub(k, like(k, 1)))
    result = e.fma(half, p, e.fsub(half, like(half, 0.5)))
    result = e.fmul(result, like(result, 2.0))
    # k = 0: the sum above is p but for the sign of zero and for what 2 · (p / 2) loses among the denormals
    return e.b.select(
        e.b.icmp_signed("==", k, like(k, 0)), e.b.select(less(e, e.unary("fabs", x), like(x, 1e-8)), x, p), result
    )


def exp_of_minus(e: Emitter, x: Value) -> Value:
    """exp(-|x|)."""
    return exp_core(e, at_least(e, e.b.fneg(e.unary("fabs", x)), -104.0))


def sigmoid(e: Emitter, x: Value) -> Value:
    """1 / (1 + exp(-x)), ≤ 2.5 ULP, without overflow: z / (1 + z) where x is negative, z = exp(-|x|)."""
    z, one = exp_of_minus(e, x), like(x, 1.0)
    return e.b.fdiv(e.b.select(less(e, x, like(x, 0.0)), z, one), e.fadd(one, z))


def tanh(e: Emitter, x: Value) -> Value:
    """≤ 2 ULP: an odd polynomial up to 0.625, 1 - 2 / (exp(2|x|) + 1) beyond."""
    a = e.unary("fabs", x)
    z = e.fmul(x, x)
    small = e.fma(e.fmul(x, z), horner(e, z, _TANH), x)
    grown = exp_core(e, at_most(e, e.fadd(a, a), 40.0))
    large = e.fsub(like(x, 1.0), e.b.fdiv(like(x, 2.0), e.fadd(grown, like(x, 1.0))))
    return with_sign_of(e, e.b.select(less(e, a, like(a, 0.625)), small, large), x)


def exp_wide(e: Emitter, d: Value) -> Value:
    """exp of float64 values, |d| ≤ 700, to about 2^-45."""
    t = e.fma(d, like(d, LOG2_E), like(d, ROUNDER_WIDE))
    n = e.fsub(t, like(d, ROUNDER_WIDE))
    r = e.fma(n, like(d, -LN2), d)
    p = e.fadd(e.fma(e.fmul(r, r), horner(e, r, _EXP_WIDE), r), like(r, 1.0))
    k = e.b.shl(bits(e, t), like(bits(e, t), 52))  # only the low bits of t are left, in the exponent's place
    return e.b.select(isnan(e, d), d, from_bits(e, e.b.add(bits(e, p), k)))


def sinh(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP."""
    d = wide(e, at_most(e, at_least(e, x, -100.0), 100.0))
    z = e.fmul(d, d)
    small = e.fma(e.fmul(d, z), horner(e, z, _SINH_WIDE), d)
    grown = exp_wide(e, e.unary("fabs", d))
    large = e.fmul(e.fsub(grown, e.b.fdiv(like(d, 1.0), grown)), like(d, 0.5))
    return narrow(e, e.b.select(less(e, z, like(z, 1.0)), small, with_sign_of(e, large, d)))


def cosh(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP."""
    grown = exp_wide(e, wide(e, at_most(e, e.unary("fabs", x), 100.0)))
    return narrow(e, e.fmul(e.fadd(grown, e.b.fdiv(like(grown, 1.0), grown)), like(grown, 0.5)))
