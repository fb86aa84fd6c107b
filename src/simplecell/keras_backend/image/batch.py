"""What all image functions share: one picture as a batch of one, both data formats, channels last inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras.src.backend.config import standardize_data_format

from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.nn.data_format import from_channels_last, to_channels_last
from simplecell.ops import shaping


def check_rank(images: Any) -> None:
    if len(images.shape) not in (3, 4):
        raise ValueError(
            "Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: images.shape={tuple(images.shape)}"
        )


def on_batch(function: Callable[[Any], Any], images: Any, data_format: str | None) -> Any:
    """`function` maps (n, h, w, c) to (n, h', w', c'); `images` may be one picture, and channels first."""
    data_format = standardize_data_format(data_format)
    images = convert_to_tensor(images)
    check_rank(images)
    single = len(images.shape) == 3
    if single:
        images = shaping.reshape(images, (1, *images.shape))
    result = from_channels_last(function(to_channels_last(images, data_format)), data_format)
    return shaping.reshape(result, tuple(result.shape[1:])) if single else result
