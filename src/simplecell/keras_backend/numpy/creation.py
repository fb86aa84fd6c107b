"""New arrays: filled, ranges, grids, windows, copies in another dtype. All but `linspace`'s ends and fills are
constants."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
from keras.src.backend import config
from keras.src.backend.common import dtypes
from keras.src.backend.common.variables import standardize_dtype

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import callout, cast, constant, dtype_of, known, no_gradient, promote, symbolic
from simplecell.ops import shaping
from simplecell.ops.dtypes import to_dtype


def _shape(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)


def _dtype(dtype: Any) -> Any:
    return to_dtype(standardize_dtype(dtype) if dtype is not None else config.floatx())


# --- filled -----------------------------------------------------------------------------------------------------------


def zeros(shape: Any, dtype: Any = None) -> Any:
    return np.zeros(_shape(shape), _dtype(dtype))


def ones(shape: Any, dtype: Any = None) -> Any:
    return np.ones(_shape(shape), _dtype(dtype))


def empty(shape: Any, dtype: Any = None) -> Any:
    return np.empty(_shape(shape), _dtype(dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    fill_value = convert_to_tensor(fill_value, config.floatx() if dtype is None else standardize_dtype(dtype))
    if symbolic(fill_value):
        return shaping.broadcast_to(fill_value, _shape(shape))
    return np.full(_shape(shape), fill_value, fill_value.dtype)


def _like(x: Any, dtype: Any) -> tuple[tuple[int, ...], Any]:
    x = convert_to_tensor(x)
    return tuple(x.shape), dtype or x.dtype


def zeros_like(x: Any, dtype: Any = None) -> Any:
    return zeros(*_like(x, dtype))


def ones_like(x: Any, dtype: Any = None) -> Any:
    return ones(*_like(x, dtype))


def empty_like(x: Any, dtype: Any = None) -> Any:
    return empty(*_like(x, dtype))


def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    shape, dtype = _like(x, dtype)
    return full(shape, fill_value, dtype)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    return np.eye(N, N if M is None else M, k=k, dtype=_dtype(dtype))


def identity(n: int, dtype: Any = None) -> Any:
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    return np.tri(N, N if M is None else M, k=k).astype(_dtype(dtype))


# --- from what is there -----------------------------------------------------------------------------------------------


def array(x: Any, dtype: Any = None) -> Any:
    return convert_to_tensor(x, dtype=dtype)


def view(x: Any, dtype: Any = None) -> Any:
    x = convert_to_tensor(x)
    dtype = _dtype(dtype) if dtype is not None else x.dtype
    if symbolic(x) and dtype == x.dtype:
        return x
    return callout(lambda a: np.asarray(a, order="C").view(dtype), x, label="view", gradient=no_gradient)


# --- ranges -----------------------------------------------------------------------------------------------------------


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    start, stop, step = (known("arange", v) if symbolic(v) else v for v in (start, stop, step))
    if dtype is None:
        given = [getattr(v, "dtype", type(v)) for v in (start, 1 if step is None else step, stop) if v is not None]
        dtype = dtypes.result_type(*given)
    bounds = (0, start) if stop is None else (start, stop)
    wide = "float32" if "float" in standardize_dtype(dtype) and _dtype(dtype).itemsize < 4 else _dtype(dtype)
    return np.arange(*bounds, 1 if step is None else step, dtype=wide).astype(_dtype(dtype))


def _spaced(start: Any, stop: Any, dtype: Any) -> tuple[Any, Any, str]:
    """Both ends in the dtype to compute in, and the dtype of the result."""
    if dtype is None:
        ends = [getattr(v, "dtype", type(v)) for v in (start, stop)]
        dtype = dtypes.result_type(
            *(np.asarray(v).dtype.name if isinstance(v, (list, tuple)) else d for v, d in zip((start, stop), ends)),
            float,
        )
    dtype = standardize_dtype(dtype)
    compute = dtype if dtype in ("float32", "float64") else "float32"
    if dtype == "int64" or not symbolic(start, stop):
        compute = "float64"
    return convert_to_tensor(start, compute), convert_to_tensor(stop, compute), dtype


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop, dtype = _spaced(start, stop, dtype)
    intervals = num - 1 if endpoint else num
    if not symbolic(start, stop):
        values, step = np.linspace(start, stop, num, endpoint=endpoint, retstep=True, axis=axis)
        if "int" in dtype:
            values = np.floor(values)
        values = values.astype(to_dtype(dtype))
        return (values, np.asarray(step, to_dtype(dtype))) if retstep else values
    start, stop = promote(start, stop)
    step = (stop - start) / constant(builtins.max(intervals, 1), start)
    shape = np.broadcast_shapes(start.shape, stop.shape)
    weights = np.arange(num, dtype=start.dtype) / builtins.max(intervals, 1)
    weights = weights.reshape((num,) + (1,) * len(shape)).astype(start.dtype)
    values = ops.add(ops.multiply(start, 1 - weights), ops.multiply(stop, weights))
    if "int" in dtype:
        values = ops.floor(values)
    values = cast(values, dtype)
    if axis % (len(shape) + 1):
        order = list(range(1, len(shape) + 1))
        order.insert(axis % (len(shape) + 1), 0)
        values = shaping.transpose(values, tuple(order))
    return (values, cast(step, dtype)) if retstep else values


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop, dtype = _spaced(start, stop, dtype)
    exponents = linspace(start, stop, num, endpoint, dtype=start.dtype, axis=axis)
    return cast(ops.power(convert_to_tensor(base, dtype_of(exponents)), exponents), dtype)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    start, stop, dtype = _spaced(start, stop, dtype)
    if not symbolic(start, stop):
        return np.geomspace(start, stop, num, endpoint=endpoint, axis=axis).astype(to_dtype(dtype))
    exponents = linspace(
        ops.log(ops.absolute(start)), ops.log(ops.absolute(stop)), num, endpoint, dtype=start.dtype, axis=axis
    )
    sign = ops.sign(start) if len(start.shape) == 0 else shaping.expand_dims(ops.sign(start), axis)
    return cast(sign * ops.exp(exponents), dtype)


def meshgrid(*x: Any, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing must be 'xy' or 'ij'. Received: indexing={indexing}")
    arrays = [convert_to_tensor(a) for a in x]
    if not symbolic(*arrays):
        return [np.asarray(a) for a in np.meshgrid(*arrays, indexing=indexing)]
    lengths = [int(np.prod(a.shape)) for a in arrays]
    positions = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        positions[:2] = [1, 0]
    shape = [0] * len(arrays)
    for position, length in zip(positions, lengths):
        shape[position] = length
    grids = []
    for a, position, length in zip(arrays, positions, lengths):
        column = shaping.reshape(a, tuple(length if i == position else 1 for i in range(len(arrays))))
        grids.append(shaping.broadcast_to(column, tuple(shape)))
    return grids


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = convert_to_tensor(x)
    if len(x.shape) != 1:
        raise ValueError(f"`vander` needs a one-dimensional x. Received: x of shape {tuple(x.shape)}")
    powers = [constant(np.ones(x.shape), x)]
    for _ in range(1, x.shape[0] if N is None else N):
        powers.append(ops.multiply(powers[-1], x))
    powers = powers[: x.shape[0] if N is None else N]
    if not powers:
        return np.zeros((x.shape[0], 0), x.dtype)
    return shaping.stack(powers if increasing else powers[::-1], 1)


# --- windows: the argument is the length ------------------------------------------------------------------------------


def _window(function: Any, x: Any, *parameters: Any) -> Any:
    return np.asarray(function(int(np.asarray(convert_to_tensor(x))), *parameters), dtype=config.floatx())


def bartlett(x: Any) -> Any:
    return _window(np.bartlett, x)


def blackman(x: Any) -> Any:
    return _window(np.blackman, x)


def hamming(x: Any) -> Any:
    return _window(np.hamming, x)


def hanning(x: Any) -> Any:
    return _window(np.hanning, x)


def kaiser(x: Any, beta: Any) -> Any:
    return _window(np.kaiser, x, np.asarray(convert_to_tensor(beta)))
