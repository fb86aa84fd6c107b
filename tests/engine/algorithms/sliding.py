"""Sliding windows in plain NumPy, and the arguments of the kernels that slide them: shared by the tests of depthwise
and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from simplecell.engine.code.window import WindowColumns, plan_columns


@dataclass(frozen=True)
class Window:
    """Sizes along depth, height, width."""

    size: tuple[int, int, int]
    taps: tuple[int, int, int]
    strides: tuple[int, int, int] = (1, 1, 1)
    dilation: tuple[int, int, int] = (1, 1, 1)
    padding: tuple[tuple[int, int], ...] = ((0, 0), (0, 0), (0, 0))

    @property
    def outputs(self) -> tuple[int, int, int]:
        sizes = zip(self.size, self.taps, self.strides, self.dilation, self.padding)
        d, h, w = ((i + sum(p) - (k - 1) * r - 1) // s + 1 for i, k, s, r, p in sizes)
        return d, h, w

    def slices(self) -> Iterator[tuple[tuple[int, int, int], tuple[slice, ...]]]:
        """Each tap, and where it reads in the padded source, for all outputs at once."""
        for tap in product(*(range(k) for k in self.taps)):
            places = zip(tap, self.dilation, self.strides, self.outputs)
            yield tap, (slice(None), *(slice(t * r, t * r + (o - 1) * s + 1, s) for t, r, s, o in places))

    def padded(self, src: np.ndarray, value: float) -> np.ndarray:
        return np.pad(src, ((0, 0), *self.padding, (0, 0)), constant_values=value)

    def arguments(self, n: int, ic: int, oc: int, block: int) -> dict[str, int]:
        """EXTENTS, WINDOW, STRIDES and the columns' run-time arguments."""
        (d, h, w), (od, oh, ow) = self.size, self.outputs
        letters = {"k": self.taps, "s": self.strides, "d": self.dilation, "p": tuple(p[0] for p in self.padding)}
        found = {letter + axis: v for letter, values in letters.items() for axis, v in zip("dhw", values)}
        found |= dict(
            n=n, od=od, oh=oh, ow=ow, id=d, ih=h, iw=w, channels=oc, block=block, strip=max(block // 2 // 16 * 16, 16)
        )
        found |= dict(src_image=d * h * w * ic, src_plane=h * w * ic, src_row=w * ic, src_pixel=ic)
        found |= dict(dst_image=od * oh * ow * oc, dst_plane=oh * ow * oc, dst_row=ow * oc, dst_pixel=oc)
        k = self.taps
        return found | dict(weights_plane=k[1] * k[2] * oc, weights_row=k[2] * oc, weights_column=oc)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def depthwise(src: np.ndarray, weights: np.ndarray, window: Window) -> np.ndarray:
    """In float64."""
    multiplier = weights.shape[-1] // src.shape[-1]
    padded = window.padded(np.repeat(src.astype(np.float64), multiplier, axis=-1), 0)
    return sum(padded[places] * weights[tap][0] for tap, places in window.slices())


def depthwise_weights(src: np.ndarray, diff: np.ndarray, window: Window) -> np.ndarray:
    multiplier = diff.shape[-1] // src.shape[-1]
    padded = window.padded(np.repeat(src.astype(np.float64), multiplier, axis=-1), 0)
    out = np.zeros((*window.taps, 1, diff.shape[-1]))
    for tap, places in window.slices():
        out[tap] = (padded[places] * diff).sum(axis=(0, 1, 2, 3))
    return out


def planned(window: Window, most: int = 7) -> WindowColumns:
    (_, _, iw), (_, _, ow) = window.size, window.outputs
    columns = plan_columns(window.taps[2], window.strides[2], window.dilation[2], window.padding[2][0], iw, ow, most)
    assert isinstance(columns, WindowColumns), columns
    return columns
