"""Resizing of the spatial axes of (n, *i, c): each axis is multiplied by a matrix that says how outputs mix inputs.

The centre of output pixel `o` lies at `(o + 1/2) · in / out - 1/2` in input pixels; weights that would fall outside
are dropped and the others scaled to sum 1. With `antialias`, a kernel that shrinks is widened by in / out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from simplecell.ops.arguments import require_inexact
from simplecell.ops.base import Op, Spec, apply, spec_of
from simplecell.ops.dtypes import accumulator, to_dtype


def _bicubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -1/2."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


_KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bilinear": lambda x: np.maximum(1 - x, 0),
    "bicubic": _bicubic,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}
METHODS = ("nearest", *_KERNELS)


def nearest_sources(size: int, out: int) -> np.ndarray:
    """The input element that each output takes: the one that its centre lies in."""
    return np.minimum(((np.arange(out) + 0.5) * size / out).astype(np.int64), size - 1)


@lru_cache(maxsize=256)
def axis_weights(size: int, out: int, method: str, antialias: bool = False) -> np.ndarray:
    """Matrix (out, size) in float64 whose rows say how each output mixes the inputs (read-only)."""
    if method == "nearest":
        weights = np.zeros((out, size))
        weights[np.arange(out), nearest_sources(size, out)] = 1
    else:
        stretch = max(size / out, 1) if antialias else 1.0
        centres = (np.arange(out) + 0.5) * size / out - 0.5
        weights = _KERNELS[method](np.abs(centres[:, None] - np.arange(size)) / stretch)
        total = weights.sum(1, keepdims=True)
        weights = np.where(np.abs(total) > 1e-6, weights / np.where(total == 0, 1, total), 0)
        weights *= ((centres >= -0.5) & (centres <= size - 0.5))[:, None]
    weights.setflags(write=False)
    return weights


def _check(size: Sequence[int], spatial: Sequence[int], method: str, spec: Spec) -> None:
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}; came {method!r}.")
    if len(size) != len(spec.shape) - 2 or len(spatial) != len(size) or not size:
        raise ValueError(
            f"`size` must have one entry per axis between the first and the last of {spec}; came {tuple(size)}."
        )
    if min(*size, *spatial) < 1:
        raise ValueError(f"`resize` needs extents of at least 1; came {tuple(spatial)} to {tuple(size)}.")
    if method != "nearest":
        require_inexact("resize", spec)


def _mixed(x: np.ndarray, matrices: Sequence[np.ndarray | None]) -> np.ndarray:
    """Axis i + 1 of `x` multiplied by matrix i."""
    wide = to_dtype(accumulator(spec_of(x).dtype))
    y = x.astype(wide, copy=False)
    for axis, matrix in enumerate(matrices, start=1):
        if matrix is not None:
            y = np.moveaxis(np.tensordot(y, matrix.astype(wide), (axis, 1)), -1, axis)
    return np.ascontiguousarray(y).astype(x.dtype, copy=False)


@dataclass(frozen=True)
class Resize(Op):
    """(n, *i, c) → (n, *size, c). Methods: nearest, bilinear, bicubic, lanczos3, lanczos5."""

    size: tuple[int, ...]
    method: str = "bilinear"
    antialias: bool = False

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        _check(self.size, x.shape[1:-1], self.method, x)
        return Spec((x.shape[0], *self.size, x.shape[-1]), x.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        (x,) = arrays
        self.output_spec(spec_of(x))
        if self.method == "nearest":
            for axis, out in enumerate(self.size, start=1):
                x = np.take(x, nearest_sources(x.shape[axis], out), axis)
            return x
        sizes = zip(x.shape[1:-1], self.size, strict=True)
        return _mixed(x, [None if n == m else axis_weights(n, m, self.method, self.antialias) for n, m in sizes])

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [apply(ResizeGradient(spec_of(inputs[0]).shape[1:-1], self.method, self.antialias), diff_outputs[0])]


@dataclass(frozen=True)
class ResizeGradient(Op):
    """diff_dst (n, *size, c) → diff_src (n, *src_spatial, c), by the transposed matrices."""

    src_spatial: tuple[int, ...]
    method: str = "bilinear"
    antialias: bool = False

    def output_spec(self, *inputs: Spec) -> Spec:
        (d,) = inputs
        _check(d.shape[1:-1], self.src_spatial, self.method, d)
        return Spec((d.shape[0], *self.src_spatial, d.shape[-1]), d.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        (d,) = arrays
        self.output_spec(spec_of(d))
        sizes = zip(self.src_spatial, d.shape[1:-1], strict=True)
        return _mixed(d, [None if n == m else axis_weights(n, m, self.method, self.antialias).T for n, m in sizes])

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [apply(Resize(spec_of(inputs[0]).shape[1:-1], self.method, self.antialias), diff_outputs[0])]


def resize(x: Any, size: Sequence[int], method: str = "bilinear", antialias: bool = False) -> Any:
    """(n, *i, c) at another spatial size."""
    size = tuple(int(n) for n in size)
    return x if spec_of(x).shape[1:-1] == size else apply(Resize(size, method, antialias), x)
