"""Max and average pooling over the spatial axes of (n, *i, c), and their adjoints. What is padded never takes part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from simplecell.ops import elementwise as ew
from simplecell.ops import shaping
from simplecell.ops.base import Op, Spec, apply, spec_of
from simplecell.ops.dtypes import accumulator, is_floating, is_integer, to_dtype
from simplecell.ops.geometry import Padding, Pairs, output_size, per_axis, resolve_padding


def _pooled(what: str, src: Spec, size: tuple[int, ...], strides: tuple[int, ...], padding: Pairs) -> Spec:
    rank = len(src.shape) - 2
    if not rank == len(size) == len(strides) == len(padding) or rank < 1:
        raise ValueError(
            f"`{what}` pools the axes between the first and the last: `size` {size}, `strides` {strides} and `padding` "
            f"{padding} "
            f"need {max(rank, 1)} entries for {src}."
        )
    if (
        min(size) < 1
        or min(strides) < 1
        or any(lo < 0 or hi < 0 or lo >= k or hi >= k for (lo, hi), k in zip(padding, size, strict=True))
    ):
        raise ValueError(
            f"`{what}` needs size and strides of at least 1, and padding below the size; came {size}, {strides}, "
            f"{padding}."
        )
    spatial = tuple(map(output_size, src.shape[1:-1], size, strides, padding))
    if min(spatial) < 1:
        raise ValueError(
            f"The window {size} of `{what}` does not fit into {src} with padding {padding}. Make it smaller, or "
            'padding "same".'
        )
    return Spec((src.shape[0], *spatial, src.shape[-1]), src.dtype)


def _windows(size: Sequence[int], out: Sequence[int], strides: Sequence[int]) -> list[tuple[slice, ...]]:
    """For each place in the window, the slices of padded src that stand there: one element per output."""
    return [
        (slice(None), *(slice(t, t + (o - 1) * s + 1, s) for t, o, s in zip(tap, out, strides, strict=True)))
        for tap in product(*map(range, size))
    ]


def lowest(dtype: str) -> Any:
    """The value that no maximum prefers to another."""
    if is_integer(dtype):
        return np.iinfo(to_dtype(dtype)).min
    return False if dtype == "bool" else -np.inf


def _surrounded(x: np.ndarray, padding: Pairs, value: Any) -> np.ndarray:
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value) if any(map(any, padding)) else x


def _inside(x: np.ndarray, spatial: Sequence[int], padding: Pairs) -> np.ndarray:
    return np.ascontiguousarray(
        x[(slice(None), *(slice(lo, lo + n) for n, (lo, _) in zip(spatial, padding, strict=True)))]
    )


def window_counts(spatial: Sequence[int], size: Sequence[int], strides: Sequence[int], padding: Pairs) -> np.ndarray:
    """How many elements that are not padding each window holds: an array of the output's spatial shape (float64)."""
    counts = np.ones(())
    for n, k, s, (lo, hi) in zip(spatial, size, strides, padding, strict=True):
        start = np.arange(output_size(n, k, s, (lo, hi))) * s - lo
        counts = counts[..., None] * (np.minimum(start + k, n) - np.maximum(start, 0))
    return counts


