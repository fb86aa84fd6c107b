"""Puts hand-made filters into a Keras layer."""

from __future__ import annotations

import weakref
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from .layout import KernelLayout, resolve

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


def set_kernel(layer: Any, kernel: Any, bias: Any = None) -> Any:
    """Sets the filters of a convolution layer, before or after it is built.

    Args:
        layer: a Keras `Conv1D/2D/3D`, `Conv1D/2D/3DTranspose` or `DepthwiseConv1D/2D` (or a subclass, such as
            `simplecell.layers`).
        kernel: in the shape that is natural:
            one filter of the layer's `kernel_size`, e.g. a 3×3 array or nested list, for a layer with one filter;
            a list of as many filters as the layer has, each an array of `kernel_size` or the name of a hand-made one
            (`names(rank)`); or a whole kernel in Keras's own shape.
            A filter without a channel axis looks at every input channel alike, so that the responses to the channels
            add up; one of shape `(*kernel_size, channels)` has its own slice for each. In a depthwise layer each
            channel gets its own copy.
        bias: a number, or one per filter; None leaves the bias as it is (0 in a new layer).

    Returns:
        `layer`.

    Raises:
        TypeError: if the layer has no kernel that can be set, or the kernel holds no numbers.
        ValueError: if the kernel or the bias does not fit; the message says what was expected. Where that depends on
            the number of
            input channels, it comes when the layer is built.

    >>> import simplecell, keras
    >>> from simplecell.filters import set_kernel
    >>> layer = set_kernel(keras.layers.Conv2D(2, 3), ["vertical", "horizontal"])
    >>> layer.build((None, 8, 8, 1))
    >>> layer.kernel.shape
    (3, 3, 1, 2)
    """
    layout = _layout(layer)
    if bias is not None and not layer.use_bias:
        raise ValueError(f"bias: {layout.layer} was made with use_bias=False and has none; received {bias!r}")
    whole, any_channels = resolve(kernel, layout)
    biases = None if bias is None else _biases(bias, layer, layout)
    if layer.built:
        layer.kernel.assign(whole)
        if biases is not None:
            layer.bias.assign(np.broadcast_to(biases, layer.bias.shape))
        return layer
    attribute = "depthwise_initializer" if isinstance(layer, _DEPTHWISE) else "kernel_initializer"
    GivenKernel(whole.tolist(), any_channels).take_place(layer, attribute)
    if biases is not None:
        GivenBias(biases.tolist()).take_place(layer, "bias_initializer")
    return layer


def _layout(layer: Any) -> KernelLayout:
    if not isinstance(layer, (*_CONVOLUTIONS, *_TRANSPOSED, *_DEPTHWISE)):
        raise TypeError(
            "layer: expected a Conv1D, Conv2D, Conv3D, Conv1DTranspose, Conv2DTranspose, Conv3DTranspose, "
            "DepthwiseConv1D or DepthwiseConv2D, "
            f"received {type(layer).__name__}"
            + ("; its two kernels are set with set_weights" if "Separable" in type(layer).__name__ else "")
        )
    depthwise, transposed = isinstance(layer, _DEPTHWISE), isinstance(layer, _TRANSPOSED)
    channels = None
    if layer.built:
        channels = int(layer.kernel.shape[-1 if transposed else -2])
    return KernelLayout(
        layer=f"{type(layer).__name__} '{layer.name}'",
        kernel_size=tuple(layer.kernel_size),
        channels=channels,
        filters=int(layer.depth_multiplier if depthwise else layer.filters),
        order="filters, channels" if transposed else "channels, filters",
    )


def _biases(bias: Any, layer: Any, layout: KernelLayout) -> NDArray[np.float32]:
    """One bias for all filters, shape (), or one each."""
    values = np.asarray(bias)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"bias: expected a number or one per filter, received {bias!r}")
    count = int(layer.bias.shape[0]) if layer.built else None
    if count is None and not isinstance(layer, _DEPTHWISE):
        count = layout.filters
    if values.ndim > 1 or (values.ndim == 1 and count is not None and len(values) != count):
        raise ValueError(
            f"bias: {layout.layer} expects a number or {count} of them, one per filter; received shape {values.shape}"
        )
    return values.astype(np.float32)


class _Given(keras.initializers.Initializer):
    """An initializer that knows its values. After use it gives its place back to the layer's former initializer, so
    that a model that is saved after it was built holds plain Keras layers and opens without simplecell."""

    def take_place(self, layer: Any, attribute: str) -> None:
        former = getattr(layer, attribute)
        self._layer = weakref.ref(layer)
        self._attribute = attribute
        self._former = former._former if isinstance(former, _Given) else former
        setattr(layer, attribute, self)

    _layer: Any = None
    _attribute = ""
    _former: Any = None

    def _give_back(self) -> None:
        layer = self._layer() if self._layer is not None else None
        if layer is not None and getattr(layer, self._attribute) is self:
            setattr(layer, self._attribute, self._former)

    def _tensor(self, values: NDArray[np.float32], shape: Any, dtype: Any) -> Any:
        self._give_back()
        return keras.ops.convert_to_tensor(np.ascontiguousarray(np.broadcast_to(values, tuple(shape))), dtype=dtype)


@keras.saving.register_keras_serializable(package="simplecell")
class GivenKernel(_Given):
    """The kernel that `set_kernel` was given for a layer that was not built yet: `values` in Keras's shape, with one
    channel if for any number."""

    def __init__(self, values: Any, any_channels: bool = False) -> None:
        self.values = values
        self.any_channels = any_channels

    def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
        kernel = np.asarray(self.values, np.float32)
        if kernel.shape != tuple(shape) and not self.any_channels:
            raise ValueError(
                f"kernel: set_kernel was given a kernel of shape {kernel.shape}, and the layer's input asks for "
                f"{tuple(shape)}; "
                f"give filters of the kernel_size alone to use them on every channel"
            )
        return self._tensor(kernel, shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"values": self.values, "any_channels": self.any_channels}


@keras.saving.register_keras_serializable(package="simplecell")
class GivenBias(_Given):
    """The bias that `set_kernel` was given for a layer that was not built yet: one number, or one per filter."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
        values = np.asarray(self.values, np.float32)
        if values.ndim and values.shape != tuple(shape):
            raise ValueError(
                f"bias: expected a number or {shape[0]} of them, one per filter; received shape {values.shape}"
            )
        return self._tensor(values, shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"values": self.values}
