"""Normalizations, composed of other ops. At inference the engine folds batch normalization into the convolution before
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simplecell.ops import elementwise as ew
from simplecell.ops import reduction, shaping
from simplecell.ops.arguments import normalize_axes, normalize_axis
from simplecell.ops.base import spec_of


def moments(x: Any, axes: int | Sequence[int], keepdims: bool = False) -> tuple[Any, Any]:
    """(mean, variance) over `axes`; the variance is divided by n."""
    mean = reduction.mean(x, axes, keepdims=True)
    variance = reduction.mean(ew.square(ew.subtract(x, mean)), axes, keepdims)
    gone = normalize_axes(axes, len(spec_of(x).shape))
    return (mean if keepdims else shaping.squeeze(mean, gone)), variance


def _along(vector: Any, axis: int, rank: int) -> Any:
    """A vector as an array that broadcasts along `axis` of an array of `rank`."""
    shape = spec_of(vector).shape
    return shaping.reshape(vector, (*shape, *(1,) * (rank - 1 - axis))) if len(shape) == 1 else vector


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int = -1, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """`(x - mean) / sqrt(variance + epsilon) · scale + offset`, vectors along `axis`, as x · factor + shift.

    Factor and shift do not depend on x: they can be computed once, and folded into the layer before.
    """
    rank = len(spec_of(x).shape)
    axis = normalize_axis(axis, rank)
    factor = ew.rsqrt(ew.add(variance, epsilon))
    if scale is not None:
        factor = ew.multiply(factor, scale)
    shift = ew.negative(ew.multiply(mean, factor))
    if offset is not None:
        shift = ew.add(shift, offset)
    return ew.add(ew.multiply(x, _along(factor, axis, rank)), _along(shift, axis, rank))


def _scaled(x: Any, scale: Any, offset: Any) -> Any:
    x = x if scale is None else ew.multiply(x, scale)
    return x if offset is None else ew.add(x, offset)


def layer_normalization(
    x: Any, axes: int | Sequence[int] = -1, scale: Any = None, offset: Any = None, epsilon: float = 1e-3
) -> Any:
    """x with mean 0 and variance 1 over `axes`, then scaled and shifted (`scale` and `offset` broadcast against x)."""
    mean, variance = moments(x, axes, keepdims=True)
    return _scaled(ew.multiply(ew.subtract(x, mean), ew.rsqrt(ew.add(variance, epsilon))), scale, offset)


def group_normalization(
    x: Any, groups: int, axis: int = -1, scale: Any = None, offset: Any = None, epsilon: float = 1e-3
) -> Any:
    """x (n, …) with mean 0 and variance 1 over each sample's group of channels; `scale` and `offset` are vectors along
    `axis`."""
    shape = spec_of(x).shape
    axis = normalize_axis(axis, len(shape))
    if groups < 1 or shape[axis] % groups:
        raise ValueError(
            f"`groups` must divide the number of channels, {shape[axis]} in axis {axis} of shape {shape}; came "
            f"{groups}."
        )
    parted = shaping.reshape(x, (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))
    axes = tuple(a for a in range(1, len(shape) + 1) if a != axis)
    y = shaping.reshape(layer_normalization(parted, axes, epsilon=epsilon), shape)
    scale, offset = (v if v is None else _along(v, axis, len(shape)) for v in (scale, offset))
    return _scaled(y, scale, offset)


def rms_normalization(x: Any, scale: Any = None, axes: int | Sequence[int] = -1, epsilon: float = 1e-6) -> Any:
    """x divided by its root mean square over `axes`, times `scale`."""
    power = reduction.mean(ew.square(x), axes, keepdims=True)
    return _scaled(ew.multiply(x, ew.rsqrt(ew.add(power, epsilon))), scale, None)
