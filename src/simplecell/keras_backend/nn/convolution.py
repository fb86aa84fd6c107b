"""Convolutions in one, two and three dimensions, both data formats: arguments of Keras to arguments of the op."""

from __future__ import annotations

from math import prod
from typing import Any

from keras.src.backend.config import standardize_data_format

from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import common_dtype, floating, run
from simplecell.keras_backend.nn.data_format import from_channels_last, to_channels_last
from simplecell.ops import shaping
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc
from simplecell.ops.geometry import per_axis, resolve_padding, transposed_geometry


def _check_channels(inputs: Any, expected: int, data_format: str) -> None:
    """Keras's own check (its wording is what its tests ask for) exists from Keras 3.15 on only."""
    channels = inputs.shape[-1] if data_format == "channels_last" else inputs.shape[1]
    if isinstance(channels, int) and channels != expected:
        raise ValueError(
            "The number of input channels must match the kernel's input channels. Received: input "
            f"channels={channels}, "
            f"kernel input channels={expected}, data_format='{data_format}'."
        )


def _operands(inputs: Any, *kernels: Any) -> list[Any]:
    arrays = [convert_to_tensor(a) for a in (inputs, *kernels)]
    for array in arrays[1:]:
        if len(array.shape) != len(arrays[0].shape):
            raise ValueError(
                "A convolution's inputs and kernel have equal ranks: (batch, *spatial, channels) and (*kernel_size, "
                "in, out). "
                f"Received: inputs of shape {tuple(arrays[0].shape)}, kernel of shape {tuple(array.shape)}"
            )
    dtype = floating(common_dtype(*arrays))
    return [convert_to_tensor(a, dtype) for a in arrays]


def _convolve(src: Any, weights: Any, strides: Any, padding: Any, dilation_rate: Any, groups: int) -> Any:
    """On channels-last operands of one dtype."""
    rank = len(src.shape) - 2
    kernel = tuple(weights.shape[:rank])
    strides, dilation = per_axis(strides, rank, "strides"), per_axis(dilation_rate, rank, "dilation_rate")
    padding = padding.lower() if isinstance(padding, str) else padding
    pairs = resolve_padding(padding, src.shape[1:-1], kernel, strides, dilation)
    return run(Convolution(strides, pairs, dilation, groups), src, weights)


def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    data_format = standardize_data_format(data_format)
    inputs, kernel = _operands(inputs, kernel)
    src = to_channels_last(inputs, data_format)
    channels, per_group, filters = src.shape[-1], kernel.shape[-2], kernel.shape[-1]
    if per_group == 0 or channels % per_group:
        raise ValueError(
            "The number of input channels must be evenly divisible by kernel's in_channels. "
            f"Received input channels {channels} and kernel in_channels {per_group}."
        )
    groups = channels // per_group
    if groups and filters % groups:
        raise ValueError(
            f"The number of filters must be divisible by the number of groups (input channels / kernel's in_channels). "
            f"Received: filters={filters}, groups={groups}"
        )
    return from_channels_last(_convolve(src, kernel, strides, padding, dilation_rate, groups), data_format)


def _depthwise(src: Any, kernel: Any, strides: Any, padding: Any, dilation_rate: Any) -> Any:
    """Kernel (*k, in, multiplier): each input channel with its own filters, which is a convolution of `in` groups."""
    *size, channels, multiplier = kernel.shape
    return _convolve(
        src, shaping.reshape(kernel, (*size, 1, channels * multiplier)), strides, padding, dilation_rate, channels
    )


def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    data_format = standardize_data_format(data_format)
    inputs, kernel = _operands(inputs, kernel)
    _check_channels(inputs, kernel.shape[-2], data_format)
    dst = _depthwise(to_channels_last(inputs, data_format), kernel, strides, padding, dilation_rate)
    return from_channels_last(dst, data_format)


def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    data_format = standardize_data_format(data_format)
    inputs, depthwise_kernel, pointwise_kernel = _operands(inputs, depthwise_kernel, pointwise_kernel)
    _check_channels(inputs, depthwise_kernel.shape[-2], data_format)
    src = _depthwise(to_channels_last(inputs, data_format), depthwise_kernel, strides, padding, dilation_rate)
    if src.shape[-1] != pointwise_kernel.shape[-2] or prod(pointwise_kernel.shape[:-2]) != 1:
        raise ValueError(
            f"`pointwise_kernel` must have the shape (1, ..., in * depth_multiplier, filters), here {src.shape[-1]} "
            "inputs. "
            f"Received: pointwise_kernel of shape {tuple(pointwise_kernel.shape)}"
        )
    return from_channels_last(_convolve(src, pointwise_kernel, 1, "valid", 1, 1), data_format)


def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """The gradient of a convolution for its input. Kernel: (*k, filters, in)."""
    data_format = standardize_data_format(data_format)
    inputs, kernel = _operands(inputs, kernel)
    _check_channels(inputs, kernel.shape[-1], data_format)
    diff_dst = to_channels_last(inputs, data_format)
    rank = len(diff_dst.shape) - 2
    strides, dilation = per_axis(strides, rank, "strides"), per_axis(dilation_rate, rank, "dilation_rate")
    extra = (
        (output_padding,) * rank if output_padding is None or isinstance(output_padding, int) else tuple(output_padding)
    )
    sizes, crops, missing = [], [], []
    for i in range(rank):
        size, (low, high) = transposed_geometry(
            diff_dst.shape[i + 1], kernel.shape[i], strides[i], padding.lower(), extra[i], dilation[i]
        )
        appended = max(-high, 0)  # zeros behind the last position that any input reaches
        sizes.append(size - appended)
        crops.append((low, max(high, 0)))
        missing.append((0, appended))
    dst = run(ConvolutionGradientSrc(tuple(sizes), strides, tuple(crops), dilation, 1), diff_dst, kernel)
    if any(high for _, high in missing):
        dst = shaping.pad(dst, ((0, 0), *missing, (0, 0)))
    return from_channels_last(dst, data_format)
