"""Reductions that pass over NaNs: a NaN is replaced by what changes nothing, and counts for nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating
from simplecell.keras_backend.numpy.reductions import all, argmax, argmin, cumprod, cumsum, max, min, prod, sum


def _replaced(x: Any, value: float) -> Any:
    return ops.select(ops.isnan(x), constant(value, x), x) if _may_have_nan(x) else x


def _may_have_nan(x: Any) -> bool:
    return "float" in dtype_of(x) or "complex" in dtype_of(x)


def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return sum(_replaced(convert_to_tensor(x), 0), axis, keepdims)


def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return prod(_replaced(convert_to_tensor(x), 1), axis, keepdims)


def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    return cumsum(_replaced(convert_to_tensor(x), 0), axis, dtype)


def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    return cumprod(_replaced(convert_to_tensor(x), 1), axis, dtype)


def _nan_where_all_are(x: Any, result: Any, axis: Any, keepdims: bool) -> Any:
    return ops.select(all(ops.isnan(x), axis, keepdims), constant(np.nan, result), result)


def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = convert_to_tensor(x)
    if not _may_have_nan(x):
        return max(x, axis, keepdims)
    return _nan_where_all_are(x, max(_replaced(x, -np.inf), axis, keepdims), axis, keepdims)


def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = convert_to_tensor(x)
    if not _may_have_nan(x):
        return min(x, axis, keepdims)
    return _nan_where_all_are(x, min(_replaced(x, np.inf), axis, keepdims), axis, keepdims)


def _nan_arg(reduce: Any, worst: float, x: Any, axis: int | None, keepdims: bool) -> Any:
    x = convert_to_tensor(x)
    if not _may_have_nan(x):
        return reduce(x, axis, keepdims)
    index = reduce(_replaced(x, worst), axis, keepdims)
    return ops.select(all(ops.isnan(x), axis, keepdims), constant(-1, index), index)


def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    return _nan_arg(argmax, -np.inf, x, axis, keepdims)


def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    return _nan_arg(argmin, np.inf, x, axis, keepdims)


def _mean(x: Any, counted: Any, axis: Any, keepdims: bool) -> Any:
    """The mean over what is counted (1) and not (0); NaN where nothing is."""
    count = sum(counted, axis, keepdims)
    none = ops.equal(count, constant(0, count))
    quotient = sum(x, axis, keepdims) / ops.select(none, constant(1, count), count)
    return ops.select(none, constant(np.nan, quotient), quotient)


def _widened(x: Any) -> tuple[Any, Any, str]:
    dtype = floating(dtype_of(x))
    x = cast(x, "float32" if dtype in ("float16", "bfloat16") else dtype)
    return x, cast(ops.logical_not(ops.isnan(x)), dtype_of(x)), dtype


def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x, counted, dtype = _widened(convert_to_tensor(x))
    return cast(_mean(_replaced(x, 0), counted, axis, keepdims), dtype)


def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x, counted, dtype = _widened(convert_to_tensor(x))
    centred = _replaced(x, 0) - _mean(_replaced(x, 0), counted, axis, True)
    squares = ops.select(ops.isnan(x), constant(0, x), ops.square(centred))
    return cast(_mean(squares, counted, axis, keepdims), dtype)


def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return ops.sqrt(nanvar(x, axis, keepdims))
