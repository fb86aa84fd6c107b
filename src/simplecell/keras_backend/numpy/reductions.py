"""Reductions over axes, and running ones: sums, products, extremes, moments."""

from __future__ import annotations

from math import prod as product
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, dtype_of, floating, native, promote
from simplecell.keras_backend.numpy.elementwise import sqrt
from simplecell.ops import reduction, shaping
from simplecell.ops.base import apply


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """`axis` (None, an int, a sequence) as a sorted tuple of non-negative axes."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (int(axis),)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"axis {a} is out of bounds for an array of {ndim} dimensions. Received: axis={axis}")
    return tuple(sorted({a % ndim for a in axes}))


def reduce(function: str, x: Any, axis: Any, keepdims: bool) -> Any:
    return apply(reduction.Reduce(function, axes_of(axis, len(x.shape)), bool(keepdims)), x)


def accumulated(dtype: str) -> str:
    """The dtype of a sum or product: small integers are accumulated in 32 bits."""
    return {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}.get(dtype, dtype)


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = convert_to_tensor(x)
    return reduce("sum", cast(x, accumulated(dtype_of(x))), axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    x = convert_to_tensor(x)
    return reduce("prod", cast(x, dtype or accumulated(dtype_of(x))), axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduce("all", cast(convert_to_tensor(x), "bool"), axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduce("any", cast(convert_to_tensor(x), "bool"), axis, keepdims)


def count_nonzero(x: Any, axis: Any = None) -> Any:
    return sum(cast(cast(convert_to_tensor(x), "bool"), "int32"), axis)


def _extreme(function: str, pairwise: str, x: Any, axis: Any, keepdims: bool, initial: Any) -> Any:
    x = convert_to_tensor(x)
    axes = axes_of(axis, len(x.shape))
    if product(x.shape[a] for a in axes) == 0:
        if initial is None:
            raise ValueError(
                f"`{function}` of no values has no answer: the shape is {x.shape}, axis={axis}. Pass `initial`."
            )
        shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
        return np.full(shape, initial, dtype=x.dtype)
    result = reduce(function, x, axes, keepdims)
    return result if initial is None else cast(getattr(ops, pairwise)(*promote(result, initial)), dtype_of(x))


def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    return _extreme("max", "maximum", x, axis, keepdims, initial)


def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    return _extreme("min", "minimum", x, axis, keepdims, initial)


def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return max(x, axis, keepdims)


def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return min(x, axis, keepdims)


def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return max(x, axis, keepdims) - min(x, axis, keepdims)


def _arg_reduce(function: str, x: Any, axis: int | None, keepdims: bool) -> Any:
    x = convert_to_tensor(x)
    if dtype_of(x) == "bool":
        x = cast(x, "uint8")
    ndim = len(x.shape)
    if axis is None:
        index = apply(reduction.ArgReduce(function, 0, False), shaping.reshape(x, (product(x.shape),)))
        return shaping.reshape(index, (1,) * ndim) if keepdims else index
    return apply(reduction.ArgReduce(function, axes_of(axis, ndim)[0], bool(keepdims)), x)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    return _arg_reduce("argmax", x, axis, keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    return _arg_reduce("argmin", x, axis, keepdims)


# --- moments ----------------------------------------------------------------------------------------------------------


def _widened(x: Any) -> tuple[Any, str]:
    """x in a dtype to average in (at least 32 bits), and the dtype of the average."""
    dtype = floating(dtype_of(x))
    return cast(x, "float32" if dtype in ("float16", "bfloat16") else dtype), dtype


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x, dtype = _widened(convert_to_tensor(x))
    return cast((_mean if x.size else reduction.mean)(x, axes_of(axis, len(x.shape)), keepdims=keepdims), dtype)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x, dtype = _widened(convert_to_tensor(x))
    return cast((_variance if x.size else reduction.variance)(x, axes_of(axis, len(x.shape)), keepdims=keepdims), dtype)


# NumPy warns of the mean of nothing; the op gives NaN.
_mean, _variance = native(np.mean, reduction.mean), native(np.var, reduction.variance)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return sqrt(var(x, axis, keepdims))


def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        (x,) = promote(convert_to_tensor(x), also=(float,))
        return mean(x, axis)
    x, weights = promote(convert_to_tensor(x), convert_to_tensor(weights), also=(float,))
    if len(weights.shape) != len(x.shape):
        axes = axes_of(axis, len(x.shape))
        weights = shaping.reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))
    weights = shaping.broadcast_to(weights, x.shape)
    return sum(x * weights, axis) / sum(weights, axis)


# --- running reductions -----------------------------------------------------------------------------------------------


def cumulative(function: str, x: Any, axis: int | None, dtype: Any) -> Any:
    x = convert_to_tensor(x)
    x = cast(x, dtype or ("int32" if dtype_of(x) == "bool" else dtype_of(x)))
    if axis is None:
        x, axis = shaping.reshape(x, (product(x.shape),)), 0
    return apply(reduction.Cumulative(function, axes_of(axis, len(x.shape))[0], False), x)


def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    return cumulative("sum", x, axis, dtype)


def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    return cumulative("prod", x, axis, dtype)
