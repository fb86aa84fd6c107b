"""Fixed filters on pictures: Gaussian blur and Sobel edges, as depthwise convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.config import standardize_data_format

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating
from simplecell.keras_backend.image.batch import on_batch
from simplecell.keras_backend.nn.convolution import depthwise_conv
from simplecell.ops import shaping


def _gaussian(size: int, sigma: Any, like: Any) -> Any:
    """(size,): the bell curve over the distance from the centre, of sum 1."""
    x = constant(np.arange(size) - (size - 1) / 2, like)
    bell = ops.exp(
        ops.multiply(ops.square(ops.divide(x, cast(convert_to_tensor(sigma), dtype_of(like)))), constant(-0.5, like))
    )
    return bell / ops.sum(bell, 0, True)


def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """The kernel is the outer product of two bell curves, so each axis is blurred by itself. Zeros surround the
    picture."""
    height, width = (int(n) for n in kernel_size)
    sigma = convert_to_tensor(sigma, "float32")
    sigmas = [shaping.reshape(shaping.take_slice(sigma, 0, i, i + 1), ()) for i in (0, 1)]

    def blur(x: Any) -> Any:
        dtype = dtype_of(x)
        x = cast(x, floating(dtype))
        c = x.shape[-1]
        # Keras names kernel_size and sigma (height, width), and its kernel is outer(second, first).
        along_width = shaping.reshape(_gaussian(height, sigmas[0], x), (1, height, 1, 1))
        along_height = shaping.reshape(_gaussian(width, sigmas[1], x), (width, 1, 1, 1))
        for kernel in (along_height, along_width):
            kernel = shaping.broadcast_to(kernel, (*kernel.shape[:2], c, 1))
            x = depthwise_conv(x, kernel, 1, "same", "channels_last")
        return cast(x, dtype)

    return on_batch(blur, images, data_format)


_SOBEL = np.array([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]])


def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """(n, h, w, c) → (n, h, w, c, 2): differences down (dy) and to the right (dx); zeros surround the picture."""
    data_format = standardize_data_format(data_format)
    images = convert_to_tensor(images)
    if len(images.shape) != 4:
        raise ValueError(f"`sobel_edges` needs a batch of images, rank 4. Received: images.shape={tuple(images.shape)}")
    x = cast(images, floating(dtype_of(images)))
    if data_format == "channels_first":
        x = shaping.transpose(x, (0, 2, 3, 1))
    n, h, w, c = x.shape
    kernel = constant(np.stack([_SOBEL, _SOBEL.T], -1)[:, :, None, :].repeat(c, 2), x)
    edges = shaping.reshape(depthwise_conv(x, kernel, 1, "same", "channels_last"), (n, h, w, c, 2))
    return edges if data_format == "channels_last" else shaping.transpose(edges, (0, 3, 1, 2, 4))
