"""Colour spaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating
from simplecell.keras_backend.image.batch import check_rank, on_batch
from simplecell.keras_backend.numpy.reductions import reduce
from simplecell.keras_backend.numpy.shaping import along, concatenate

# ITU-R BT.601: the share of each colour in brightness.
_LUMA = (0.2989, 0.587, 0.114)


def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    images = convert_to_tensor(images)

    def convert(x: Any) -> Any:
        if x.shape[-1] not in (1, 3):
            raise ValueError(
                "Invalid channel size: expected 3 (RGB) or 1 (Grayscale). Received input with shape: "
                f"images.shape={tuple(images.shape)}"
            )
        if x.shape[-1] == 1:
            return x
        dtype = dtype_of(x)
        wide = cast(x, floating(dtype))
        return cast(reduce("sum", ops.multiply(wide, constant(_LUMA, wide)), -1, True), dtype)

    return on_batch(convert, images, data_format)


def _check_color(images: Any, x: Any) -> None:
    if "float" not in dtype_of(x):
        raise ValueError(f"Invalid images dtype: expected float dtype. Received: images.dtype={dtype_of(x)}")
    if x.shape[-1] != 3:
        raise ValueError(f"Input images must have 3 channels, but received images with {x.shape[-1]} channels.")


def _channels(x: Any) -> list[Any]:
    return [along(x, -1, i, i + 1) for i in range(3)]


def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    images = convert_to_tensor(images)
    check_rank(images)

    def convert(x: Any) -> Any:
        _check_color(images, x)
        red, green, blue = _channels(x)
        value = reduce("max", x, -1, True)
        spread = value - reduce("min", x, -1, True)
        zero, one = constant(0, x), constant(1, x)
        grey, black = ops.equal(spread, zero), ops.equal(value, zero)
        saturation = ops.select(black, zero, spread / ops.select(black, one, value))
        # The hue is where on the circle of six sixths the largest colour stands, moved towards the second largest.
        sixth = constant(1 / 6, x) / ops.select(grey, one, spread)
        from_red, from_green, from_blue = (green - blue) * sixth, (blue - red) * sixth, (red - green) * sixth
        hue = ops.select(ops.equal(red, value), from_red, from_blue + constant(4 / 6, x))
        in_green = ops.logical_and(ops.equal(green, value), ops.not_equal(red, value))
        hue = ops.select(in_green, from_green + constant(2 / 6, x), hue)
        hue = ops.select(ops.less(hue, zero), hue + one, hue)
        return concatenate([ops.select(grey, zero, hue), saturation, value], -1)

    return on_batch(convert, images, data_format)


def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    images = convert_to_tensor(images)
    check_rank(images)

    def convert(x: Any) -> Any:
        _check_color(images, x)
        hue, saturation, value = _channels(x)
        six = hue * constant(6, x)
        offset = constant(np.array([-3.0, -2.0, -4.0]), x)
        sign = constant(np.array([1.0, -1.0, -1.0]), x)
        shift = constant(np.array([-1.0, 2.0, 2.0]), x)
        # Each colour over the hue is a trapezoid: red |6h − 3| − 1, green 2 − |6h − 2|, blue 2 − |6h − 4|, cut to 0 …
        # 1.
        pure = ops.absolute(ops.add(six, offset)) * sign + shift
        pure = ops.minimum(ops.maximum(pure, constant(0, x)), constant(1, x))
        return (ops.add(ops.multiply(pure - constant(1, x), saturation), constant(1, x))) * value

    return on_batch(convert, images, data_format)
