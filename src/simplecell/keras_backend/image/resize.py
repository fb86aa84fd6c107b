"""Resizing of pictures, and resampling with a scale and a shift per axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating, run
from simplecell.keras_backend.image.batch import on_batch
from simplecell.keras_backend.numpy.elementwise import sinc
from simplecell.keras_backend.numpy.linear import product
from simplecell.keras_backend.numpy.reductions import reduce
from simplecell.keras_backend.numpy.shaping import slices
from simplecell.ops import shaping
from simplecell.ops.resampling import Resize

RESIZE_INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")


def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    if interpolation not in RESIZE_INTERPOLATIONS:
        raise ValueError(
            f"Invalid value for argument `interpolation`. Expected of one {RESIZE_INTERPOLATIONS}. Received: "
            f"interpolation={interpolation}"
        )
    if fill_mode != "constant":
        raise ValueError(
            f"Invalid value for argument `fill_mode`. Only `'constant'` is supported. Received: fill_mode={fill_mode}"
        )
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
    if len(size) != 2:
        raise ValueError(f"Argument `size` must be a tuple of two elements (height, width). Received: size={size}")
    height, width = int(size[0]), int(size[1])

    def change(x: Any) -> Any:
        if interpolation != "nearest":
            x = cast(x, floating(dtype_of(x)))
        if crop_to_aspect_ratio:
            x = _cropped(x, height, width)
        elif pad_to_aspect_ratio:
            x = _padded(x, height, width, fill_value)
        if tuple(x.shape[1:3]) == (height, width):
            return x
        return run(Resize((height, width), interpolation, antialias), x)

    return on_batch(change, images, data_format)


def _cropped(x: Any, height: int, width: int) -> Any:
    """The largest window in the middle that has the proportions height : width."""
    _, h, w, _ = x.shape
    ch, cw = max(min(h, int(w * height / width)), 1), max(min(w, int(h * width / height)), 1)
    top, left = int((h - ch) / 2), int((w - cw) / 2)
    return slices(x, [slice(None), slice(top, top + ch), slice(left, left + cw)])


def _padded(x: Any, height: int, width: int, value: float) -> Any:
    """A frame around the picture towards the proportions height : width. Both sides get the same, so an odd pixel is
    left out."""
    _, h, w, _ = x.shape
    top, left = int((max(h, int(w * height / width)) - h) / 2), int((max(w, int(h * width / height)) - w) / 2)
    return shaping.pad(x, ((0, 0), (top, top), (left, left), (0, 0)), "constant", float(value))


# --- a scale and a shift per axis -------------------------------------------------------------------------------------


def _triangle(x: Any) -> Any:
    return ops.maximum(constant(1, x) - x, constant(0, x))


def _keys_cubic(x: Any) -> Any:
    near = ((constant(1.5, x) * x - constant(2.5, x)) * x) * x + constant(1, x)
    far = ((constant(-0.5, x) * x + constant(2.5, x)) * x - constant(4, x)) * x + constant(2, x)
    return ops.select(ops.less(x, constant(1, x)), near, ops.select(ops.less(x, constant(2, x)), far, constant(0, x)))


def _lanczos(radius: float) -> Any:
    def kernel(x: Any) -> Any:
        return ops.select(ops.less(x, constant(radius, x)), sinc(x) * sinc(x / constant(radius, x)), constant(0, x))

    return kernel


_KERNELS = {
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), _triangle),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), _keys_cubic),
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}
SCALE_AND_TRANSLATE_METHODS = set(_KERNELS)


def scale_and_translate(
    images: Any, output_shape: Any, scale: Any, translation: Any, spatial_dims: Any, method: str, antialias: bool = True
) -> Any:
    if method not in SCALE_AND_TRANSLATE_METHODS:
        raise ValueError(
            f"Invalid value for argument `method`. Expected of one {sorted(SCALE_AND_TRANSLATE_METHODS)}. Received: "
            f"method={method}"
        )
    images = convert_to_tensor(images)
    if len(output_shape) != len(images.shape):
        raise ValueError(
            f"`output_shape` must have one entry per axis of images. Received: output_shape={output_shape}, "
            f"images.shape={tuple(images.shape)}"
        )
    images = cast(images, floating(dtype_of(images)))
    scale, translation = (cast(convert_to_tensor(v), dtype_of(images)) for v in (scale, translation))
    for i, axis in enumerate(spatial_dims):
        axis %= len(images.shape)
        factor, shift = (shaping.reshape(slices(v, [slice(i, i + 1)]), (1, 1)) for v in (scale, translation))
        weights = _weights(images.shape[axis], int(output_shape[axis]), factor, shift, _KERNELS[method], antialias)
        order = tuple(a for a in range(len(images.shape)) if a != axis) + (axis,)
        moved = product(shaping.transpose(images, order), weights)
        images = shaping.transpose(moved, tuple(order.index(a) for a in range(len(order))))
    return images


def _weights(size: int, out: int, scale: Any, translation: Any, kernel: Any, antialias: bool) -> Any:
    """(size, out): how much of each input goes into each output. Pixel i is centred at i + 1/2, and moves to scale·x +
    translation."""
    one, half = constant(1, scale), constant(0.5, scale)
    inverse = one / scale
    centres = (constant(np.arange(out)[None, :] + 0.5, scale) - translation) * inverse - half
    widened = ops.maximum(inverse, one) if antialias else one
    weights = kernel(ops.absolute(centres - constant(np.arange(size)[:, None], scale)) / widened)
    total = reduce("sum", weights, 0, True)
    small = ops.less_equal(ops.absolute(total), constant(1000 * np.finfo(np.float32).eps, scale))
    weights = ops.select(small, constant(0, scale), weights / ops.select(small, one, total))
    inside = ops.logical_and(
        ops.greater_equal(centres, constant(-0.5, scale)), ops.less_equal(centres, constant(size - 0.5, scale))
    )
    return ops.select(inside, weights, constant(0, scale))
