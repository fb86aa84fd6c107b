"""The filters of a layer and what they make of an input, as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from .colours import Pixels, grey, signed
from .pictures import enlarge, mosaic


def filter_pictures(
    kernel: Any, channel: int = 0, scale: int = 1, columns: int | None = None, limit: float | None = None
) -> Pixels:
    """One tile per filter of a convolution's kernel, on one zero-centred scale for all of them.

    Args:
        kernel: `(height, width, channels, filters)`, as Keras keeps it.
        channel: the input channel to show.
        scale: pixels per weight.
        columns: tiles per row.
        limit: the weight that gets the full colour; the largest of those shown if None.
    """
    weights = np.asarray(kernel)
    if weights.ndim != 4 or not -weights.shape[2] <= channel < weights.shape[2]:
        raise ValueError(
            f"kernel: expected (height, width, channels, filters) with a channel {channel}, received shape "
            f"{weights.shape}"
        )
    shown = weights[:, :, channel]
    limit = float(np.abs(shown).max()) if limit is None else limit
    tiles = [enlarge(signed(shown[..., f], limit), scale) for f in range(shown.shape[-1])]
    return mosaic(tiles, columns, gap=max(1, scale // 3))


def feature_maps(maps: Any, scale: int = 1, columns: int | None = None) -> Pixels:
    """One tile per channel of `maps` `(height, width, channels)`, on one scale for all: grey if none is negative, else
    zero-centred."""
    values = np.asarray(maps)
    if values.ndim != 3:
        raise ValueError(
            f"maps: expected (height, width, channels), received shape {values.shape}; for a batch pass one item, "
            "maps[0]"
        )
    low, high = float(values.min()), float(values.max())
    pixels = grey(values, 0, high) if low >= 0 else signed(values, max(-low, high))
    return mosaic([enlarge(pixels[:, :, c], scale) for c in range(values.shape[-1])], columns)