@dataclass(frozen=True)
class MaxPool(Op):
    """Largest element of each window; padding counts as -inf."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs

    def output_spec(self, *inputs: Spec) -> Spec:
        return _pooled("max_pool", inputs[0], self.size, self.strides, self.padding)

    def reference(self, *arrays: np.ndarray) -> Any:
        (src,) = arrays
        spec = self.output_spec(spec_of(src))
        padded = _surrounded(src, self.padding, lowest(spec.dtype))
        first, *others = _windows(self.size, spec.shape[1:-1], self.strides)
        dst = padded[first].copy()
        for window in others:
            np.maximum(dst, padded[window], out=dst)
        return dst

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [apply(MaxPoolGradient(self.size, self.strides, self.padding), inputs[0], outputs[0], diff_outputs[0])]


@dataclass(frozen=True)
class MaxPoolGradient(Op):
    """(src, dst, diff_dst) → diff_src: each output's gradient goes to the first (in row-major order) largest of its
    window."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs

    def output_spec(self, *inputs: Spec) -> Spec:
        src, dst, diff_dst = inputs
        need = _pooled("max_pool", src, self.size, self.strides, self.padding)
        if dst != need or diff_dst != need:
            raise ValueError(
                f"`dst` and `diff_dst` must be {need}, what the pooling makes of {src}; came {dst} and {diff_dst}."
            )
        return src

    def reference(self, *arrays: np.ndarray) -> Any:
        src, dst, diff_dst = arrays
        spec = self.output_spec(*map(spec_of, arrays))
        padded = _surrounded(src, self.padding, lowest(spec.dtype))
        diff = np.zeros(padded.shape, to_dtype(accumulator(spec.dtype)))
        free = np.ones(dst.shape, bool)
        for window in _windows(self.size, dst.shape[1:-1], self.strides):
            won = free & (padded[window] == dst)
            diff[window] += np.where(won, diff_dst, 0)
            free &= ~won
        return _inside(diff, src.shape[1:-1], self.padding).astype(to_dtype(spec.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (src, dst, _), (d,) = inputs, diff_outputs
        spec, out = spec_of(src), spec_of(dst).shape
        widths = [(0, 0), *self.padding, (0, 0)]
        x, g = shaping.pad(src, widths, value=-math.inf), shaping.pad(d, widths)
        picked = shaping.full(out, 0, spec.dtype)
        for window in reversed(
            _windows(self.size, out[1:-1], self.strides)
        ):  # the first of equals is asked last, and stays
            start = (0, *(w.start for w in window[1:]), 0)
            stop = (out[0], *(w.stop for w in window[1:]), out[-1])
            step = (1, *self.strides, 1)
            here = ew.equal(shaping.strided_slice(x, start, stop, step), dst)
            picked = ew.select(here, shaping.strided_slice(g, start, stop, step), picked)
        return [None, None, picked]


@dataclass(frozen=True)
class AveragePool(Op):
    """Mean of each window; padding is not counted."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs

    def output_spec(self, *inputs: Spec) -> Spec:
        if not is_floating(inputs[0].dtype):
            raise ValueError(f"`average_pool` needs a floating dtype; came {inputs[0]}. Convert with `cast` first.")
        return _pooled("average_pool", inputs[0], self.size, self.strides, self.padding)

    def reference(self, *arrays: np.ndarray) -> Any:
        (src,) = arrays
        spec = self.output_spec(spec_of(src))
        wide = to_dtype(accumulator(spec.dtype))
        padded = _surrounded(src.astype(wide, copy=False), self.padding, 0)
        dst = np.zeros(spec.shape, wide)
        for window in _windows(self.size, spec.shape[1:-1], self.strides):
            dst += padded[window]
        counts = window_counts(src.shape[1:-1], self.size, self.strides, self.padding)
        return (dst / counts[..., None].astype(wide)).astype(to_dtype(spec.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        spatial = spec_of(inputs[0]).shape[1:-1]
        return [apply(AveragePoolGradient(spatial, self.size, self.strides, self.padding), diff_outputs[0])]


@dataclass(frozen=True)
class AveragePoolGradient(Op):
    """diff_dst → diff_src (n, *src_spatial, c): each output's gradient is shared evenly by the elements of its
    window."""

    src_spatial: tuple[int, ...]
    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs

    def output_spec(self, *inputs: Spec) -> Spec:
        (diff_dst,) = inputs
        src = Spec((diff_dst.shape[0], *self.src_spatial, diff_dst.shape[-1]), diff_dst.dtype)
        need = _pooled("average_pool", src, self.size, self.strides, self.padding)
        if diff_dst != need:
            raise ValueError(f"`diff_dst` must be {need}, what the pooling makes of {src}; came {diff_dst}.")
        return src

    def reference(self, *arrays: np.ndarray) -> Any:
        (diff_dst,) = arrays
        spec = self.output_spec(spec_of(diff_dst))
        wide = to_dtype(accumulator(spec.dtype))
        counts = window_counts(self.src_spatial, self.size, self.strides, self.padding)
        share = diff_dst.astype(wide, copy=False) / counts[..., None].astype(wide)
        padded = [n + lo + hi for n, (lo, hi) in zip(self.src_spatial, self.padding, strict=True)]
        diff = np.zeros((spec.shape[0], *padded, spec.shape[-1]), wide)
        for window in _windows(self.size, diff_dst.shape[1:-1], self.strides):
            diff[window] += share
        return _inside(diff, self.src_spatial, self.padding).astype(to_dtype(spec.dtype), copy=False)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [apply(AveragePool(self.size, self.strides, self.padding), diff_outputs[0])]


def _arguments(
    src: Any, size: int | Sequence[int], strides: int | Sequence[int] | None, padding: Padding
) -> tuple[tuple[int, ...], tuple[int, ...], Pairs]:
    spatial = spec_of(src).shape[1:-1]
    size = per_axis(size, len(spatial), "size")
    strides = size if strides is None else per_axis(strides, len(spatial), "strides")
    return size, strides, resolve_padding(padding, spatial, size, strides)


def max_pool(
    src: Any, size: int | Sequence[int], strides: int | Sequence[int] | None = None, padding: Padding = "valid"
) -> Any:
    """Largest element of each window of (n, *i, c). `strides` default to `size`; `padding` as in `convolution`."""
    return apply(MaxPool(*_arguments(src, size, strides, padding)), src)


def average_pool(
    src: Any, size: int | Sequence[int], strides: int | Sequence[int] | None = None, padding: Padding = "valid"
) -> Any:
    """Mean of each window of (n, *i, c), padding not counted. `strides` default to `size`; `padding` as in
    `convolution`."""
    return apply(AveragePool(*_arguments(src, size, strides, padding)), src)
