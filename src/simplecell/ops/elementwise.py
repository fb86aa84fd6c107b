"""Ops that compute each element from the elements at the same place: unary, binary, selection and casts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.ops.arguments import broadcast_shapes, operands, require_equal_dtypes, require_inexact
from simplecell.ops.base import Op, Spec, apply, constant_value, spec_of
from simplecell.ops.dtypes import is_floating, is_inexact, is_integer, to_dtype
from simplecell.ops.special import erf_reference, erfc_reference, erfinv_reference

Array = np.ndarray

_INEXACT: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10,
    "exp2": np.exp2,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "reciprocal": lambda x: 1 / x,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "arcsinh": np.arcsinh, "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "sigmoid": lambda x: np.where(x >= 0, 1, np.exp(-np.abs(x))) / (1 + np.exp(-np.abs(x))),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "erf": erf_reference, "erfc": erfc_reference, "erfinv": erfinv_reference,
}  # fmt: skip
_ANY: dict[str, Callable[[Any], Any]] = {
    "negative": np.negative, "absolute": np.abs, "sign": np.sign, "square": np.square,
    "relu": lambda x: np.maximum(x, 0), "floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc,
    "bitwise_not": np.invert,
}  # fmt: skip
_PREDICATES: dict[str, Callable[[Any], Any]] = {
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "logical_not": np.logical_not,
}  # fmt: skip
UNARY_FUNCTIONS = tuple({**_ANY, **_INEXACT, **_PREDICATES})
_ROUNDING = ("floor", "ceil", "round", "trunc")

# d · df/dx, from x, y = f(x) and d; a function that is missing here is flat, and no gradient flows through it.
_UNARY_GRADIENTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "negative": lambda x, y, d: negative(d),
    "absolute": lambda x, y, d: multiply(d, sign(x)),
    "relu": lambda x, y, d: select(greater(y, 0), d, 0),  # of y, so that x need not be kept
    "exp": lambda x, y, d: multiply(d, y),
    "expm1": lambda x, y, d: multiply(d, add(y, 1)),
    "exp2": lambda x, y, d: multiply(d, multiply(y, math.log(2))),
    "log": lambda x, y, d: divide(d, x),
    "log1p": lambda x, y, d: divide(d, add(x, 1)),
    "log2": lambda x, y, d: divide(d, multiply(x, math.log(2))),
    "log10": lambda x, y, d: divide(d, multiply(x, math.log(10))),
    "sqrt": lambda x, y, d: divide(multiply(d, 0.5), y),
    "rsqrt": lambda x, y, d: multiply(multiply(d, -0.5), multiply(y, square(y))),
    "square": lambda x, y, d: multiply(d, multiply(x, 2)),
    "reciprocal": lambda x, y, d: negative(multiply(d, square(y))),
    "sin": lambda x, y, d: multiply(d, cos(x)),
    "cos": lambda x, y, d: negative(multiply(d, sin(x))),
    "tan": lambda x, y, d: multiply(d, add(square(y), 1)),
    "arcsin": lambda x, y, d: multiply(d, rsqrt(subtract(1, square(x)))),
    "arccos": lambda x, y, d: negative(multiply(d, rsqrt(subtract(1, square(x))))),
    "arctan": lambda x, y, d: divide(d, add(square(x), 1)),
    "sinh": lambda x, y, d: multiply(d, cosh(x)),
    "cosh": lambda x, y, d: multiply(d, sinh(x)),
    "tanh": lambda x, y, d: multiply(d, subtract(1, square(y))),
    "arcsinh": lambda x, y, d: multiply(d, rsqrt(add(square(x), 1))),
    "arccosh": lambda x, y, d: multiply(d, multiply(rsqrt(subtract(x, 1)), rsqrt(add(x, 1)))),
    "arctanh": lambda x, y, d: divide(d, subtract(1, square(x))),
    "sigmoid": lambda x, y, d: multiply(d, multiply(y, subtract(1, y))),
    "softplus": lambda x, y, d: multiply(d, sigmoid(x)),
    "erf": lambda x, y, d: multiply(d, multiply(exp(negative(square(x))), 2 / math.sqrt(math.pi))),
    "erfc": lambda x, y, d: multiply(d, multiply(exp(negative(square(x))), -2 / math.sqrt(math.pi))),
    "erfinv": lambda x, y, d: multiply(d, multiply(exp(square(y)), math.sqrt(math.pi) / 2)),
}


@dataclass(frozen=True)
class Unary(Op):
    """`function` of every element, by its name in NumPy (or `rsqrt`, `sigmoid`, `softplus`, `erf`, `erfc`,
    `erfinv`)."""

    function: str

    def __post_init__(self) -> None:
        if self.function not in UNARY_FUNCTIONS:
            raise ValueError(f"`function` must be one of {', '.join(UNARY_FUNCTIONS)}; came {self.function!r}.")

    @property
    def name(self) -> str:
        return self.function

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if self.function in _PREDICATES:
            return Spec(x.shape, "bool")
        if self.function in _INEXACT:
            require_inexact(self.function, x)
        if self.function == "bitwise_not" and not (is_integer(x.dtype) or x.dtype == "bool"):
            raise ValueError(f"`bitwise_not` needs an integer or bool dtype; came {x}. Convert with `cast` first.")
        if self.function in ("negative", "square", "sign") and x.dtype == "bool":
            raise ValueError(
                f"`{self.function}` needs a number, came {x}. Convert with `cast` first, or use `logical_not`."
            )
        if self.function == "absolute" and x.dtype.startswith("complex"):
            return Spec(x.shape, "float32" if x.dtype == "complex64" else "float64")
        return x

    def reference(self, *arrays: Array) -> Any:
        (x,) = arrays
        dtype = self.output_spec(spec_of(x)).dtype
        if self.function in _PREDICATES:
            return _PREDICATES[self.function](x)
        if self.function in _ROUNDING and not is_inexact(dtype):
            return x
        with np.errstate(all="ignore"):
            return np.asarray((_ANY.get(self.function) or _INEXACT[self.function])(x)).astype(
                to_dtype(dtype), copy=False
            )

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        rule = _UNARY_GRADIENTS.get(self.function)
        return [rule(inputs[0], outputs[0], diff_outputs[0]) if rule else None]


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder, "power": np.power, "maximum": np.maximum, "minimum": np.minimum, "arctan2": np.arctan2,
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
    "left_shift": np.left_shift, "right_shift": np.right_shift,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "equal": np.equal, "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal, "greater": np.greater,
    "greater_equal": np.greater_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}  # fmt: skip
BINARY_FUNCTIONS = tuple({**_ARITHMETIC, **_COMPARISONS})


@dataclass(frozen=True)
class Binary(Op):
    """`function` of two operands of one dtype that broadcast as in NumPy. Comparisons and logical functions give
    bool."""

    function: str

    def __post_init__(self) -> None:
        if self.function not in BINARY_FUNCTIONS:
            raise ValueError(f"`function` must be one of {', '.join(BINARY_FUNCTIONS)}; came {self.function!r}.")

    @property
    def name(self) -> str:
        return self.function

    def output_spec(self, *inputs: Spec) -> Spec:
        a, b = inputs
        dtype = require_equal_dtypes(self.function, a, b)
        shape = broadcast_shapes(self.function, a.shape, b.shape)
        if self.function in _COMPARISONS:
            return Spec(shape, "bool")
        if self.function in ("divide", "arctan2"):
            require_inexact(self.function, a)
        if self.function.startswith(("bitwise", "left", "right")) and not (is_integer(dtype) or dtype == "bool"):
            raise ValueError(
                f"`{self.function}` needs an integer or bool dtype; came {a} and {b}. Convert with `cast` first."
            )
        return Spec(shape, dtype)

    def reference(self, *arrays: Array) -> Any:
        a, b = arrays
        dtype = self.output_spec(spec_of(a), spec_of(b)).dtype
        with np.errstate(all="ignore"):
            result = (_ARITHMETIC.get(self.function) or _COMPARISONS[self.function])(a, b)
        return np.asarray(result).astype(to_dtype(dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        rule = _BINARY_GRADIENTS.get(self.function)
        if rule is None:
            return [None, None]
        return rule(inputs[0], inputs[1], outputs[0], diff_outputs[0])


def _extremum_gradient(beats: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any, Any], tuple[Any, Any]]:
    """The winner takes the gradient. Ties are split evenly, except that a constant takes nothing: clipping is flat from
    its ends on, and its gradient is read off its output, so that its input need not be kept."""

    def rule(a: Any, b: Any, y: Any, d: Any) -> tuple[Any, Any]:
        if constant_value(b) is not None:
            return select(beats(y, b), d, 0), None
        if constant_value(a) is not None:
            return None, select(beats(y, a), d, 0)
        tie = select(equal(a, b), multiply(d, 0.5), 0)
        return select(beats(a, b), d, tie), select(beats(b, a), d, tie)

    return rule


def _power_gradient(a: Any, b: Any, y: Any, d: Any) -> tuple[Any, Any]:
    exponent = constant_value(b)
    if exponent is not None and exponent.size == 1:
        p = exponent.item()
        if p in (0, 1, 2):  # the slopes that need no power; at a = 0 they have no division by 0 either
            return {0: None, 1: d, 2: multiply(d, multiply(a, 2))}[p], None
        return multiply(d, multiply(power(a, p - 1), p)), None
    slope = select(equal(b, 0), 0, multiply(b, power(a, subtract(b, 1))))
    if not is_floating(spec_of(b).dtype):
        return multiply(d, slope), None
    logarithm = log(
        select(greater(a, 0), a, 1)
    )  # 0^b does not change with b > 0; negative bases have no derivative there
    return multiply(d, slope), multiply(d, multiply(y, logarithm))


def _arctan2_gradient(a: Any, b: Any, y: Any, d: Any) -> tuple[Any, Any]:
    share = divide(d, add(square(a), square(b)))
    return multiply(share, b), negative(multiply(share, a))


_BINARY_GRADIENTS: dict[str, Callable[[Any, Any, Any, Any], tuple[Any, Any]]] = {
    "add": lambda a, b, y, d: (d, d),
    "subtract": lambda a, b, y, d: (d, negative(d)),
    "multiply": lambda a, b, y, d: (multiply(d, b), multiply(d, a)),
    "divide": lambda a, b, y, d: (divide(d, b), negative(divide(multiply(d, y), b))),
    "remainder": lambda a, b, y, d: (d, negative(multiply(d, floor(divide(a, b))))),
    "power": _power_gradient,
    "maximum": _extremum_gradient(lambda a, b: greater(a, b)),
    "minimum": _extremum_gradient(lambda a, b: less(a, b)),
    "arctan2": _arctan2_gradient,
}


@dataclass(frozen=True)
class Select(Op):
    """`condition ? a : b`, element by element; all three broadcast. `condition` is bool, `a` and `b` have one dtype."""

    def output_spec(self, *inputs: Spec) -> Spec:
        condition, a, b = inputs
        if condition.dtype != "bool":
            raise ValueError(
                f"`condition` of `select` must be bool; came {condition}. Compare it, e.g. with `not_equal(x, 0)`."
            )
        return Spec(broadcast_shapes("select", condition.shape, a.shape, b.shape), require_equal_dtypes("select", a, b))

    def reference(self, *arrays: Array) -> Any:
        self.output_spec(*map(spec_of, arrays))
        return np.where(*arrays)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        condition, (d,) = inputs[0], diff_outputs
        return [None, select(condition, d, 0), select(condition, 0, d)]


@dataclass(frozen=True)
class Cast(Op):
    """The same values in another dtype, as NumPy's `astype`. Between floating dtypes the gradient is cast back."""

    dtype: str

    def output_spec(self, *inputs: Spec) -> Spec:
        return Spec(inputs[0].shape, self.dtype)

    def reference(self, *arrays: Array) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(arrays[0]).astype(to_dtype(self.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        source = spec_of(inputs[0]).dtype
        return [cast(diff_outputs[0], source) if is_floating(source) and is_floating(self.dtype) else None]


@dataclass(frozen=True)
class StopGradient(Op):
    """The value itself; no gradient flows through it."""

    def output_spec(self, *inputs: Spec) -> Spec:
        return inputs[0]

    def reference(self, *arrays: Array) -> Any:
        return arrays[0]

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [None]


def unary(function: str, x: Any) -> Any:
    """`function` of every element of `x`: an array or tensor of any shape."""
    return apply(Unary(function), *operands(x))


def binary(function: str, a: Any, b: Any) -> Any:
    """`function` of `a` and `b`, which broadcast; a Python number takes the other operand's dtype."""
    return apply(Binary(function), *operands(a, b))


def select(condition: Any, a: Any, b: Any) -> Any:
    """`a` where `condition`, else `b`. Example: `select(greater(x, 0), x, 0)`."""
    return apply(Select(), condition, *operands(a, b))


def cast(x: Any, dtype: str) -> Any:
    """`x` in another dtype; itself where it has it already."""
    (x,) = operands(x)
    return x if spec_of(x).dtype == dtype else apply(Cast(dtype), x)


def stop_gradient(x: Any) -> Any:
    """`x`, as a constant for differentiation."""
    return apply(StopGradient(), x)


def negative(x: Any) -> Any:
    return unary("negative", x)


def absolute(x: Any) -> Any:
    return unary("absolute", x)


def sign(x: Any) -> Any:
    return unary("sign", x)


def exp(x: Any) -> Any:
    return unary("exp", x)


def expm1(x: Any) -> Any:
    return unary("expm1", x)


def log(x: Any) -> Any:
    return unary("log", x)


def log1p(x: Any) -> Any:
    return unary("log1p", x)


def log2(x: Any) -> Any:
    return unary("log2", x)


def log10(x: Any) -> Any:
    return unary("log10", x)


def exp2(x: Any) -> Any:
    return unary("exp2", x)


def sqrt(x: Any) -> Any:
    return unary("sqrt", x)


def rsqrt(x: Any) -> Any:
    return unary("rsqrt", x)


def square(x: Any) -> Any:
    return unary("square", x)


def reciprocal(x: Any) -> Any:
    return unary("reciprocal", x)


def sin(x: Any) -> Any:
    return unary("sin", x)


def cos(x: Any) -> Any:
    return unary("cos", x)


def tan(x: Any) -> Any:
    return unary("tan", x)


def arcsin(x: Any) -> Any:
    return unary("arcsin", x)


def arccos(x: Any) -> Any:
    return unary("arccos", x)


def arctan(x: Any) -> Any:
    return unary("arctan", x)


def sinh(x: Any) -> Any:
    return unary("sinh", x)


def cosh(x: Any) -> Any:
    return unary("cosh", x)


def tanh(x: Any) -> Any:
    return unary("tanh", x)


def arcsinh(x: Any) -> Any:
    return unary("arcsinh", x)


def arccosh(x: Any) -> Any:
    return unary("arccosh", x)


def arctanh(x: Any) -> Any:
    return unary("arctanh", x)


def sigmoid(x: Any) -> Any:
    return unary("sigmoid", x)


def softplus(x: Any) -> Any:
    return unary("softplus", x)


def erf(x: Any) -> Any:
    return unary("erf", x)


def erfc(x: Any) -> Any:
    return unary("erfc", x)


def erfinv(x: Any) -> Any:
    return unary("erfinv", x)


def floor(x: Any) -> Any:
    return unary("floor", x)


def ceil(x: Any) -> Any:
    return unary("ceil", x)


def round(x: Any) -> Any:
    return unary("round", x)


def trunc(x: Any) -> Any:
    return unary("trunc", x)


def isnan(x: Any) -> Any:
    return unary("isnan", x)


def isinf(x: Any) -> Any:
    return unary("isinf", x)


def isfinite(x: Any) -> Any:
    return unary("isfinite", x)


def logical_not(x: Any) -> Any:
    return unary("logical_not", x)


def bitwise_not(x: Any) -> Any:
    return unary("bitwise_not", x)


def add(a: Any, b: Any) -> Any:
    return binary("add", a, b)


def subtract(a: Any, b: Any) -> Any:
    return binary("subtract", a, b)


def multiply(a: Any, b: Any) -> Any:
    return binary("multiply", a, b)


def divide(a: Any, b: Any) -> Any:
    return binary("divide", a, b)


def floor_divide(a: Any, b: Any) -> Any:
    return binary("floor_divide", a, b)


def remainder(a: Any, b: Any) -> Any:
    return binary("remainder", a, b)


def power(a: Any, b: Any) -> Any:
    return binary("power", a, b)


def maximum(a: Any, b: Any) -> Any:
    return binary("maximum", a, b)


def minimum(a: Any, b: Any) -> Any:
    return binary("minimum", a, b)


def arctan2(a: Any, b: Any) -> Any:
    return binary("arctan2", a, b)


def equal(a: Any, b: Any) -> Any:
    return binary("equal", a, b)


def not_equal(a: Any, b: Any) -> Any:
    return binary("not_equal", a, b)


def less(a: Any, b: Any) -> Any:
    return binary("less", a, b)


def less_equal(a: Any, b: Any) -> Any:
    return binary("less_equal", a, b)


def greater(a: Any, b: Any) -> Any:
    return binary("greater", a, b)


def greater_equal(a: Any, b: Any) -> Any:
    return binary("greater_equal", a, b)


def logical_and(a: Any, b: Any) -> Any:
    return binary("logical_and", a, b)


def logical_or(a: Any, b: Any) -> Any:
    return binary("logical_or", a, b)


def logical_xor(a: Any, b: Any) -> Any:
    return binary("logical_xor", a, b)


def bitwise_and(a: Any, b: Any) -> Any:
    return binary("bitwise_and", a, b)


def bitwise_or(a: Any, b: Any) -> Any:
    return binary("bitwise_or", a, b)


def bitwise_xor(a: Any, b: Any) -> Any:
    return binary("bitwise_xor", a, b)


def left_shift(a: Any, b: Any) -> Any:
    return binary("left_shift", a, b)


def right_shift(a: Any, b: Any) -> Any:
    return binary("right_shift", a, b)
