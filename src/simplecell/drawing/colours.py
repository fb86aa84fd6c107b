"""From numbers to colours. Signed numbers use a scale centred at zero, so that no colour ever means two things."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""`(height, width, 3)` red, green, blue from 0 to 255."""

# From the most negative to the most positive; both arms darken at the same pace, so that equal sizes weigh the same to
# the eye.
_SIGNED = np.array(
    [[15, 58, 112], [43, 119, 182], [139, 186, 219], [246, 246, 244], [243, 164, 119], [208, 71, 52], [118, 14, 36]],
    np.float64,
)
_NOT_A_NUMBER = np.array([160, 0, 200], np.float64)


def signed(values: Any, limit: float | None = None) -> Pixels:
    """Blue for negative, white for zero, red for positive numbers.

    Args:
        values: array `(height, width)` (any shape works: a colour axis is added).
        limit: the size that gets the full colour; the largest of `values` if None. Larger ones get the full colour too.

    Returns:
        uint8 of shape `(*values.shape, 3)`. NaN is purple.

    >>> from simplecell.plotting import signed
    >>> signed([[-1.0, 0.0, 1.0]])[0].tolist()
    [[15, 58, 112], [246, 246, 244], [118, 14, 36]]
    """
    array = np.asarray(values, np.float64)
    if limit is None:
        limit = float(np.nanmax(np.abs(array), initial=0, where=np.isfinite(array)))
    scaled = np.clip(array / limit, -1, 1) if limit > 0 else np.zeros_like(array)
    return _painted(array, (scaled + 1) / 2, _SIGNED)


def grey(values: Any, low: float | None = None, high: float | None = None) -> Pixels:
    """Black for `low` (the smallest of `values` if None) to white for `high` (the largest). NaN is purple.

    >>> from simplecell.plotting import grey
    >>> grey([[0.0, 2.0]])[0].tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    array = np.asarray(values, np.float64)
    finite = array[np.isfinite(array)]
    low = float(finite.min(initial=np.inf)) if low is None and finite.size else low or 0.0
    high = float(finite.max(initial=-np.inf)) if high is None and finite.size else high or 0.0
    scaled = np.clip((array - low) / (high - low), 0, 1) if high > low else np.zeros_like(array)
    return _painted(array, scaled, np.array([[0, 0, 0], [255, 255, 255]], np.float64))


def colour(values: Any) -> Pixels:
    """Red, green and blue between 0 and 1, shape `(…, 3)`, as pixels."""
    array = np.asarray(values, np.float64)
    if array.shape[-1] != 3:
        raise ValueError(
            f"values: expected a last axis of 3 (red, green, blue), received shape {array.shape}; use grey or signed "
            "for one channel"
        )
    return np.round(np.clip(np.nan_to_num(array), 0, 1) * 255).astype(np.uint8)


def _painted(array: NDArray[np.float64], position: NDArray[np.float64], stops: NDArray[np.float64]) -> Pixels:
    """Colours at `position` between 0 and 1 along the `stops`."""
    at = np.linspace(0, 1, len(stops))
    bad = np.isnan(array)
    position = np.where(bad, 0, position)
    pixels = np.stack([np.interp(position, at, stops[:, channel]) for channel in range(3)], axis=-1)
    pixels[bad] = _NOT_A_NUMBER
    return np.round(pixels).astype(np.uint8)
