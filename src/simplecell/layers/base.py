"""What our three convolution layers add to Keras's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from simplecell.ops.geometry import dilated, output_size

from .padding import OUR_MODES, Pairs, pad, standardize_padding, widths


def _positive(value: Any, rank: int, argument: str) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, int) else tuple(value) if isinstance(value, Sequence) else ()
    if len(values) != rank or not all(isinstance(v, int) and v > 0 for v in values):
        raise ValueError(
            f"{argument}: expected a positive integer or {rank} of them, one per spatial axis; received {value!r}"
        )
    return values


class PaddedConvolution(keras.layers.Layer):
    """Mixin before `keras.layers.ConvND`: all of Keras's arguments, padding of `padding.py`, stride together with
    dilation.

    Keras's own constructor refuses both, so it is given harmless values, and the real ones are set after it.
    """

    rank: int
    kernel_size: tuple[int, ...]

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        dilation_rate: Any,
        **keras_arguments: Any,
    ) -> None:
        resolved = standardize_padding(padding, rank)
        super().__init__(filters, kernel_size, strides=1, padding="valid", dilation_rate=1, **keras_arguments)
        self.strides = _positive(strides, rank, "strides")
        self.dilation_rate = _positive(dilation_rate, rank, "dilation_rate")
        self.padding = resolved

    def _spatial(self, shape: Sequence[int | None]) -> Sequence[int | None]:
        if len(shape) != self.rank + 2:
            axes = ["batch", *(["depth", "height", "width"][-self.rank :] if self.rank > 1 else ["steps"])]
            axes.insert(len(axes) if self.data_format == "channels_last" else 1, "channels")
            few = len(shape) < self.rank + 2
            raise ValueError(
                f"{type(self).__name__} '{self.name}': expected an input of {self.rank + 2} dimensions "
                f"({', '.join(axes)}), received shape {tuple(shape)}; "
                f"{'add the missing ones, e.g. x[None] or x[..., None]' if few else 'drop the extra ones'}"
            )
        return shape[1:-1] if self.data_format == "channels_last" else shape[2:]

    def _widths(self, shape: Sequence[int | None]) -> Pairs:
        return widths(self.padding, self._spatial(shape), self.kernel_size, self.strides, self.dilation_rate)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        sizes = self._spatial(input_shape)
        out: list[int | None] = []
        if self.padding == "same":
            out = [None if n is None else -(-n // s) for n, s in zip(sizes, self.strides)]
        else:
            for axis, (n, k, s, d, pair) in enumerate(
                zip(sizes, self.kernel_size, self.strides, self.dilation_rate, self._widths(input_shape))
            ):
                size = None if n is None else output_size(n, k, s, pair, d)
                if size is not None and size <= 0:
                    raise ValueError(
                        f"{type(self).__name__} '{self.name}': the filter does not fit into the input along spatial "
                        f"axis {axis}: it spans {dilated(k, d)} "
                        f"elements (kernel_size {k}, dilation_rate {d}), the input has {n} and {sum(pair)} of padding; "
                        f"received input shape {tuple(input_shape)}; use a smaller kernel_size or dilation_rate, or "
                        "more padding"
                    )
                out.append(size)
        if self.data_format == "channels_last":
            return (input_shape[0], *out, self.filters)
        return (input_shape[0], self.filters, *out)

    def call(self, inputs: Any) -> Any:
        source, padding = inputs, "same"
        if self.padding != "same":
            mode = self.padding if self.padding in OUR_MODES else "constant"
            first_axis = 1 if self.data_format == "channels_last" else 2
            source, padding = pad(inputs, self._widths(inputs.shape), mode, first_axis), "valid"
        outputs = keras.ops.conv(
            source,
            self.kernel,
            strides=self.strides,
            padding=padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        if self.use_bias:
            shape = (
                (1, *(1,) * self.rank, self.filters)
                if self.data_format == "channels_last"
                else (1, self.filters, *(1,) * self.rank)
            )
            outputs = outputs + keras.ops.reshape(self.bias, shape)
        return outputs if self.activation is None else self.activation(outputs)
