"""floor, ceil, round, trunc, and division with remainder, for float32 and float64."""

from __future__ import annotations

import math

from simplecell.engine.code.emit import F32, I32, I64, Emitter, Value
from simplecell.engine.code.functions.vectors import (
    any_lane,
    element,
    equal,
    from_bits,
    less,
    like,
    narrow,
    shaped,
    wide,
    with_sign_of,
)


def _has_rounding(e: Emitter) -> bool:
    """SSE2 cannot round: LLVM would call the C library once per lane."""
    return e.target.name != "x86-64"


def trunc(e: Emitter, x: Value) -> Value:
    if _has_rounding(e):
        return e.unary("trunc", x)
    single = element(x) == F32
    near = less(e, e.unary("fabs", x), like(x, 2.0**23 if single else 2.0**52))  # beyond it, every float is whole
    whole = e.b.sitofp(e.b.fptosi(e.b.select(near, x, like(x, 0.0)), shaped(x, I32 if single else I64)), x.type)
    return e.b.select(near, with_sign_of(e, whole, x), x)


def floor(e: Emitter, x: Value) -> Value:
    if _has_rounding(e):
        return e.unary("floor", x)
    t = trunc(e, x)
    return with_sign_of(e, e.b.select(less(e, x, t), e.fsub(t, like(t, 1.0)), t), x)


def ceil(e: Emitter, x: Value) -> Value:
    if _has_rounding(e):
        return e.unary("ceil", x)
    t = trunc(e, x)
    return with_sign_of(e, e.b.select(less(e, t, x), e.fadd(t, like(t, 1.0)), t), x)


def round_even(e: Emitter, x: Value) -> Value:
    """To the nearest integer, halves to the even one."""
    if _has_rounding(e):
        return e.unary("roundeven", x)
    big = like(x, 2.0**23 if element(x) == F32 else 2.0**52)
    a = e.unary("fabs", x)
    return e.b.select(less(e, a, big), with_sign_of(e, e.fsub(e.fadd(a, big), big), x), x)


def remainder(e: Emitter, a: Value, b: Value) -> Value:
    """a - floor(a / b)·b, of b's sign (NumPy's and Python's), exact. float32.

    The quotient of two float32 can have 277 bits: in float64, 28 of them are taken off at a time, and all but the last
    28 only when some lane has so many.
    """
    n, d = wide(e, e.unary("fabs", a)), wide(e, e.unary("fabs", b))
    long = e.b.fcmp_unordered(">=", n, e.fmul(d, like(d, 2.0**28)))
    steps = e.select(any_lane(e, long), 11, 1)
    with e.loop(steps, carry=[n], name="remainder", at_least_once=True) as loop:
        exponent = (steps - 1 - loop.index) * 28 + 1023
        unit = e.fmul(d, e.splat(from_bits(e, e.b.shl(exponent.ir, I64(52))), _lanes(d)))
        rest = loop.values[0]
        q = trunc(e, e.b.fdiv(rest, unit))
        taken = e.fsub(rest, e.fmul(q, unit))  # q has 29 bits at most, unit 24: exact
        taken = e.b.select(less(e, taken, like(d, 0.0)), e.fadd(taken, unit), taken)
        loop.carry([e.b.select(less(e, rest, unit), rest, taken)])
    r = with_sign_of(e, loop.results[0], wide(e, a))
    wb = wide(e, b)
    zero = equal(e, r, like(r, 0.0))
    opposite = e.b.xor(less(e, r, like(r, 0.0)), less(e, wb, like(wb, 0.0)))
    r = e.b.select(zero, with_sign_of(e, r, wb), e.b.select(opposite, e.fadd(r, wb), r))
    broken = e.b.or_(e.b.fcmp_unordered(">=", n, like(n, math.inf)), e.b.fcmp_unordered("ueq", wb, like(wb, 0.0)))
    r = e.b.select(broken, like(r, math.nan), r)
    return narrow(e, r)


def floor_divide(e: Emitter, a: Value, b: Value) -> Value:
    """floor(a / b) from the exact remainder, as NumPy; float32."""
    r, wa, wb = wide(e, remainder(e, a, b)), wide(e, a), wide(e, b)
    q = round_even(e, e.b.fdiv(e.fsub(wa, r), wb))
    q = e.b.select(equal(e, r, wb), like(q, -1.0), q)  # only where b is infinite and of the other sign
    q = e.b.select(equal(e, q, like(q, 0.0)), with_sign_of(e, like(q, 0.0), e.b.fdiv(wa, wb)), q)
    by_zero = equal(e, wb, like(wb, 0.0))
    return narrow(e, e.b.select(by_zero, e.b.fdiv(wa, wb), q))


def _lanes(x: Value) -> int:
    return int(getattr(x.type, "count", 1))
