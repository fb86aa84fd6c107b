"""channels_first around ops that know channels last alone."""

from __future__ import annotations

from typing import Any

from simplecell.ops import shaping


def to_channels_last(x: Any, data_format: str) -> Any:
    """(n, c, *spatial) → (n, *spatial, c), if `data_format` says so."""
    if data_format == "channels_last":
        return x
    return shaping.transpose(x, (0, *range(2, len(x.shape)), 1))


def from_channels_last(x: Any, data_format: str) -> Any:
    """(n, *spatial, c) → (n, c, *spatial), if `data_format` says so."""
    if data_format == "channels_last":
        return x
    return shaping.transpose(x, (0, len(x.shape) - 1, *range(1, len(x.shape) - 1)))
