"""Values of an array between and beyond its elements: the one sampler behind all geometric transforms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating
from simplecell.ops import shaping
from simplecell.ops.base import apply

MAP_COORDINATES_FILL_MODES = {"constant", "nearest", "wrap", "mirror", "reflect"}


def _inside(index: Any, size: int, fill_mode: str) -> Any:
    """`index` (integers in floats) folded into 0 … size − 1 as `fill_mode` continues the axis."""
    last = constant(size - 1, index)
    zero = constant(0, index)
    if fill_mode in ("constant", "nearest"):
        return ops.minimum(ops.maximum(index, zero), last)
    if fill_mode == "wrap":
        return ops.remainder(index, constant(size, index))
    if fill_mode == "mirror":  # c d c b | a b c d | c b a b
        folded = ops.remainder(index, constant(max(2 * (size - 1), 1), index))
        return ops.minimum(last - ops.absolute(folded - last), last) if size > 1 else folded
    folded = ops.remainder(index, constant(2 * size, index))  # d c b a | a b c d | d c b a
    return ops.minimum(folded, constant(2 * size - 1, index) - folded)


def _away_from_zero(x: Any) -> Any:
    """Rounded, halves away from zero."""
    return ops.sign(x) * ops.floor(ops.absolute(x) + constant(0.5, x))


def sample(
    rows: Any,
    sizes: Sequence[int],
    coordinates: Sequence[Any],
    order: int,
    fill_mode: str,
    fill_value: Any,
    start: Any = None,
) -> Any:
    """`rows` (number of points, c) holds an array of extents `sizes`, flattened; coordinates have one shape S. Gives
    (*S, c).

    `start` (broadcasts to S) is the row at which each point's array starts, where several are stacked.
    """
    neighbours = []  # per axis: (index, weight) of the one or two elements that each coordinate lies between
    for x in coordinates:
        if order == 0:
            neighbours.append([(_away_from_zero(x), None)])
        else:
            low = ops.floor(x)
            upper = x - low
            neighbours.append([(low, constant(1, x) - upper), (low + constant(1, x), upper)])
    total = None
    for corner in product(*neighbours):
        position: Any = None
        weight: Any = None
        valid: Any = None
        for (index, w), size in zip(corner, sizes):
            folded = cast(_inside(index, size, fill_mode), "int32")
            position = (
                folded if position is None else ops.add(ops.multiply(position, np.asarray(size, "int32")), folded)
            )
            if w is not None:
                weight = w if weight is None else weight * w
            if fill_mode == "constant":
                ok = ops.logical_and(
                    ops.greater_equal(index, constant(0, index)), ops.less_equal(index, constant(size - 1, index))
                )
                valid = ok if valid is None else ops.logical_and(valid, ok)
        if start is not None:
            position = ops.add(position, start)
        values = apply(shaping.Gather(0), rows, position)
        if valid is not None:
            values = ops.select(shaping.reshape(valid, (*valid.shape, 1)), values, fill_value)
        if weight is not None:
            values = ops.multiply(values, shaping.reshape(cast(weight, dtype_of(values)), (*weight.shape, 1)))
        total = values if total is None else total + values
    return total


def check_fill_mode(fill_mode: str, allowed: set[str]) -> None:
    if fill_mode not in allowed:
        raise ValueError(
            f"Invalid value for argument `fill_mode`. Expected one of {allowed}. Received: fill_mode={fill_mode}"
        )


def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0.0
) -> Any:
    inputs, coordinates = convert_to_tensor(inputs), convert_to_tensor(coordinates)
    if coordinates.shape[0] != len(inputs.shape):
        raise ValueError(
            "First dim of `coordinates` must be the same as the rank of `inputs`. "
            f"Received inputs with shape: {tuple(inputs.shape)} and coordinate leading dim of {coordinates.shape[0]}"
        )
    if len(coordinates.shape) < 2:
        raise ValueError(
            f"Invalid coordinates rank: expected at least rank 2. Received input with shape: {tuple(coordinates.shape)}"
        )
    check_fill_mode(fill_mode, MAP_COORDINATES_FILL_MODES)
    if order not in (0, 1):
        raise ValueError(f"Invalid value for argument `order`. Expected one of [0, 1]. Received: order={order}")
    dtype = dtype_of(inputs)
    coordinates = cast(coordinates, floating(dtype_of(coordinates)))
    rows = shaping.reshape(inputs, (prod(inputs.shape), 1))
    if order == 1:
        rows = cast(rows, floating(dtype))
    shape = tuple(coordinates.shape[1:])
    points = [shaping.reshape(shaping.take_slice(coordinates, 0, i, i + 1), shape) for i in range(len(inputs.shape))]
    values = shaping.reshape(sample(rows, inputs.shape, points, order, fill_mode, constant(fill_value, rows)), shape)
    if "int" in dtype and order == 1:
        values = _away_from_zero(values)
    return cast(values, dtype)
