"""Convolution (cross-correlation, as everywhere in deep learning) in any number of dimensions, and its two adjoints.

    dst[n, o, c] = Σ_{k, i}  src[n, o · stride + k · dilation − low, i] · weights[k, i, c]

Arrays are channels-last; `o` and `k` run over the spatial axes. With groups, input and output channels fall into that
many equal parts and each part of the outputs sees only its part of the inputs. The sum is linear in both operands; each
op here is the adjoint of another in one operand, so that each is differentiable by the two others, any number of times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from simplecell.ops import shaping
from simplecell.ops.arguments import require_equal_dtypes
from simplecell.ops.base import Op, Spec, apply, spec_of
from simplecell.ops.dtypes import accumulator, to_dtype
from simplecell.ops.geometry import Padding, Pairs, dilated, output_size, per_axis, resolve_padding, transposed_geometry


def _check(
    src: Spec, weights: Spec, strides: tuple[int, ...], padding: Pairs, dilation: tuple[int, ...], groups: int
) -> Spec:
    """Spec of dst, after everything about the three arrays has been checked."""
    dtype = require_equal_dtypes("convolution", src, weights)
    rank = len(src.shape) - 2
    if rank < 1 or len(weights.shape) != rank + 2:
        raise ValueError(
            "`src` (batch, *spatial, channels) and `weights` (*kernel, channels / groups, filters) need one rank of 3 "
            "or more; "
            f"came {src} and {weights}."
        )
    for what, values in (("strides", strides), ("padding", padding), ("dilation", dilation)):
        if len(values) != rank:
            raise ValueError(f"`{what}` must have {rank} entries, one per spatial axis of {src}; came {values}.")
    if min(strides) < 1 or min(dilation) < 1 or groups < 1:
        raise ValueError(
            f"`strides`, `dilation` and `groups` must be at least 1; came {strides}, {dilation} and {groups}."
        )
    if min(map(min, padding)) < 0:
        raise ValueError(f"`padding` must not be negative; came {padding}. Slice `src` instead.")
    ic, oc = src.shape[-1], weights.shape[-1]
    if ic != weights.shape[-2] * groups:
        raise ValueError(
            f"`weights` must have (channels of src) / groups = {ic} / {groups} input channels; came {weights}, whose "
            "second-last "
            f"axis is {weights.shape[-2]}. `src` is {src}: channels come last."
        )
    if oc % groups:
        raise ValueError(f"`groups` must divide the number of filters; came {groups} groups and {oc} filters.")
    spatial = []
    for axis, (n, k) in enumerate(zip(src.shape[1:-1], weights.shape[:-2], strict=True)):
        o = output_size(n, k, strides[axis], padding[axis], dilation[axis])
        if o < 1:
            raise ValueError(
                f"The kernel does not fit: in spatial axis {axis} it covers {dilated(k, dilation[axis])} elements ({k} "
                "taps, dilation "
                f"{dilation[axis]}), but `src` has {n} + {sum(padding[axis])} of padding. "
                'Use a smaller kernel, a larger input or padding="same".'
            )
        spatial.append(o)
    return Spec((src.shape[0], *spatial, oc), dtype)


def _taps(
    kernel: Sequence[int], out: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each tap of the kernel, with the slices of padded src that it meets: one element per output position."""
    for tap in product(*map(range, kernel)):
        window = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilation, out, strides, strict=True)
        )
        yield tap, (slice(None), *window)


def _padded(src: np.ndarray, padding: Pairs) -> np.ndarray:
    return np.pad(src, ((0, 0), *padding, (0, 0))) if any(map(any, padding)) else src


