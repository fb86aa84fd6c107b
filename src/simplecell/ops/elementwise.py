"""Ops that compute each element from the elements at the same place: unary, binary, selection and casts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from simplecell.ops.arguments import broadcast_shapes, operands, require_equal_dtypes, require_inexact
from simplecell.ops.base import Op, Spec, apply, constant_value, spec_of
from simplecell.ops.dtypes import is_floating, is_inexact, is_integer, to_dtype
from simplecell.ops.special import erf_reference, erfc_reference, erfinv_reference

Array = np.ndarray
F = TypeVar("F", bound=Callable[..., Any])

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


def _unary(function: str, meaning: str) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        return apply(Unary(function), *operands(x))

    return _named(f, function, meaning)


def _binary(function: str, meaning: str) -> Callable[[Any, Any], Any]:
    def f(a: Any, b: Any) -> Any:
        return apply(Binary(function), *operands(a, b))

    return _named(f, function, meaning)


def _named(f: F, name: str, meaning: str) -> F:
    f.__name__ = f.__qualname__ = name
    f.__doc__ = meaning
    return f


negative = _unary("negative", "−x.")
absolute = _unary("absolute", "|x|; of complex numbers their length, a real array.")
sign = _unary("sign", "-1, 0 or 1.")
exp = _unary("exp", "eˣ.")
expm1 = _unary("expm1", "eˣ − 1, with all its digits near 0.")
log = _unary("log", "The natural logarithm; -inf at 0, NaN below.")
log1p = _unary("log1p", "log(1 + x), with all its digits near 0.")
log2 = _unary("log2", "The logarithm to base 2; -inf at 0, NaN below.")
log10 = _unary("log10", "The logarithm to base 10; -inf at 0, NaN below.")
exp2 = _unary("exp2", "2ˣ.")
sqrt = _unary("sqrt", "√x; NaN below 0.")
rsqrt = _unary("rsqrt", "1/√x; inf at 0, NaN below.")
square = _unary("square", "x².")
reciprocal = _unary("reciprocal", "1/x.")
sin = _unary("sin", "The sine of an angle in radians.")
cos = _unary("cos", "The cosine of an angle in radians.")
tan = _unary("tan", "The tangent of an angle in radians.")
arcsin = _unary("arcsin", "The angle in [-π/2, π/2] whose sine is x; NaN beyond ±1.")
arccos = _unary("arccos", "The angle in [0, π] whose cosine is x; NaN beyond ±1.")
arctan = _unary("arctan", "The angle in [-π/2, π/2] whose tangent is x.")
sinh = _unary("sinh", "(eˣ − e⁻ˣ)/2.")
cosh = _unary("cosh", "(eˣ + e⁻ˣ)/2.")
tanh = _unary("tanh", "sinh(x)/cosh(x), between -1 and 1.")
arcsinh = _unary("arcsinh", "The inverse of sinh.")
arccosh = _unary("arccosh", "The inverse of cosh for x ≥ 1; NaN below.")
arctanh = _unary("arctanh", "The inverse of tanh; ±inf at ±1, NaN beyond.")
sigmoid = _unary("sigmoid", "1/(1 + e⁻ˣ), between 0 and 1.")
softplus = _unary("softplus", "log(1 + eˣ), without overflow.")
erf = _unary("erf", "The error function: 2/√π times the integral of exp(−t²) from 0 to x.")
erfc = _unary("erfc", "1 − erf(x), with all its digits where erf is near 1.")
erfinv = _unary("erfinv", "The inverse of erf; ±inf at ±1, NaN beyond.")
floor = _unary("floor", "The largest whole number that is not above x.")
ceil = _unary("ceil", "The smallest whole number that is not below x.")
round = _unary("round", "The nearest whole number; the even one of two.")
trunc = _unary("trunc", "The next whole number towards 0.")
isnan = _unary("isnan", "Whether x is NaN (bool).")
isinf = _unary("isinf", "Whether x is inf or -inf (bool).")
isfinite = _unary("isfinite", "Whether x is neither NaN nor infinite (bool).")
logical_not = _unary("logical_not", "Whether x is 0 or false (bool).")
bitwise_not = _unary("bitwise_not", "Every bit of an integer turned over; of a bool, its opposite.")

add = _binary("add", "a + b.")
subtract = _binary("subtract", "a − b.")
multiply = _binary("multiply", "a · b.")
divide = _binary("divide", "a/b, of a floating dtype.")
floor_divide = _binary("floor_divide", "a/b rounded down to a whole number.")
remainder = _binary("remainder", "What dividing a by b and rounding down leaves: it has the sign of b.")
power = _binary("power", "a to the power of b.")
maximum = _binary("maximum", "The larger one, NaN if either is; equal ones share the gradient, a constant takes none.")
minimum = _binary("minimum", "The smaller one, NaN if either is; equal ones share the gradient, a constant takes none.")
arctan2 = _binary("arctan2", "The angle of the point (b, a), in [-π, π].")
equal = _binary("equal", "Whether a = b (bool).")
not_equal = _binary("not_equal", "Whether a ≠ b (bool).")
less = _binary("less", "Whether a < b (bool).")
less_equal = _binary("less_equal", "Whether a ≤ b (bool).")
greater = _binary("greater", "Whether a > b (bool).")
greater_equal = _binary("greater_equal", "Whether a ≥ b (bool).")
logical_and = _binary("logical_and", "Whether both are other than 0 (bool).")
logical_or = _binary("logical_or", "Whether either is other than 0 (bool).")
logical_xor = _binary("logical_xor", "Whether one of the two is other than 0 (bool).")
bitwise_and = _binary("bitwise_and", "The bits that both integers (or bools) have.")
bitwise_or = _binary("bitwise_or", "The bits that either integer (or bool) has.")
bitwise_xor = _binary("bitwise_xor", "The bits that one of two integers (or bools) has.")
left_shift = _binary("left_shift", "The bits of a moved up by b places.")
right_shift = _binary("right_shift", "The bits of a moved down by b places; a negative number stays negative.")


# --- gradients, written with the functions above ----------------------------------------------------------------------

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
