"""Norms of vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.dispatch import constant, dtype_of
from simplecell.keras_backend.linalg.singular import singular_values
from simplecell.keras_backend.linalg.support import matrix
from simplecell.keras_backend.numpy.reductions import axes_of, max, min, sum
from simplecell.keras_backend.numpy.shaping import expand_dims, moveaxis, ravel
from simplecell.ops import shaping


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = matrix(x)
    ndim = len(x.shape)
    if axis is None:
        if ord is None:  # all values as one vector
            value = ops.sqrt(sum(ops.square(ravel(x))))
            return shaping.reshape(value, (1,) * ndim) if keepdims else value
        axis = tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    axes_of(given, ndim)  # raises where one is out of bounds
    axes = tuple(a % ndim for a in given)
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError(
            f"Invalid axis. A norm is over one axis (vectors) or two (matrices). Received: axis={axis}, "
            f"x.shape={tuple(x.shape)}"
        )
    return _matrix_norm(x, ord, axes, keepdims)


def _vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"Invalid `ord` argument for vector norm. Received: ord={ord}")
    size = ops.absolute(x)
    if ord == np.inf:
        return max(size, axis, keepdims)
    if ord == -np.inf:
        return min(size, axis, keepdims)
    if ord == 0:
        return sum(ops.cast(ops.not_equal(x, constant(0, x)), dtype_of(size)), axis, keepdims)
    if ord == 1:
        return sum(size, axis, keepdims)
    if ord == 2:
        return ops.sqrt(sum(ops.square(size), axis, keepdims))
    return ops.power(sum(ops.power(size, constant(ord, size)), axis, keepdims), constant(1 / ord, size))


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, int], keepdims: bool) -> Any:
    row, column = axes
    if ord in (None, "fro"):
        return ops.sqrt(sum(ops.square(ops.absolute(x)), axes, keepdims))
    if ord in (1, -1, np.inf, -np.inf):  # the largest (smallest) sum of a column, or of a row
        within, over = (row, column) if abs(ord) == 1 else (column, row)
        sums = sum(ops.absolute(x), within, True)
        value = (max if ord > 0 else min)(sums, over, True)
    elif ord in (2, -2, "nuc"):
        s = singular_values(moveaxis(x, axes, (-2, -1)))
        value = {2: max, -2: min, "nuc": sum}[ord](s, -1)
        value = expand_dims(value, tuple(sorted(axes)))
    else:
        raise ValueError(f"Invalid `ord` argument for matrix norm. Received: ord={ord}")
    if keepdims:
        return value
    return shaping.reshape(value, tuple(n for i, n in enumerate(value.shape) if i not in axes))
