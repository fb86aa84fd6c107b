"""Geometric transforms of pictures: affine, perspective, elastic."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.config import standardize_data_format

from simplecell import ops
from simplecell.keras_backend import linalg
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating, symbolic
from simplecell.keras_backend.image.batch import check_rank, on_batch
from simplecell.keras_backend.image.filters import gaussian_blur
from simplecell.keras_backend.image.sampling import check_fill_mode, sample
from simplecell.keras_backend.numpy.shaping import along, stack
from simplecell.keras_backend.random import normal
from simplecell.ops import shaping

AFFINE_TRANSFORM_INTERPOLATIONS = {"nearest": 0, "bilinear": 1}
AFFINE_TRANSFORM_FILL_MODES = {"constant", "nearest", "wrap", "mirror", "reflect"}


def _check_interpolation(interpolation: str) -> int:
    if interpolation not in AFFINE_TRANSFORM_INTERPOLATIONS:
        raise ValueError(
            "Invalid value for argument `interpolation`. Expected of one "
            f"{set(AFFINE_TRANSFORM_INTERPOLATIONS)}. Received: interpolation={interpolation}"
        )
    return AFFINE_TRANSFORM_INTERPOLATIONS[interpolation]


def _warp(x: Any, rows: Any, columns: Any, order: int, fill_mode: str, fill_value: Any) -> Any:
    """(n, h, w, c) sampled at (rows, columns), each (n, h, w)."""
    n, h, w, c = x.shape
    dtype = dtype_of(x)
    values = shaping.reshape(cast(x, floating(dtype)), (n * h * w, c))
    start = (np.arange(n, dtype="int32") * (h * w)).reshape(n, 1, 1)
    fill = cast(convert_to_tensor(fill_value), dtype_of(values))
    warped = sample(values, (h, w), (rows, columns), order, fill_mode, fill, start)
    return cast(warped, dtype)


def _projected(transform: Any, h: int, w: int, dtype: str) -> tuple[Any, Any, Any]:
    """x·a + y·b + c for the three rows of each transform: where output pixel (x, y) comes from, as x', y' and their
    divisor − 1."""
    transform = cast(transform, dtype)
    x = np.arange(w).astype(transform.dtype)[None, None, :]
    y = np.arange(h).astype(transform.dtype)[None, :, None]
    a = [shaping.reshape(along(transform, 1, i, i + 1), (transform.shape[0], 1, 1)) for i in range(8)]
    divisor = ops.multiply(a[6], x) + ops.multiply(a[7], y)
    return (
        ops.multiply(a[0], x) + ops.multiply(a[1], y) + a[2],
        ops.multiply(a[3], x) + ops.multiply(a[4], y) + a[5],
        divisor,
    )


def _per_image(transform: Any, n: int) -> Any:
    return transform if transform.shape[0] == n else shaping.broadcast_to(transform, (n, *transform.shape[1:]))


def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Any:
    order = _check_interpolation(interpolation)
    check_fill_mode(fill_mode, AFFINE_TRANSFORM_FILL_MODES)
    images, transform = convert_to_tensor(images), convert_to_tensor(transform)
    check_rank(images)
    if len(transform.shape) not in (1, 2):
        raise ValueError(
            "Invalid transform rank: expected rank 1 (single transform) or rank 2 (batch of transforms). "
            f"Received input with shape: transform.shape={tuple(transform.shape)}"
        )
    if len(transform.shape) == 1:
        transform = shaping.reshape(transform, (1, *transform.shape))

    def warp(x: Any) -> Any:
        n, h, w, _ = x.shape
        columns, rows, _ = _projected(ops.stop_gradient(_per_image(transform, n)), h, w, _coordinate_dtype(x))
        return _warp(x, rows, columns, order, fill_mode, fill_value)

    return on_batch(warp, images, data_format)


def _coordinate_dtype(x: Any) -> str:
    """Positions need more than 16 bits."""
    return "float64" if dtype_of(x) == "float64" else "float32"


def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Any:
    order = _check_interpolation(interpolation)
    images = convert_to_tensor(images)
    start_points, end_points = convert_to_tensor(start_points), convert_to_tensor(end_points)
    check_rank(images)
    for name, points in (("start_points", start_points), ("end_points", end_points)):
        if len(points.shape) not in (2, 3) or tuple(points.shape[-2:]) != (4, 2):
            raise ValueError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. Received shape: "
                f"{tuple(points.shape)}"
            )
    if tuple(start_points.shape) != tuple(end_points.shape):
        raise ValueError(
            f"start_points and end_points must have the same shape. Received {tuple(start_points.shape)} and "
            f"{tuple(end_points.shape)}"
        )

    def warp(x: Any) -> Any:
        n, h, w, _ = x.shape
        matrix = _per_image(compute_homography_matrix(start_points, end_points), n)
        columns, rows, divisor = _projected(matrix, h, w, _coordinate_dtype(x))
        divisor = divisor + constant(1, divisor)
        return _warp(x, rows / divisor, columns / divisor, order, "constant", fill_value)

    return on_batch(warp, images, data_format)


def compute_homography_matrix(start_points: Any, end_points: Any) -> Any:
    """(n, 8): the projective map that takes each of the four end points to its start point."""
    start_points, end_points = convert_to_tensor(start_points), convert_to_tensor(end_points)
    dtype = "float64" if "float64" in (dtype_of(start_points), dtype_of(end_points)) else "float32"
    start, end = (cast(p, dtype) for p in (start_points, end_points))
    if len(start.shape) == 2:
        start, end = (shaping.reshape(p, (1, *p.shape)) for p in (start, end))
    n = start.shape[0]
    equations, wanted = [], []
    for i in range(4):
        sx, sy = (shaping.reshape(along(along(start, 1, i, i + 1), 2, j, j + 1), (n,)) for j in (0, 1))
        ex, ey = (shaping.reshape(along(along(end, 1, i, i + 1), 2, j, j + 1), (n,)) for j in (0, 1))
        one, zero = constant(np.ones(n), ex), constant(np.zeros(n), ex)
        equations.append(stack([ex, ey, one, zero, zero, zero, ops.negative(sx * ex), ops.negative(sx * ey)], -1))
        equations.append(stack([zero, zero, zero, ex, ey, one, ops.negative(sy * ex), ops.negative(sy * ey)], -1))
        wanted += [sx, sy]
    solution = linalg.solve(stack(equations, 1), shaping.expand_dims(stack(wanted, -1), -1))
    return shaping.reshape(solution, (n, 8))


def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    order = _check_interpolation(interpolation)
    check_fill_mode(fill_mode, AFFINE_TRANSFORM_FILL_MODES)
    data_format = standardize_data_format(data_format)

    def warp(x: Any) -> Any:
        n, h, w, _ = x.shape
        dtype = _coordinate_dtype(x)
        spread, strength = (cast(convert_to_tensor(v), dtype) for v in (sigma, alpha))
        noise = ops.multiply(normal((n, h, w, 2), 0.0, 1.0, dtype, seed), spread)
        # Three sigma on each side; where sigma is still to come, as far as the picture's shorter side.
        size = (min(h, w) if symbolic(spread) else int(6 * spread)) | 1
        shift = ops.multiply(gaussian_blur(noise, (size, size), (spread, spread), "channels_last"), strength)
        columns, rows = (shaping.reshape(along(shift, -1, i, i + 1), (n, h, w)) for i in (0, 1))
        columns = ops.add(columns, np.arange(w).astype(dtype)[None, None, :])
        rows = ops.add(rows, np.arange(h).astype(dtype)[None, :, None])
        return _warp(x, rows, columns, order, fill_mode, fill_value)

    return on_batch(warp, images, data_format)
