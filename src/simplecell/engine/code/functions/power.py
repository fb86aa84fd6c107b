"""x to the power y, float32: exp(y · log|x|) in float64, with C's and NumPy's special cases."""

from __future__ import annotations

import math

from simplecell.engine.code.emit import Emitter, Value
from simplecell.engine.code.functions.exponential import exp_wide
from simplecell.engine.code.functions.logarithm import log_wide
from simplecell.engine.code.functions.rounding import trunc
from simplecell.engine.code.functions.vectors import at_least, at_most, equal, isnan, less, like, narrow, wide


def power(e: Emitter, x: Value, y: Value) -> Value:
    """≤ 1 ULP."""
    b = e.b
    a, p = wide(e, e.unary("fabs", x)), wide(e, y)
    log = log_wide(e, a)  # wrong for 0, inf and NaN: mended here
    log = b.select(equal(e, a, like(a, 0.0)), like(a, -math.inf), b.select(less(e, a, like(a, math.inf)), log, a))
    exponent = e.fmul(p, log)
    result = exp_wide(e, at_most(e, at_least(e, exponent, -200.0), 200.0))  # beyond the range of float32 on both sides
    whole = equal(e, trunc(e, p), p)
    half = e.fmul(p, like(p, 0.5))
    odd = b.and_(whole, b.fcmp_unordered("!=", trunc(e, half), half))
    odd = b.and_(odd, less(e, e.unary("fabs", p), like(p, math.inf)))
    negative_root = b.and_(less(e, wide(e, x), like(a, 0.0)), b.not_(whole))
    finite = less(e, a, like(a, math.inf))
    result = b.select(b.and_(negative_root, finite), like(result, math.nan), result)
    minus = b.and_(odd, e.b.fcmp_ordered("<", e.binary("copysign", like(a, 1.0), wide(e, x)), like(a, 0.0)))
    unit = b.or_(equal(e, a, like(a, 1.0)), equal(e, p, like(p, 0.0)))
    plain_one = b.and_(unit, b.not_(b.or_(isnan(e, p), negative_root)))
    result = b.select(plain_one, like(result, 1.0), result)
    result = b.select(minus, b.fneg(result), result)
    ones = b.or_(equal(e, wide(e, x), like(a, 1.0)), equal(e, p, like(p, 0.0)))
    infinite_exponent = b.and_(equal(e, a, like(a, 1.0)), equal(e, e.unary("fabs", p), like(p, math.inf)))
    return narrow(e, b.select(b.or_(ones, infinite_exponent), like(result, 1.0), result))


def integer_power(e: Emitter, x: Value, exponent: int) -> Value:
    """x to a small constant power, by squaring; for negative ones the reciprocal of it."""
    result: Value | None = None
    square, n = x, abs(exponent)
    while n:
        if n & 1:
            result = square if result is None else e.fmul(result, square)
        n >>= 1
        if n:
            square = e.fmul(square, square)
    result = like(x, 1.0) if result is None else result
    return e.b.fdiv(like(x, 1.0), result) if exponent < 0 else result


def square_root_power(e: Emitter, x: Value) -> Value:
    """x to the power 0.5: the square root but for -0 and -inf."""
    root = e.unary("sqrt", e.fadd(x, like(x, 0.0)))
    return e.b.select(equal(e, x, like(x, -math.inf)), like(x, math.inf), root)
