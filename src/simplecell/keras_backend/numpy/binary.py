"""Functions of two arrays, value by value: arithmetic, comparison, logic, bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import (
    binary,
    callout,
    cast,
    constant,
    convert_operand,
    dtype_of,
    floating,
    native,
    no_gradient,
    promote,
    symbolic,
    wide_floating,
)
from simplecell.keras_backend.numpy.reductions import all


def _as_int32_if_bool(dtype: str) -> str:
    return "int32" if dtype == "bool" else dtype


# --- arithmetic -------------------------------------------------------------------------------------------------------

add = binary("add", native(np.add, ops.add))
subtract = binary("subtract", native(np.subtract, ops.subtract))
multiply = binary("multiply", native(np.multiply, ops.multiply))
divide = binary("divide", native(np.divide, ops.divide), also=(float,))
true_divide = divide
floor_divide = binary("floor_divide", ops.floor_divide)
mod = binary("mod", ops.remainder, rule=_as_int32_if_bool)
maximum = binary("maximum", native(np.maximum, ops.maximum))
minimum = binary("minimum", native(np.minimum, ops.minimum))
arctan2 = binary("arctan2", ops.arctan2, also=(float,))


def power(x1: Any, x2: Any) -> Any:
    x1, x2 = promote(x1, x2)
    if not symbolic(x2) and x2.size == 1 and symbolic(x1):  # the usual powers, without a logarithm
        if x2 == 2:
            return ops.broadcast_to(ops.square(x1), np.broadcast_shapes(x1.shape, x2.shape))
        if x2 == 1:
            return ops.broadcast_to(x1, np.broadcast_shapes(x1.shape, x2.shape))
    return ops.power(x1, x2)


def _fmod(x1: Any, x2: Any) -> Any:
    """x1 − trunc(x1/x2)·x2: the remainder with the sign of x1, exact where the quotient is."""
    remainder = ops.remainder(ops.absolute(x1), ops.absolute(x2))
    return ops.select(ops.less(x1, constant(0, x1)), ops.negative(remainder), remainder)


fmod = binary("fmod", native(np.fmod, _fmod), rule=_as_int32_if_bool)


def divide_no_nan(x1: Any, x2: Any) -> Any:
    x1, x2 = promote(x1, x2, also=(float,))
    zero = ops.equal(x2, constant(0, x2))
    return ops.select(zero, constant(0, x1), ops.divide(x1, ops.select(zero, constant(1, x2), x2)))


def _ignoring_nan(function: Any) -> Any:
    """Of two values, the one that is no NaN; else `function` of both."""

    def choose(x1: Any, x2: Any) -> Any:
        return ops.select(ops.isnan(x1), x2, ops.select(ops.isnan(x2), x1, function(x1, x2)))

    return choose


fmax = binary("fmax", native(np.fmax, _ignoring_nan(ops.maximum)))
fmin = binary("fmin", native(np.fmin, _ignoring_nan(ops.minimum)))


def _hypot(x1: Any, x2: Any) -> Any:
    """√(x1² + x2²), scaled by the larger one, so that squares do not overflow."""
    x1, x2 = ops.absolute(x1), ops.absolute(x2)
    larger, smaller = ops.maximum(x1, x2), ops.minimum(x1, x2)
    zero = ops.equal(larger, constant(0, larger))
    ratio = smaller / ops.select(zero, constant(1, larger), larger)
    return larger * ops.sqrt(constant(1, larger) + ops.square(ratio))


hypot = binary("hypot", native(np.hypot, _hypot), rule=wide_floating)


def _heaviside(x1: Any, x2: Any) -> Any:
    step = ops.cast(ops.greater(x1, constant(0, x1)), dtype_of(x1))
    return ops.select(ops.isnan(x1), x1, ops.select(ops.equal(x1, constant(0, x1)), x2, step))


heaviside = binary("heaviside", native(np.heaviside, _heaviside), rule=wide_floating)


def _logaddexp(x1: Any, x2: Any) -> Any:
    """log(eᵃ + eᵇ) = max + log1p(e^−|a−b|); equal infinities have no difference, hence the select."""
    same = ops.equal(x1, x2)
    distance = ops.select(same, constant(0, x1), ops.absolute(x1 - x2))
    return ops.maximum(x1, x2) + ops.log1p(ops.exp(ops.negative(distance)))


def _logaddexp2(x1: Any, x2: Any) -> Any:
    ln2 = constant(np.log(2.0), x1)
    return _logaddexp(x1 * ln2, x2 * ln2) / ln2


logaddexp = binary("logaddexp", native(np.logaddexp, _logaddexp), also=(float,))
logaddexp2 = binary("logaddexp2", native(np.logaddexp2, _logaddexp2), also=(float,))


def ldexp(x1: Any, x2: Any) -> Any:
    x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
    if "int" not in dtype_of(x2):
        raise TypeError(f"ldexp exponent must be an integer type. Received: x2 dtype={dtype_of(x2)}")
    dtype = promote(x1, x2, also=(float,), rule=floating)[0].dtype.name
    return ops.multiply(cast(x1, dtype), ops.exp2(cast(x2, dtype)))


def _integers(function: Any, label: str) -> Any:
    return lambda x1, x2: callout(function, x1, x2, label=label, gradient=no_gradient)


gcd = binary("gcd", _integers(np.gcd, "gcd"))
lcm = binary("lcm", _integers(np.lcm, "lcm"))
nextafter = binary("nextafter", _integers(np.nextafter, "nextafter"), also=(float,))

# --- comparison -------------------------------------------------------------------------------------------------------

equal = binary("equal", native(np.equal, ops.equal))
not_equal = binary("not_equal", native(np.not_equal, ops.not_equal))
greater = binary("greater", native(np.greater, ops.greater))
greater_equal = binary("greater_equal", native(np.greater_equal, ops.greater_equal))
less = binary("less", native(np.less, ops.less))
less_equal = binary("less_equal", native(np.less_equal, ops.less_equal))


def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    x1, x2 = promote(x1, x2, also=(float,))
    if not symbolic(x1, x2):
        return np.isclose(x1, x2, rtol, atol, equal_nan)
    near = ops.less_equal(ops.absolute(x1 - x2), constant(atol, x1) + constant(rtol, x1) * ops.absolute(x2))
    close = ops.logical_or(ops.equal(x1, x2), ops.logical_and(near, ops.isfinite(x2)))
    return ops.logical_or(close, ops.logical_and(ops.isnan(x1), ops.isnan(x2))) if equal_nan else close


def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    return all(isclose(x1, x2, rtol, atol, equal_nan))


# --- logic ------------------------------------------------------------------------------------------------------------

logical_and = binary("logical_and", native(np.logical_and, ops.logical_and), rule=lambda dtype: "bool")
logical_or = binary("logical_or", native(np.logical_or, ops.logical_or), rule=lambda dtype: "bool")
logical_xor = binary("logical_xor", ops.logical_xor, rule=lambda dtype: "bool")

# --- bits -------------------------------------------------------------------------------------------------------------


def bitwise_and(x: Any, y: Any) -> Any:
    return ops.bitwise_and(*promote(x, y))


def bitwise_or(x: Any, y: Any) -> Any:
    return ops.bitwise_or(*promote(x, y))


def bitwise_xor(x: Any, y: Any) -> Any:
    return ops.bitwise_xor(*promote(x, y))


def bitwise_left_shift(x: Any, y: Any) -> Any:
    return ops.left_shift(*_shift_operands(x, y))


def bitwise_right_shift(x: Any, y: Any) -> Any:
    return ops.right_shift(*_shift_operands(x, y))


def _shift_operands(x: Any, y: Any) -> list[Any]:
    x, y = convert_to_tensor(x), convert_operand(y)
    return [x, convert_to_tensor(y, dtype_of(x))] if isinstance(y, int) else promote(x, y)


left_shift = bitwise_left_shift
right_shift = bitwise_right_shift
