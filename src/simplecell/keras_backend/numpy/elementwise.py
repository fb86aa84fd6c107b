"""Functions of one array, value by value: arithmetic, roundings, exponentials, trigonometry, tests of a value."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import (
    callout,
    cast,
    constant,
    dtype_of,
    floating,
    native,
    same,
    symbolic,
    unary,
    wide_floating,
)

# --- arithmetic -------------------------------------------------------------------------------------------------------

absolute = unary("absolute", native(np.absolute, ops.absolute), same)
abs = absolute
negative = unary("negative", native(np.negative, ops.negative), same)
square = unary("square", native(np.square, ops.square), lambda dtype: "int32" if dtype == "bool" else dtype)
sqrt = unary("sqrt", native(np.sqrt, ops.sqrt))
reciprocal = unary("reciprocal", ops.reciprocal)
sign = unary("sign", ops.sign, same)


def _cbrt(x: Any) -> Any:
    return ops.sign(x) * ops.power(ops.absolute(x), constant(1 / 3, x))


cbrt = unary("cbrt", native(np.cbrt, _cbrt))


def fabs(x: Any) -> Any:
    x = convert_to_tensor(x)
    if "complex" in dtype_of(x):
        raise ValueError(
            f"fabs does not support complex inputs. Received: dtype={dtype_of(x)}. Use `absolute` for the modulus."
        )
    return ops.absolute(cast(x, floating(dtype_of(x))))


# --- roundings --------------------------------------------------------------------------------------------------------

floor = unary("floor", ops.floor)
ceil = unary("ceil", ops.ceil)
trunc = unary("trunc", lambda x: x if "int" in dtype_of(x) or dtype_of(x) == "bool" else ops.trunc(x), same)


def round(x: Any, decimals: int = 0) -> Any:
    x = convert_to_tensor(x)
    if dtype_of(x) == "bool":
        x = cast(x, "int32")
    if not symbolic(x):
        return np.asarray(np.round(x, decimals))
    if "int" in dtype_of(x):
        if decimals >= 0:
            return x
        return cast(round(cast(x, "float64"), decimals), dtype_of(x))
    if decimals == 0:
        return ops.round(x)
    scale = constant(10.0 ** builtins.abs(decimals), x)
    return ops.round(x * scale) / scale if decimals > 0 else ops.round(x / scale) * scale


# --- exponentials and logarithms --------------------------------------------------------------------------------------

exp = unary("exp", native(np.exp, ops.exp))
exp2 = unary("exp2", ops.exp2)
expm1 = unary("expm1", ops.expm1)
log = unary("log", native(np.log, ops.log))
log2 = unary("log2", ops.log2)
log10 = unary("log10", ops.log10)
log1p = unary("log1p", ops.log1p)
i0 = unary("i0", lambda x: callout(lambda a: np.i0(a).astype(a.dtype), x, label="i0", specs=getattr(x, "spec", None)))

# --- trigonometry -----------------------------------------------------------------------------------------------------

sin = unary("sin", native(np.sin, ops.sin))
cos = unary("cos", native(np.cos, ops.cos))
tan = unary("tan", ops.tan)
arcsin = unary("arcsin", ops.arcsin)
arccos = unary("arccos", ops.arccos)
arctan = unary("arctan", ops.arctan)
sinh = unary("sinh", ops.sinh)
cosh = unary("cosh", ops.cosh)
tanh = unary("tanh", native(np.tanh, ops.tanh))
arcsinh = unary("arcsinh", ops.arcsinh)
arccosh = unary("arccosh", ops.arccosh)
arctanh = unary("arctanh", ops.arctanh)
deg2rad = unary("deg2rad", native(np.deg2rad, lambda x: x * constant(np.pi / 180, x)), wide_floating)
rad2deg = unary("rad2deg", native(np.rad2deg, lambda x: x * constant(180 / np.pi, x)), wide_floating)


def _sinc(x: Any) -> Any:
    """sin(πx)/(πx), and 1 at 0: the quotient is taken at 1 there, so that its gradient is no NaN."""
    zero = ops.equal(x, constant(0, x))
    angle = ops.select(zero, constant(1, x), x * constant(np.pi, x))
    return ops.select(zero, constant(1, x), ops.sin(angle) / angle)


sinc = unary("sinc", native(lambda x: np.sinc(x).astype(x.dtype), _sinc))

# --- tests of a value -------------------------------------------------------------------------------------------------

isnan = unary("isnan", native(np.isnan, ops.isnan), floating)
isinf = unary("isinf", native(np.isinf, ops.isinf), floating)
isfinite = unary("isfinite", native(np.isfinite, ops.isfinite), floating)
isposinf = unary("isposinf", lambda x: ops.equal(x, constant(np.inf, x)), floating)
isneginf = unary("isneginf", lambda x: ops.equal(x, constant(-np.inf, x)), floating)
logical_not = unary("logical_not", native(np.logical_not, ops.logical_not), lambda dtype: "bool")


def signbit(x: Any) -> Any:
    x = convert_to_tensor(x)
    if dtype_of(x) == "bool":
        x = cast(x, "int32")
    if not symbolic(x):
        return np.signbit(x)
    zero = constant(0, x)
    if "float" not in dtype_of(x):
        return ops.less(x, zero)
    # −0 shows its sign in 1/−0 = −∞. The sign of a NaN is not seen.
    return ops.less(ops.select(ops.equal(x, zero), ops.reciprocal(x), x), zero)


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    x = convert_to_tensor(x)
    dtype = dtype_of(x)
    if "float" not in dtype:
        return x
    if dtype == "bfloat16":
        return cast(nan_to_num(cast(x, "float32"), nan, posinf, neginf), dtype)
    limits = np.finfo(dtype)
    for value, replacement in (
        (np.inf, limits.max if posinf is None else posinf),
        (-np.inf, limits.min if neginf is None else neginf),
    ):
        x = ops.select(ops.equal(x, constant(value, x)), constant(replacement, x), x)
    return ops.select(ops.isnan(x), constant(nan, x), x)


# --- bits -------------------------------------------------------------------------------------------------------------

bitwise_not = unary("bitwise_not", ops.bitwise_not, same)
bitwise_invert = bitwise_not

# --- complex numbers: tensors of a graph are real ---------------------------------------------------------------------

conjugate = unary("conjugate", native(np.conjugate, lambda x: x), same)
conj = conjugate
real = unary("real", native(np.real, lambda x: x), same)
imag = unary("imag", native(np.imag, lambda x: np.zeros(x.shape, x.dtype)), same)
isreal = unary("isreal", native(np.isreal, lambda x: np.ones(x.shape, bool)), same)
angle = unary(
    "angle",
    native(
        lambda x: np.asarray(np.angle(x), _real_dtype(x)),
        lambda x: ops.select(ops.less(x, constant(0, x)), constant(np.pi, x), constant(0, x)),
    ),
    wide_floating,
)


def _real_dtype(x: np.ndarray) -> Any:
    return x.real.dtype


def copy(x: Any) -> Any:
    x = convert_to_tensor(x)
    return x if symbolic(x) else np.array(x)
