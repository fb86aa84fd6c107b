"""The maps of one layer as one small picture, whatever their rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from .colours import Pixels, grey, signed
from .pictures import enlarge, mosaic, shrink


def thumbnail(maps: Any, most: int = 16, size: int = 48, columns: int | None = None) -> Pixels:
    """The first maps of a layer, on one scale for all of them: grey from 0 if none is negative, else blue to red around
    a white 0.

    Args:
        maps: `(*spatial, channels)`: a picture's maps side by side; a signal's as strips, one below the other; of a
            volume the middle slices; a vector as one strip.
        most: how many maps are shown.
        size: pixels of a map's longer side, about: small ones are enlarged by a whole number.

    Raises:
        ValueError: for no values.
    """
    array = np.asarray(maps, np.float64)
    if not array.size:
        raise ValueError(f"maps: must hold values, got shape {array.shape}.")
    finite = array[np.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)

    def painted(values: Any) -> Pixels:
        return grey(values, 0, high) if low >= 0 else signed(values, max(-low, high))

    if array.ndim == 1:
        return enlarge(painted(array[None, : most * size]), max(1, min(8, most * size // max(1, array.shape[0]))))
    array = array[..., :most]
    while array.ndim > 3:
        array = array[array.shape[0] // 2]
    if array.ndim == 2:
        strips = painted(array.T)
        wide = max(1, 4 * size // strips.shape[1])
        rows = strips.repeat(6, axis=0).repeat(wide, axis=1)
        return rows if rows.shape[1] <= 8 * size else shrink(rows, 8 * size, rows.shape[0])
    h, w = array.shape[:2]
    factor = max(1, size // max(h, w))
    tiles = [shrink(enlarge(painted(array[..., c]), factor), size, size) for c in range(array.shape[-1])]
    return mosaic(tiles, columns or min(len(tiles), 16), gap=2)
