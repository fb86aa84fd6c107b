"""Pictures, numbers and signals drawn with characters, for rich to print."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .colours import Pixels
from .pictures import shrink

if TYPE_CHECKING:
    from rich.text import Text

_SHADES = " .:-=+*#%@"
_BARS = "▁▂▃▄▅▆▇█"


def picture(pixels: Pixels, width: int = 40, height: int = 40, colours: bool = True, paper: bool = False) -> Text:
    """A picture of at most `width` columns and `height / 2` lines.

    Every character is an upper half block, its foreground the upper and its background the lower pixel.
    Without `colours` (a file, a plain terminal) brightness becomes one of ten characters, two pixels high; with
    `paper`, darkness does.
    """
    from rich.text import Text

    small = shrink(pixels, width, height)
    if len(small) % 2:
        small = np.concatenate([small, small[-1:]])
    text = Text(no_wrap=True)
    for y in range(0, len(small), 2):
        if y:
            text.append("\n")
        for upper, lower in zip(small[y], small[y + 1]):
            if colours:
                text.append("▀", style=f"{_hex(upper)} on {_hex(lower)}")
            else:
                brightness = (upper.astype(float) + lower) @ (0.299, 0.587, 0.114) / 2
                text.append(_SHADES[int((255 - brightness if paper else brightness) / 256 * len(_SHADES))])
    return text


def numbers(values: Any, paint: Callable[[Any], Pixels], form: Callable[[float], str], colours: bool = True) -> Text:
    """A matrix (or a row) as numbers, each on the colour that `paint` gives it."""
    from rich.text import Text

    array = np.atleast_2d(np.asarray(values))
    pixels = paint(array)
    width = max(len(form(v)) for v in array.ravel())
    text = Text(no_wrap=True)
    for y, row in enumerate(array):
        if y:
            text.append("\n")
        for x, value in enumerate(row):
            rgb = pixels[y, x]
            ink = "#000000" if rgb @ np.array([0.299, 0.587, 0.114]) > 128 else "#ffffff"
            text.append(f" {form(value).rjust(width)} ", style=f"{ink} on {_hex(rgb)}" if colours else "")
    return text


def sparkline(values: Any, width: int = 72) -> str:
    """A signal as one line of bars; each bar is the largest of the values that fall together.

    >>> from simplecell.plotting import sparkline
    >>> sparkline([0, 1, 2, 3])
    '▁▃▆█'
    """
    array = np.asarray(values, np.float64).ravel()
    edges = np.linspace(0, len(array), min(width, len(array)) + 1).astype(int)
    peaks = np.array([array[a:b].max() for a, b in zip(edges, edges[1:])])
    low, high = peaks.min(), peaks.max()
    level = (
        np.zeros(len(peaks), int)
        if high == low
        else np.round((peaks - low) / (high - low) * (len(_BARS) - 1)).astype(int)
    )
    return "".join(_BARS[i] for i in level)


def _hex(rgb: Any) -> str:
    return f"#{int(rgb[0]):02x}{int(rgb[1]):02x}{int(rgb[2]):02x}"
