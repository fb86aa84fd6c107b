"""What pooling makes of the values of a window: their largest, or their sum and its share."""

from __future__ import annotations

from simplecell.engine.code.emit import F32, Emitter, Index, Value
from simplecell.engine.code.functions.vectors import extremum


def start(e: Emitter, function: str, lanes: int) -> Value:
    """What leaves the first value as it is."""
    return e.number(float("-inf"), lanes) if function == "max" else e.zero(lanes)


def combine(e: Emitter, function: str, a: Value, b: Value) -> Value:
    """The sum, or the maximum that hands NaN on. The larger of equal zeros is left open."""
    if function != "max":
        return e.fadd(a, b)
    return extremum(e, "maximum", a, b)


def reciprocal(e: Emitter, count: Index) -> Value:
    """1 / count, float32."""
    return e.b.fdiv(e.number(1.0, 1), e.b.sitofp(count.ir, F32))
