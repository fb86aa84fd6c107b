"""What needs values in order: sorts, quantiles, distinct values, counts."""

from __future__ import annotations

import builtins
from math import prod
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import (
    callout,
    cast,
    common_dtype,
    constant,
    convert_operand,
    dtype_of,
    floating,
    known,
    no_gradient,
    symbolic,
)
from simplecell.keras_backend.numpy.indexing import take_along_axis
from simplecell.keras_backend.numpy.reductions import axes_of, reduce
from simplecell.keras_backend.numpy.shaping import along, expand_dims, ravel
from simplecell.ops import shaping
from simplecell.ops.dtypes import to_dtype

# --- sorts: the order is found by NumPy, the values are gathered, so that gradients find their way back ---------------


def argsort(x: Any, axis: int | None = -1) -> Any:
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = ravel(x), 0
    if len(x.shape) == 0:
        return np.zeros((), "int32")
    return callout(
        lambda a: np.argsort(a, axis, kind="stable").astype("int32"), x, label="argsort", gradient=no_gradient
    )


def sort(x: Any, axis: int | None = -1) -> Any:
    x = convert_to_tensor(x)
    if not symbolic(x):
        return np.sort(x, axis)
    if axis is None:
        x, axis = ravel(x), 0
    return take_along_axis(x, argsort(x, axis), axis)


def argpartition(x: Any, kth: int, axis: int = -1) -> Any:
    x = convert_to_tensor(x)
    return callout(
        lambda a: np.argpartition(a, kth, axis).astype("int32"), x, label="argpartition", gradient=no_gradient
    )


# --- quantiles --------------------------------------------------------------------------------------------------------


def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    return _quantile(x, q, axis, method, keepdims, skip_nan=False)


def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    return _quantile(x, q, axis, method, keepdims, skip_nan=True)


def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    return _quantile(x, _share(q), axis, method, keepdims, skip_nan=False)


def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    return _quantile(x, _share(q), axis, method, keepdims, skip_nan=True)


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _quantile(x, 0.5, axis, "linear", keepdims, skip_nan=False)


def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _quantile(x, 0.5, axis, "linear", keepdims, skip_nan=True)


def _share(percent: Any) -> Any:
    percent = convert_operand(percent)
    return percent / 100.0 if isinstance(percent, (int, float)) else cast(percent, floating(dtype_of(percent))) / 100.0


_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(x: Any, q: Any, axis: Any, method: str, keepdims: bool, skip_nan: bool) -> Any:
    """The value below which a share q lies: sort each line, then look q·(n − 1) of the way along it."""
    if method not in _METHODS:
        raise ValueError(f"`method` must be one of {_METHODS}. Received: method={method}")
    x = convert_to_tensor(x)
    dtype = floating(dtype_of(x))
    x = cast(x, dtype)
    q = convert_to_tensor(q, dtype if dtype in ("float32", "float64") else "float32")
    axes = axes_of(axis, len(x.shape))
    kept = [i for i in range(len(x.shape)) if i not in axes]
    lead, length = tuple(x.shape[i] for i in kept), prod(x.shape[i] for i in axes)
    lines = shaping.reshape(shaping.transpose(x, (*kept, *axes)), (*lead, length))
    lines = cast(sort(lines, -1), dtype_of(q))  # NaNs come last
    q_shape = tuple(q.shape)
    q = shaping.reshape(q, (prod(q_shape),))
    if skip_nan:
        valid = ops.logical_not(ops.isnan(lines))
        last = cast(reduce("sum", cast(valid, "int32"), -1, True), dtype_of(q)) - constant(1, q)
    else:
        last = constant(np.full((1,) * (len(lead) + 1), length - 1), q)
    last = ops.maximum(last, constant(0, q))
    position = ops.multiply(last, q)  # (*lead, number of q)
    if method == "nearest":
        low = high = ops.round(position)
    else:
        low, high = ops.floor(position), ops.ceil(position)
    low, high = (high if method == "higher" else low), (low if method == "lower" else high)
    below = _at(lines, low)
    if method in ("linear", "midpoint"):
        weight = position - low if method == "linear" else ops.multiply(cast(ops.less(low, high), dtype_of(q)), 0.5)
        above = _at(lines, high)
        below = ops.select(
            ops.equal(below, above), below, below + (above - below) * weight
        )  # infinities have no difference
    if not skip_nan:
        below = ops.select(ops.isnan(along(lines, -1, length - 1, length)), constant(np.nan, below), below)
    result = shaping.transpose(cast(below, dtype), (len(lead), *range(len(lead))))
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape)) if keepdims else lead
    return shaping.reshape(result, (*q_shape, *shape))