def _by_group(x: np.ndarray, groups: int) -> np.ndarray:
    """(n, *o, c) → (groups, positions, c / groups)."""
    return x.reshape(-1, groups, x.shape[-1] // groups).swapaxes(0, 1)


@dataclass(frozen=True)
class Convolution(Op):
    """src (n, *i, ic), weights (*k, ic / groups, oc) → dst (n, *o, oc). `padding`: zeros (low, high) per spatial
    axis."""

    strides: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int = 1

    def output_spec(self, *inputs: Spec) -> Spec:
        return _check(inputs[0], inputs[1], self.strides, self.padding, self.dilation, self.groups)

    def reference(self, *arrays: np.ndarray) -> Any:
        src, weights = arrays
        spec = self.output_spec(spec_of(src), spec_of(weights))
        wide = to_dtype(accumulator(spec.dtype))
        src, weights = _padded(src.astype(wide, copy=False), self.padding), weights.astype(wide, copy=False)
        kernel, per_group, oc = weights.shape[:-2], weights.shape[-2], weights.shape[-1]
        groups = self.groups
        dst = np.zeros(spec.shape, wide)
        for tap, window in _taps(kernel, spec.shape[1:-1], self.strides, self.dilation):
            seen, w = src[window], weights[tap]
            if groups == 1:
                dst += seen @ w
            elif per_group == 1:  # depthwise: every input channel has its own oc / groups filters
                dst += (seen[..., None] * w.reshape(groups, oc // groups)).reshape(spec.shape)
            else:
                parts = _by_group(seen, groups) @ w.reshape(per_group, groups, oc // groups).swapaxes(0, 1)
                dst += parts.swapaxes(0, 1).reshape(spec.shape)
        return dst.astype(to_dtype(spec.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (src, weights), (d,) = inputs, diff_outputs
        spatial, kernel = spec_of(src).shape[1:-1], spec_of(weights).shape[:-2]
        return [
            apply(ConvolutionGradientSrc(spatial, self.strides, self.padding, self.dilation, self.groups), d, weights),
            apply(ConvolutionGradientWeights(kernel, self.strides, self.padding, self.dilation, self.groups), src, d),
        ]


@dataclass(frozen=True)
class ConvolutionGradientSrc(Op):
    """diff_dst (n, *o, oc), weights (*k, ic / groups, oc) → diff_src (n, *src_spatial, ic): every element of diff_dst
    spreads a copy of the kernel. That is also the transposed convolution."""

    src_spatial: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int = 1

    def output_spec(self, *inputs: Spec) -> Spec:
        diff_dst, weights = inputs
        src = Spec((diff_dst.shape[0], *self.src_spatial, weights.shape[-2] * self.groups), diff_dst.dtype)
        dst = _check(src, weights, self.strides, self.padding, self.dilation, self.groups)
        if diff_dst.shape != dst.shape:
            raise ValueError(
                f"`diff_dst` must be {dst}, what the convolution makes of {src} with {weights}; came {diff_dst}."
            )
        return src

    def reference(self, *arrays: np.ndarray) -> Any:
        diff_dst, weights = arrays
        spec = self.output_spec(spec_of(diff_dst), spec_of(weights))
        wide = to_dtype(accumulator(spec.dtype))
        diff_dst, weights = diff_dst.astype(wide, copy=False), weights.astype(wide, copy=False)
        kernel, per_group, oc = weights.shape[:-2], weights.shape[-2], weights.shape[-1]
        groups, ic = self.groups, spec.shape[-1]
        padded = [n + lo + hi for n, (lo, hi) in zip(self.src_spatial, self.padding, strict=True)]
        diff_src = np.zeros((spec.shape[0], *padded, ic), wide)
        grouped = None if groups == 1 or per_group == 1 else np.ascontiguousarray(_by_group(diff_dst, groups))
        for tap, window in _taps(kernel, diff_dst.shape[1:-1], self.strides, self.dilation):
            w = weights[tap]
            if groups == 1:
                diff_src[window] += diff_dst @ w.T
            elif grouped is None:
                by_channel = diff_dst.reshape(*diff_dst.shape[:-1], groups, oc // groups)
                diff_src[window] += (by_channel * w.reshape(groups, oc // groups)).sum(-1)
            else:
                parts = grouped @ w.reshape(per_group, groups, oc // groups).transpose(1, 2, 0)
                diff_src[window] += parts.swapaxes(0, 1).reshape(*diff_dst.shape[:-1], ic)
        inside = tuple(slice(lo, lo + n) for n, (lo, _) in zip(self.src_spatial, self.padding, strict=True))
        return np.ascontiguousarray(diff_src[(slice(None), *inside)]).astype(to_dtype(spec.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (diff_dst, weights), (d,) = inputs, diff_outputs
        kernel = spec_of(weights).shape[:-2]
        return [
            apply(Convolution(self.strides, self.padding, self.dilation, self.groups), d, weights),
            apply(
                ConvolutionGradientWeights(kernel, self.strides, self.padding, self.dilation, self.groups), d, diff_dst
            ),
        ]


@dataclass(frozen=True)
class ConvolutionGradientWeights(Op):
    """src (n, *i, ic), diff_dst (n, *o, oc) → diff_weights (*kernel_size, ic / groups, oc)."""

    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int = 1

    def output_spec(self, *inputs: Spec) -> Spec:
        src, diff_dst = inputs
        weights = Spec((*self.kernel_size, src.shape[-1] // self.groups, diff_dst.shape[-1]), src.dtype)
        dst = _check(src, weights, self.strides, self.padding, self.dilation, self.groups)
        if diff_dst != dst:
            raise ValueError(
                f"`diff_dst` must be {dst}, what the convolution makes of {src} with {weights}; came {diff_dst}."
            )
        return weights

    def reference(self, *arrays: np.ndarray) -> Any:
        src, diff_dst = arrays
        spec = self.output_spec(spec_of(src), spec_of(diff_dst))
        wide = to_dtype(accumulator(spec.dtype))
        src, diff_dst = _padded(src.astype(wide, copy=False), self.padding), diff_dst.astype(wide, copy=False)
        groups, per_group, oc = self.groups, spec.shape[-2], spec.shape[-1]
        diff_weights = np.empty(spec.shape, wide)
        rows = diff_dst.reshape(-1, oc)
        grouped = np.ascontiguousarray(_by_group(diff_dst, groups))
        for tap, window in _taps(self.kernel_size, diff_dst.shape[1:-1], self.strides, self.dilation):
            seen = src[window]
            if groups == 1:
                diff_weights[tap] = seen.reshape(-1, per_group).T @ rows
            elif per_group == 1:
                diff_weights[tap] = np.einsum(
                    "pg,pgm->gm", seen.reshape(-1, groups), rows.reshape(-1, groups, oc // groups)
                ).reshape(1, oc)
            else:
                parts = _by_group(seen, groups).swapaxes(1, 2) @ grouped
                diff_weights[tap] = parts.swapaxes(0, 1).reshape(per_group, oc)
        return diff_weights.astype(to_dtype(spec.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (src, diff_dst), (d,) = inputs, diff_outputs
        spatial = spec_of(src).shape[1:-1]
        return [
            apply(ConvolutionGradientSrc(spatial, self.strides, self.padding, self.dilation, self.groups), diff_dst, d),
            apply(Convolution(self.strides, self.padding, self.dilation, self.groups), src, d),
        ]


def convolution(
    src: Any,
    weights: Any,
    strides: int | Sequence[int] = 1,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Any:
    """Convolution of src (n, *i, ic) with weights (*k, ic / groups, oc).

    `padding`: "valid", "same", "causal", or what `geometry.resolve_padding` takes. Example, a line detector in one
    dimension: `convolution(x[None, :, None], array([0, 1, 0])[:, None, None])`.
    """
    spatial, kernel = spec_of(src).shape[1:-1], spec_of(weights).shape[:-2]
    if len(spatial) != len(kernel) or not spatial:
        raise ValueError(
            "`src` (batch, *spatial, channels) and `weights` (*kernel, channels / groups, filters) need one rank of 3 "
            "or more; "
            f"came {spec_of(src)} and {spec_of(weights)}."
        )
    strides, dilation = per_axis(strides, len(spatial), "strides"), per_axis(dilation, len(spatial), "dilation")
    return apply(
        Convolution(strides, resolve_padding(padding, spatial, kernel, strides, dilation), dilation, groups),
        src,
        weights,
    )


def transposed_convolution(
    src: Any,
    weights: Any,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    output_padding: int | Sequence[int] | None = None,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Any:
    """Transposed convolution of src (n, *i, ic) with weights (*k, filters / groups, ic): the adjoint of a convolution
    of these strides.

    Output sizes are Keras's: see `geometry.transposed_geometry`.
    """
    spatial, kernel = spec_of(src).shape[1:-1], spec_of(weights).shape[:-2]
    rank = len(spatial)
    if len(kernel) != rank or not rank:
        raise ValueError(
            f"`src` (batch, *spatial, channels) and `weights` (*kernel, filters, channels) need one rank of 3 or more; "
            f"came {spec_of(src)} and {spec_of(weights)}."
        )
    strides, dilation = per_axis(strides, rank, "strides"), per_axis(dilation, rank, "dilation")
    extra = (
        (output_padding,) * rank if output_padding is None or isinstance(output_padding, int) else tuple(output_padding)
    )
    sizes, crops, after = [], [], []
    for n, k, s, p, d in zip(spatial, kernel, strides, extra, dilation, strict=True):
        size, (low, high) = transposed_geometry(n, k, s, padding, p, d)
        beyond = max(-high - s + 1, 0)  # zeros that no forward convolution with n outputs would leave unread
        sizes.append(size - beyond)
        crops.append((low, max(high, 0)))
        after.append((0, beyond))
    dst = apply(ConvolutionGradientSrc(tuple(sizes), strides, tuple(crops), dilation, groups), src, weights)
    return shaping.pad(dst, [(0, 0), *after, (0, 0)])
