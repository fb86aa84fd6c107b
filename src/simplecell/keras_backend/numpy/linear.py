"""Products of vectors, matrices and tensors, differences and correlations. All come down to one matrix product."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, common_dtype, constant, dtype_of, floating, promote, run, symbolic
from simplecell.keras_backend.numpy.reductions import mean, sum
from simplecell.keras_backend.numpy.shaping import along, concatenate, expand_dims, moveaxis, ravel
from simplecell.ops import linear, shaping
from simplecell.ops.base import apply


def product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """(…, m, k)·(…, k, n) for operands of one dtype."""
    return run(linear.MatMul(transpose_a, transpose_b), a, b)


def matmul(x1: Any, x2: Any) -> Any:
    x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
    int8 = dtype_of(x1) == dtype_of(x2) == "int8"
    x1, x2 = promote(x1, x2, rule=lambda dtype: "int32" if int8 else dtype)
    if len(x1.shape) == 0 or len(x2.shape) == 0:
        raise ValueError(
            f"`matmul` needs operands of at least one dimension. Received: shapes {tuple(x1.shape)} and "
            f"{tuple(x2.shape)}"
        )
    a = shaping.reshape(x1, (1, *x1.shape)) if len(x1.shape) == 1 else x1
    b = shaping.reshape(x2, (*x2.shape, 1)) if len(x2.shape) == 1 else x2
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"`matmul` sums over the last axis of x1 and the last but one of x2, which must have one size. "
            f"Received: x1 of shape {tuple(x1.shape)}, x2 of shape {tuple(x2.shape)}"
        )
    result = product(a, b)
    if len(x1.shape) == 1 or len(x2.shape) == 1:
        shape = tuple(result.shape)
        shape = shape[:-1] if len(x2.shape) == 1 else shape
        cut = -1 if len(x2.shape) == 1 else -2
        if len(x1.shape) == 1:
            shape = shape[:cut] if cut == -1 else (*shape[:cut], shape[-1])
        result = shaping.reshape(result, shape)
    return result


def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    x1, x2 = promote(convert_to_tensor(x1), convert_to_tensor(x2))
    n1, n2 = len(x1.shape), len(x2.shape)
    if isinstance(axes, (int, np.integer)):
        axes1, axes2 = list(range(n1 - int(axes), n1)), list(range(int(axes)))
    else:
        axes1, axes2 = ([a] if isinstance(a, (int, np.integer)) else list(a) for a in axes)
    axes1, axes2 = [a % n1 for a in axes1], [a % n2 for a in axes2]
    if [x1.shape[a] for a in axes1] != [x2.shape[a] for a in axes2]:
        raise ValueError(
            f"The axes to sum over must have equal sizes. Received: axes={axes}, x1 of shape {tuple(x1.shape)}, x2 of "
            f"shape {tuple(x2.shape)}"
        )
    free1, free2 = [a for a in range(n1) if a not in axes1], [a for a in range(n2) if a not in axes2]
    size = prod(x1.shape[a] for a in axes1)
    shape1, shape2 = tuple(x1.shape[a] for a in free1), tuple(x2.shape[a] for a in free2)
    left = shaping.reshape(shaping.transpose(x1, (*free1, *axes1)), (prod(shape1), size))
    right = shaping.reshape(shaping.transpose(x2, (*axes2, *free2)), (size, prod(shape2)))
    return shaping.reshape(product(left, right), shape1 + shape2)


def dot(x1: Any, x2: Any) -> Any:
    x1, x2 = promote(convert_to_tensor(x1), convert_to_tensor(x2))
    if len(x1.shape) == 0 or len(x2.shape) == 0:
        return ops.multiply(x1, x2)
    return tensordot(x1, x2, ((len(x1.shape) - 1,), (max(len(x2.shape) - 2, 0),)))


def vdot(x1: Any, x2: Any) -> Any:
    x1, x2 = promote(convert_to_tensor(x1), convert_to_tensor(x2))
    x1 = np.conjugate(x1) if not symbolic(x1) else x1
    return tensordot(ravel(x1), ravel(x2), 1)


def inner(x1: Any, x2: Any) -> Any:
    x1, x2 = promote(convert_to_tensor(x1), convert_to_tensor(x2))
    if len(x1.shape) == 0 or len(x2.shape) == 0:
        return ops.multiply(x1, x2)
    return tensordot(x1, x2, ((len(x1.shape) - 1,), (len(x2.shape) - 1,)))


def outer(x1: Any, x2: Any) -> Any:
    x1, x2 = promote(convert_to_tensor(x1), convert_to_tensor(x2))
    return ops.multiply(expand_dims(ravel(x1), 1), expand_dims(ravel(x2), 0))


def kron(x1: Any, x2: Any) -> Any:
    x1, x2 = promote(convert_to_tensor(x1), convert_to_tensor(x2))
    ndim = max(len(x1.shape), len(x2.shape))
    shape1 = (1,) * (ndim - len(x1.shape)) + tuple(x1.shape)
    shape2 = (1,) * (ndim - len(x2.shape)) + tuple(x2.shape)
    left = shaping.reshape(x1, tuple(n for s in shape1 for n in (s, 1)))
    right = shaping.reshape(x2, tuple(n for s in shape2 for n in (1, s)))
    return shaping.reshape(ops.multiply(left, right), tuple(a * b for a, b in zip(shape1, shape2)))


def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    x1, x2 = promote(convert_to_tensor(x1), convert_to_tensor(x2))
    x1, x2 = moveaxis(x1, axisa, -1), moveaxis(x2, axisb, -1)
    if x1.shape[-1] not in (2, 3) or x2.shape[-1] not in (2, 3):
        raise ValueError(
            f"`x1`'s dim on `axis={axisa}` and `x2`'s dim on `axis={axisb}` must be 2 or 3. Received: {x1.shape[-1]} "
            f"and {x2.shape[-1]}"
        )

    def components(x: Any) -> list[Any]:
        return [shaping.reshape(along(x, -1, i, i + 1), tuple(x.shape[:-1])) for i in range(x.shape[-1])]

    a, b = components(x1), components(x2)
    z = a[0] * b[1] - a[1] * b[0]
    if len(a) == len(b) == 2:
        return z
    a, b = (v if len(v) == 3 else [*v, constant(np.zeros(v[0].shape), v[0])] for v in (a, b))
    vector = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], z]
    return moveaxis(concatenate([expand_dims(c, -1) for c in vector], -1), -1, axisc)


# --- differences ------------------------------------------------------------------------------------------------------


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    a = convert_to_tensor(a)
    if n < 0:
        raise ValueError(f"Order `n` must be non-negative. Received: n={n}")
    for _ in range(n):
        high, low = along(a, axis, 1, None), along(a, axis, None, -1)
        a = ops.not_equal(high, low) if dtype_of(a) == "bool" else high - low
    return a


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = convert_to_tensor(y)
    x = None if x is None else convert_to_tensor(x)
    dtype = floating(common_dtype(*([y] if x is None else [y, x]), also=(float,)))
    y = cast(y, dtype)
    heights = along(y, axis, 1, None) + along(y, axis, None, -1)
    if x is None:
        widths = convert_to_tensor(dx, dtype)
        if len(widths.shape) == 1:
            widths = _as_axis(widths, y, axis)
    else:
        x = cast(x, dtype)
        widths = _as_axis(diff(x), y, axis) if len(x.shape) == 1 else diff(x, axis=axis)
    return sum(heights * widths, axis) * constant(0.5, y)


def _as_axis(x: Any, like: Any, axis: int) -> Any:
    return shaping.reshape(x, tuple(x.shape[0] if i == axis % len(like.shape) else 1 for i in range(len(like.shape))))


# --- correlations -----------------------------------------------------------------------------------------------------


def corrcoef(x: Any) -> Any:
    x = convert_to_tensor(x)
    x = cast(x, "float64" if dtype_of(x) == "int64" else floating(dtype_of(x)))
    if len(x.shape) == 0:
        return constant(np.nan, x)
    if len(x.shape) == 1:
        x = expand_dims(x, 0)
    centred = x - mean(x, axis=1, keepdims=True)
    covariance = product(centred, centred, transpose_b=True)
    scale = ops.sqrt(sum(ops.square(centred), axis=1))
    result = covariance / (expand_dims(scale, 1) * expand_dims(scale, 0))
    result = ops.minimum(ops.maximum(result, constant(-1, result)), constant(1, result))
    return shaping.reshape(result, ()) if x.shape[0] == 1 else result


def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
    if len(x1.shape) != 1 or len(x2.shape) != 1:
        raise ValueError(
            f"`correlate` needs 1-dimensional inputs. Received: shapes {tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"`mode` must be 'valid', 'same' or 'full'. Received: mode={mode}")
    x1, x2 = promote(x1, x2, rule=lambda dtype: "float64" if dtype == "int64" else floating(dtype))
    if not symbolic(x1, x2):
        return np.correlate(x1, x2, mode).astype(x1.dtype)
    n1, n2 = x1.shape[0], x2.shape[0]
    src, weights = shaping.reshape(x1, (1, n1, 1)), shaping.reshape(x2, (n2, 1, 1))
    full = apply(ops.Convolution((1,), ((n2 - 1, n2 - 1),), (1,), 1), src, weights)
    shorter, longer = min(n1, n2), max(n1, n2)
    full = shaping.reshape(full, (n1 + n2 - 1,))
    if mode == "full":
        return full
    if mode == "valid":
        return along(full, 0, shorter - 1, longer)
    start = n2 - 1 - n2 // 2 if n1 >= n2 else n1 // 2  # NumPy's rounding of the centre
    return along(full, 0, start, start + longer)