def _at(lines: Any, position: Any) -> Any:
    index = shaping.broadcast_to(cast(position, "int32"), (*lines.shape[:-1], position.shape[-1]))
    return take_along_axis(lines, index, -1)


# --- distinct values and counts ---------------------------------------------------------------------------------------


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    x = convert_to_tensor(x)
    if size is None:
        x = known("unique", x)
    flags = (return_index, return_inverse, return_counts)

    def distinct(a: np.ndarray) -> Any:
        values, *extras = np.unique(a, True, True, True, axis=axis, equal_nan=False)
        where = axis or 0
        extras[1] = extras[1].reshape(a.shape if axis is None else -1)
        if size is not None:
            missing = size - values.shape[where]
            if missing < 0:
                values = np.take(values, np.arange(size), where)
                extras[0], extras[2] = extras[0][:size], extras[2][:size]
                extras[1] = np.minimum(extras[1], size - 1)
            elif missing:
                fill = (
                    np.take(values, [0], where)
                    if fill_value is None
                    else np.full_like(np.take(values, [0], where), fill_value)
                )
                values = np.concatenate([values, np.repeat(fill, missing, where)], where)
                extras[0] = np.concatenate([extras[0], np.full(missing, extras[0][0])])
                extras[2] = np.concatenate([extras[2], np.zeros(missing, extras[2].dtype)])
        chosen = [e.astype("int32") for e, wanted in zip(extras, flags) if wanted]
        return (values, *chosen) if chosen else values

    return callout(distinct, x, label="unique", gradient=no_gradient)


def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    if sparse:
        raise ValueError("Unsupported value `sparse=True` with the simplecell backend. Received: sparse=True")
    x = convert_to_tensor(x)
    if symbolic(x) and minlength:
        length = int(minlength)
    else:
        values = known("bincount (without `minlength`)", x)
        length = builtins.max(int(values.max()) + 1 if values.size else 0, int(minlength or 0))
    dtype = "int32"
    if weights is not None:
        weights = convert_to_tensor(weights)
        dtype = common_dtype(x, weights)
        weights = cast(weights, dtype)
    if not symbolic(x, weights):
        return _counted_by_rows(x, weights, length).astype(to_dtype(dtype))
    hit = cast(ops.equal(expand_dims(cast(x, "int32"), -1), np.arange(length, dtype="int32")), dtype)
    return reduce("sum", hit if weights is None else ops.multiply(hit, expand_dims(weights, -1)), -2, False)


def _counted_by_rows(x: np.ndarray, weights: np.ndarray | None, length: int) -> np.ndarray:
    """One `np.bincount` for all rows: each has numbers of its own. What lies outside of 0 … length − 1 counts
    nowhere."""
    rows = x.reshape(-1, x.shape[-1]).astype("int64")
    numbers = rows + length * np.arange(len(rows))[:, None]
    inside = (rows >= 0) & (rows < length)
    shares = (
        None if weights is None else np.broadcast_to(weights, x.shape).reshape(rows.shape)[inside].astype("float64")
    )
    return np.bincount(numbers[inside], shares, len(rows) * length).reshape(*x.shape[:-1], length)


def histogram(x: Any, bins: Any = 10, range: Any = None) -> Any:
    x = convert_to_tensor(x)
    if isinstance(bins, (bool, np.bool_)) or not isinstance(bins, (int, np.integer)) or bins < 0:
        raise ValueError(f"Argument `bins` must be a non-negative integer. Received: bins={bins}")
    x = cast(x, floating(dtype_of(x)))
    dtype = x.dtype
    return callout(
        lambda a: tuple(np.asarray(r, d) for r, d in zip(np.histogram(a, int(bins), range), (dtype, dtype))),
        x,
        label="histogram",
        gradient=no_gradient,
    )
