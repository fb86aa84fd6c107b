"""Max and average pooling with a window, and pooling to a given output size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.backend.config import standardize_data_format

from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating, run
from simplecell.keras_backend.nn.data_format import from_channels_last, to_channels_last
from simplecell.keras_backend.numpy.linear import product
from simplecell.keras_backend.numpy.reductions import reduce
from simplecell.ops import shaping
from simplecell.ops.base import apply
from simplecell.ops.geometry import per_axis, resolve_padding
from simplecell.ops.pooling import AveragePool, MaxPool


def _pool(op: Any, inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None) -> Any:
    data_format = standardize_data_format(data_format)
    src = to_channels_last(convert_to_tensor(inputs), data_format)
    rank = len(src.shape) - 2
    size = per_axis(pool_size, rank, "pool_size")
    strides = size if strides is None else per_axis(strides, rank, "strides")
    pairs = resolve_padding(padding.lower(), src.shape[1:-1], size, strides)
    return from_channels_last(run(op(size, strides, pairs), src), data_format)


def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    return _pool(MaxPool, inputs, pool_size, strides, padding, data_format)


def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    inputs = convert_to_tensor(inputs)
    return _pool(AveragePool, cast(inputs, floating(dtype_of(inputs))), pool_size, strides, padding, data_format)


# --- to a given output size: windows of unequal lengths, one axis after the other -------------------------------------


def _windows(size: int, output_size: int) -> list[tuple[int, int]]:
    """Output i looks at [⌊i·size/output⌋, ⌈(i + 1)·size/output⌉): together the windows cover the axis."""
    return [(i * size // output_size, -(-(i + 1) * size // output_size)) for i in range(output_size)]


def _average_axis(x: Any, axis: int, output_size: int) -> Any:
    """A matrix product: each row of the matrix averages one window."""
    weights = np.zeros((x.shape[axis], output_size))
    for i, (start, stop) in enumerate(_windows(x.shape[axis], output_size)):
        weights[start:stop, i] = 1 / (stop - start)
    order = tuple(a for a in range(len(x.shape)) if a != axis) + (axis,)
    moved = product(shaping.transpose(x, order), constant(weights, x))
    return shaping.transpose(moved, tuple(order.index(a) for a in range(len(order))))


def _max_axis(x: Any, axis: int, output_size: int) -> Any:
    """The windows side by side, short ones filled up with their last element, and the largest of each."""
    windows = _windows(x.shape[axis], output_size)
    longest = max(stop - start for start, stop in windows)
    indices = np.array([[min(start + i, stop - 1) for i in range(longest)] for start, stop in windows], "int32")
    return reduce("max", apply(shaping.Gather(axis), x, indices), axis + 1, False)


def _adaptive(one_axis: Callable[..., Any], op: Any, inputs: Any, output_size: Any, data_format: str | None) -> Any:
    data_format = standardize_data_format(data_format)
    x = to_channels_last(convert_to_tensor(inputs), data_format)
    rank = len(x.shape) - 2
    if rank not in (1, 2, 3):
        raise ValueError(
            f"Adaptive pooling needs a batch of 1-D, 2-D or 3-D inputs. Received: inputs of rank {len(x.shape)}"
        )
    wanted = (output_size,) * rank if isinstance(output_size, int) else tuple(output_size)
    if len(wanted) != rank:
        raise ValueError(f"`output_size` must be an integer or {rank} of them. Received: output_size={output_size}")
    wanted = tuple(n if w is None else int(w) for n, w in zip(x.shape[1:-1], wanted))
    if all(w and n % w == 0 for n, w in zip(x.shape[1:-1], wanted)):
        size = tuple(n // w for n, w in zip(x.shape[1:-1], wanted))
        x = run(op(size, size, ((0, 0),) * rank), x)
    else:
        for axis, w in enumerate(wanted, 1):
            x = one_axis(x, axis, w)
    return from_channels_last(x, data_format)


def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    inputs = convert_to_tensor(inputs)
    return _adaptive(_average_axis, AveragePool, cast(inputs, floating(dtype_of(inputs))), output_size, data_format)


def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    return _adaptive(_max_axis, MaxPool, inputs, output_size, data_format)
