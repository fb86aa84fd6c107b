"""Patches of images as columns and back, and blocks of pixels as channels and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.config import standardize_data_format

from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.numpy.shaping import slices
from simplecell.ops import shaping
from simplecell.ops.base import apply
from simplecell.ops.geometry import output_size as number_of_positions


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(int(v) for v in value)  # type: ignore[return-value]


def _positions(height: int, width: int, kernel_size: Any, dilation: Any, stride: Any) -> np.ndarray:
    """(kh·kw, oh·ow): where in the flattened image each element of each patch lies."""
    kernel, gap, step = _pair(kernel_size), _pair(dilation), _pair(stride)
    rows, columns = (
        np.arange(k)[:, None] * g + np.arange(number_of_positions(n, k, s, (0, 0), g))[None, :] * s
        for n, k, g, s in zip((height, width), kernel, gap, step)
    )
    grid = rows[:, None, :, None] * width + columns[None, :, None, :]
    return grid.reshape(kernel[0] * kernel[1], -1).astype("int32")


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """(n, c, h, w) → (n, c·kh·kw, patches)."""
    x = convert_to_tensor(input)
    ph, pw = _pair(padding)
    if ph or pw:
        x = shaping.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    n, c, h, w = x.shape
    positions = _positions(h, w, kernel_size, dilation, stride)
    patches = apply(shaping.Gather(2), shaping.reshape(x, (n, c, h * w)), positions)
    return shaping.reshape(patches, (n, c * positions.shape[0], positions.shape[1]))


def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """(n, c·kh·kw, patches) → (n, c, h, w), patches added where they overlap."""
    x = convert_to_tensor(x)
    (oh, ow), (ph, pw) = _pair(output_size), _pair(padding)
    h, w = oh + 2 * ph, ow + 2 * pw
    positions = _positions(h, w, kernel_size, dilation, stride)
    taps, patches = positions.shape
    n = x.shape[0]
    if x.shape[1] % taps or x.shape[2] != patches:
        raise ValueError(
            f"`fold` to output_size={output_size} needs an x of shape (n, channels * {taps}, {patches}). Received: "
            f"{tuple(x.shape)}"
        )
    c = x.shape[1] // taps
    image = shaping.scatter_add(positions, shaping.reshape(x, (n, c, taps, patches)), (n, c, h * w), 2)
    image = shaping.reshape(image, (n, c, h, w))
    return slices(image, [slice(None), slice(None), slice(ph, ph + oh), slice(pw, pw + ow)])


def _image(x: Any, name: str) -> Any:
    x = convert_to_tensor(x)
    if len(x.shape) != 4:
        raise ValueError(f"`{name}` requires a 4D input tensor. Received: x.shape={tuple(x.shape)}")
    return x


def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """(n, h, w, b·b·c) → (n, h·b, w·b, c): each pixel's channels spread over a block of b×b pixels.

    The channels of a block's pixels stand one after the other with channels last, the pixels of a channel with channels
    first.
    """
    data_format = standardize_data_format(data_format)
    x = _image(x, "depth_to_space")
    b = block_size
    n, *rest = x.shape
    (h, w, c) = rest if data_format == "channels_last" else (*rest[1:], rest[0])
    if c % (b * b):
        raise ValueError(f"The number of channels ({c}) must be divisible by block_size**2 ({b * b}).")
    c //= b * b
    if data_format == "channels_last":
        x = shaping.transpose(shaping.reshape(x, (n, h, w, b, b, c)), (0, 1, 3, 2, 4, 5))
        return shaping.reshape(x, (n, h * b, w * b, c))
    x = shaping.transpose(shaping.reshape(x, (n, c, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return shaping.reshape(x, (n, c, h * b, w * b))


def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """The inverse of `depth_to_space`: (n, h, w, c) → (n, h/b, w/b, b·b·c)."""
    data_format = standardize_data_format(data_format)
    x = _image(x, "space_to_depth")
    b = block_size
    n, *rest = x.shape
    (h, w, c) = rest if data_format == "channels_last" else (*rest[1:], rest[0])
    if h % b or w % b:
        raise ValueError(f"Height ({h}) and width ({w}) must be divisible by block_size ({b}).")
    if data_format == "channels_last":
        x = shaping.transpose(shaping.reshape(x, (n, h // b, b, w // b, b, c)), (0, 1, 3, 2, 4, 5))
        return shaping.reshape(x, (n, h // b, w // b, b * b * c))
    x = shaping.transpose(shaping.reshape(x, (n, c, h // b, b, w // b, b)), (0, 1, 3, 5, 2, 4))
    return shaping.reshape(x, (n, b * b * c, h // b, w // b))
