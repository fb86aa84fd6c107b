"""Values by position or by condition: take, where, select, diagonals and triangles."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from keras.src.backend.common import dtypes

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import callout, cast, constant, dtype_of, known, no_gradient, promote, symbolic
from simplecell.keras_backend.numpy import reductions
from simplecell.keras_backend.numpy.shaping import expand_dims, moveaxis, pad, ravel
from simplecell.ops import shaping
from simplecell.ops.base import apply
from simplecell.ops.reduction import Reduce

# --- by position ------------------------------------------------------------------------------------------------------


def _from_the_start(indices: Any, length: int) -> Any:
    """Negative indices count from the end."""
    if not symbolic(indices):
        return np.where(indices < 0, indices + length, indices).astype(indices.dtype)
    return ops.select(ops.less(indices, constant(0, indices)), indices + constant(length, indices), indices)


def _indices(indices: Any) -> Any:
    indices = convert_to_tensor(indices)
    return indices if "int" in dtype_of(indices) else cast(indices, "int32")


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    x, indices = convert_to_tensor(x), _indices(indices)
    if axis is None:
        x, axis = ravel(x), 0
    if not symbolic(x, indices):
        return np.take(x, indices, axis)
    axis %= len(x.shape)
    if dtype_of(indices).startswith("uint"):
        return apply(shaping.Gather(axis), x, indices)
    return apply(shaping.Gather(axis), x, _from_the_start(indices, x.shape[axis]))


def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    x, indices = convert_to_tensor(x), _indices(indices)
    if axis is None:
        return take_along_axis(ravel(x), ravel(indices), 0)
    if not symbolic(x, indices):
        return np.take_along_axis(x, indices.astype("int64"), axis)
    ndim = len(x.shape)
    axis %= ndim
    shape = np.broadcast_shapes(*(tuple(n if i != axis else 1 for i, n in enumerate(a.shape)) for a in (x, indices)))
    x = shaping.broadcast_to(x, (*shape[:axis], x.shape[axis], *shape[axis + 1 :]))
    indices = shaping.broadcast_to(indices, (*shape[:axis], indices.shape[axis], *shape[axis + 1 :]))
    flat = flat_positions(x.shape, indices.shape, axis)
    position = cast(_from_the_start(indices, x.shape[axis]), "int32")
    position = ops.add(ops.multiply(position, np.asarray(prod(x.shape[axis + 1 :]), "int32")), flat)
    return apply(shaping.Gather(0), ravel(x), position)


def flat_positions(shape: Sequence[int], wanted: Sequence[int], axis: int) -> np.ndarray:
    """For each entry of `wanted`, where its line along `axis` starts in the flattened array of `shape`."""
    strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
    grid = np.zeros(wanted, "int32")
    for i, (n, stride) in enumerate(zip(wanted, strides)):
        if i != axis:
            grid += (np.arange(n, dtype="int32") * stride).reshape([n if j == i else 1 for j in range(len(wanted))])
    return grid


def unravel_index(indices: Any, shape: Any) -> Any:
    indices = convert_to_tensor(indices)
    dtype = dtype_of(indices) if "int" in dtype_of(indices) else "int32"
    if not symbolic(indices):
        return tuple(np.asarray(i, dtype) for i in np.unravel_index(indices, shape))
    rest = cast(_from_the_start(indices, prod(shape)), dtype)
    coordinates = []
    for n in reversed(shape):
        coordinates.append(ops.remainder(rest, constant(n, rest)))
        rest = ops.floor_divide(rest, constant(n, rest))
    return tuple(reversed(coordinates))


def nonzero(x: Any) -> Any:
    return tuple(i.astype("int32") for i in np.nonzero(known("nonzero", convert_to_tensor(x))))


# --- by condition -----------------------------------------------------------------------------------------------------


def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    condition = cast(convert_to_tensor(condition), "bool")
    if x1 is None or x2 is None:
        return nonzero(condition)
    return ops.select(condition, *promote(x1, x2))


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    choices = promote(*choicelist, default)
    result = choices[-1]
    for condition, choice in zip(reversed(list(condlist)), reversed(choices[:-1])):
        result = ops.select(cast(convert_to_tensor(condition), "bool"), choice, result)
    return result


def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    x = convert_to_tensor(x)
    dtype = dtypes.result_type(
        dtype_of(x),
        *(getattr(b, "dtype", type(b)) for b in (x_min, x_max) if b is not None and not isinstance(b, (list, tuple))),
    )
    if dtype == "bool":
        dtype = "int32"
    x = cast(x, dtype)
    if x_min is not None:
        x = ops.maximum(x, convert_to_tensor(x_min, dtype))
    if x_max is not None:
        x = ops.minimum(x, convert_to_tensor(x_max, dtype))
    return x


# --- diagonals and triangles ------------------------------------------------------------------------------------------


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    x = convert_to_tensor(x)
    if not symbolic(x):
        return np.diagonal(x, offset, axis1, axis2)
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    *batch, rows, columns = x.shape
    length = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    first = offset if offset >= 0 else -offset * columns
    positions = first + np.arange(length, dtype="int32") * (columns + 1)
    return apply(shaping.Gather(len(batch)), shaping.reshape(x, (*batch, rows * columns)), positions)


def diag(x: Any, k: int = 0) -> Any:
    x = convert_to_tensor(x)
    if not symbolic(x):
        return np.diag(x, k)
    if len(x.shape) == 2:
        return diagonal(x, k)
    if len(x.shape) != 1:
        raise ValueError(f"Input must be 1- or 2-d. Received: x of shape {tuple(x.shape)}")
    n = x.shape[0]
    square = ops.multiply(expand_dims(x, 1), np.eye(n, dtype=x.dtype))
    return pad(square, ((max(-k, 0), max(k, 0)), (max(k, 0), max(-k, 0))))


def diagflat(x: Any, k: int = 0) -> Any:
    return diag(ravel(x), k)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return reductions.sum(diagonal(x, offset, axis1, axis2), -1)


def _triangle(x: Any, keep: np.ndarray) -> Any:
    return ops.select(np.broadcast_to(keep, x.shape), x, constant(np.zeros(x.shape), x))


def tril(x: Any, k: int = 0) -> Any:
    x = convert_to_tensor(x)
    return _triangle(x, np.tri(*x.shape[-2:], k=k, dtype=bool))


def triu(x: Any, k: int = 0) -> Any:
    x = convert_to_tensor(x)
    return _triangle(x, ~np.tri(*x.shape[-2:], k=k - 1, dtype=bool))


# --- places in sorted sequences ---------------------------------------------------------------------------------------


# Up to so many entries, a place in a sorted sequence is counted, which compiles; a search is left to NumPy.
_COUNTED = 256


def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    sequence, values = convert_to_tensor(sorted_sequence), convert_to_tensor(values)
    if len(sequence.shape) != 1:
        raise ValueError(
            "`searchsorted` only supports 1-D sorted sequences. Received: sorted_sequence of shape "
            f"{tuple(sequence.shape)}"
        )
    if side not in ("left", "right"):
        raise ValueError(f"`side` must be 'left' or 'right'. Received: side={side}")
    dtype = "int32" if sequence.shape[0] <= np.iinfo("int32").max else "int64"
    if symbolic(sequence, values) and sequence.shape[0] <= _COUNTED:
        a, v = promote(sequence, values)
        before = (ops.less if side == "left" else ops.less_equal)(a, expand_dims(v, -1))
        return apply(Reduce("sum", (len(values.shape),), False), cast(before, "int32"))
    return callout(
        lambda s, v: np.asarray(np.searchsorted(s, v, side=side), dtype),
        sequence,
        values,
        label="searchsorted",
        gradient=no_gradient,
    )


def digitize(x: Any, bins: Any) -> Any:
    x, bins = convert_to_tensor(x), convert_to_tensor(bins)
    if not symbolic(bins) and symbolic(x) and (bins[1:] >= bins[:-1]).all():
        return searchsorted(bins, x, side="right")
    return callout(lambda a, b: np.asarray(np.digitize(a, b), "int32"), x, bins, label="digitize", gradient=no_gradient)


def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    x1, x2 = promote(convert_to_tensor(x1), convert_to_tensor(x2))
    if symbolic(x1, x2) and prod(x2.shape) <= _COUNTED:
        found = apply(Reduce("any", (len(x1.shape),), False), ops.equal(expand_dims(x1, -1), ravel(x2)))
        return ops.logical_not(found) if invert else found
    return callout(
        lambda a, b: np.isin(a, b, assume_unique=assume_unique, invert=invert),
        x1,
        x2,
        label="isin",
        gradient=no_gradient,
    )
