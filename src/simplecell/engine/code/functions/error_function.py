"""erf, erfc and the inverse of erf, float32."""

from __future__ import annotations

import math

from simplecell.engine.code.emit import Emitter, Value
from simplecell.engine.code.functions.exponential import exp_core, exp_wide
from simplecell.engine.code.functions.logarithm import log_wide
from simplecell.engine.code.functions.vectors import (
    at_least,
    at_most,
    equal,
    horner,
    isnan,
    less,
    like,
    narrow,
    wide,
    with_sign_of,
)

_ERF = (0.12837916612625122, -0.3761262893676758, 0.11283624172210693, -0.02685558795928955, 0.005191947799175978,
        -0.0008043839479796588, 7.969663420226425e-05)  # fmt: skip
"""erf(x) / x - 1 in x², |x| ≤ 0.93, error 9.7e-10"""
_LOG_ERFC = (0.0001746838679537177, -1.1295149326324463, -0.6333469152450562, -0.10828004777431488, 0.02511938475072384,
             -0.004171053413301706, 0.0004344675980973989, -2.109706838382408e-05)  # fmt: skip
"""log(erfc(x)) for 0.92 ≤ x ≤ 3.95, weighted so that the error of erf is 1.7e-10"""
_ERFC_WIDE = (-1.2655059862437488, 0.9997774100411047, 0.37858310746246193, 0.049472302975801026, 0.12331681768847985,
-1.0341217824160571,
              2.576913128654367, -5.614630203670553, 8.38090792574761, -7.7574127264328165, 4.333902099127355,
              -1.3545274170626402,
              0.18332532428449363)  # fmt: skip
"""log(erfc(a) / t) + a² in t = 1 / (1 + a/2), a ≤ 10.4, error 1.6e-10"""
_INVERSE_CENTRE = (0.8862269274514727, 0.23201355600809595, 0.01155033549934555, -0.002338540465809152,
-0.00012200284353877945,
                   4.04869662337026e-05, 5.835548567183731e-06, -2.4978607369393944e-06, 3.0979387802359004e-07,
                   -1.7161087787613042e-08,
                   3.355306857003334e-10)  # fmt: skip
"""erfinv(x) / x in w = -log(1 - x²) ≤ 5, relative error 2.3e-9"""
_INVERSE_TAIL = (-4.003649823230633, 16.28069297756663, -23.59849177039185, 20.11766570895756, -10.809917658327546,
3.8821525556495344,
                 -0.951243839126182, 0.1577845191147051, -0.0170077474868373, 0.001077996898377808,
                 -3.05527186535417e-05)  # fmt: skip
"""the same in √w, 5 ≤ w ≤ 17.4 (the largest float32 below 1 has w = 15.9), relative error 7.8e-9"""


def erf(e: Emitter, x: Value) -> Value:
    """≤ 2 ULP: an odd polynomial up to 0.92, 1 - exp(polynomial) beyond."""
    a, z = e.unary("fabs", x), e.fmul(x, x)
    small = e.fma(x, horner(e, z, _ERF), x)
    large = e.fsub(like(x, 1.0), exp_core(e, horner(e, at_most(e, a, 3.95), _LOG_ERFC)))
    return e.b.select(less(e, a, like(a, 0.92)), small, with_sign_of(e, large, x))


def erfc(e: Emitter, x: Value) -> Value:
    """1 - erf(x) without cancellation, ≤ 1 ULP."""
    a = at_most(e, wide(e, e.unary("fabs", x)), 10.4)
    t = e.b.fdiv(like(a, 1.0), e.fma(a, like(a, 0.5), like(a, 1.0)))
    y = e.fmul(t, exp_wide(e, e.fsub(horner(e, t, _ERFC_WIDE), e.fmul(a, a))))
    return narrow(e, e.b.select(less(e, wide(e, x), like(a, 0.0)), e.fsub(like(y, 2.0), y), y))


def erfinv(e: Emitter, x: Value) -> Value:
    """≤ 1 ULP; ±inf at ±1, NaN beyond."""
    d = wide(e, x)
    a, one = e.unary("fabs", d), like(d, 1.0)
    rest = e.fmul(e.fsub(one, a), e.fadd(one, a))
    w = e.b.fneg(log_wide(e, at_least(e, rest, 1e-12)))
    centre = horner(e, w, _INVERSE_CENTRE)
    tail = horner(e, e.unary("sqrt", at_least(e, w, 0.0)), _INVERSE_TAIL)
    y = e.fmul(e.b.select(less(e, w, like(w, 5.0)), centre, tail), d)
    edge = e.b.select(equal(e, a, one), with_sign_of(e, like(d, math.inf), d), like(d, math.nan))
    return narrow(e, e.b.select(e.b.or_(less(e, a, one), isnan(e, d)), y, edge))
