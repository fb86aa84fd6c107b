"""Convolution in 2 dimensions with the padding and the strides that Keras refuses."""

from __future__ import annotations

from typing import Any

import keras

from .base import PaddedConvolution


@keras.saving.register_keras_serializable(package="simplecell")
class Conv2D(PaddedConvolution, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with more padding, and with strides and dilation together.

    Args:
        filters, kernel_size, strides, dilation_rate: as in Keras; `strides` and `dilation_rate` may both be above 1.
        padding: `"valid"`, `"same"` as in Keras; `"reflect"` mirrors the input at its edge without repeating the edge
            (`1234` becomes `32 1234 32`), `"circular"` continues it at the opposite edge (`34 1234 12`), both to the
            size of `"same"`; `((top, bottom), (left, right))` adds exactly so many zeros; one integer, the same on all
            sides.
        **keras_arguments: all others of `keras.layers.Conv2D` (`groups`, `activation`, `use_bias`, `data_format`, …).

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` with `data_format="channels_first"`.

    Output shape:
        the same with `filters` channels; per spatial axis `ceil(n / stride)` for "same", "reflect", "circular", else
        `floor((n + padding - (kernel_size - 1) * dilation_rate - 1) / stride) + 1`.

    Raises:
        ValueError: if an argument has another form, an axis is too short to be reflected or wrapped, or the filter does
            not fit.

    >>> import numpy as np, simplecell
    >>> layer = simplecell.layers.Conv2D(4, 3, padding="reflect", strides=2, dilation_rate=2)
    >>> layer(np.zeros((1, 9, 12, 3), "float32")).shape
    (1, 5, 6, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        dilation_rate: Any = 1,
        **keras_arguments: Any,
    ) -> None:
        super().__init__(2, filters, kernel_size, strides, padding, dilation_rate, **keras_arguments)
