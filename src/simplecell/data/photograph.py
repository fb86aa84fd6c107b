"""Two photographs, for filters to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._files import open_sample

_NAMES = ("coffee", "cat")


def photograph(name: str = "coffee", *, grey: bool = False) -> NDArray[np.float32]:
    """A photograph of 256 × 256 pixels.

    Args:
        name: `"coffee"`, a cup on a saucer with a spoon, full of clear edges; or `"cat"`, a face with whiskers and
            stripes.
        grey: the luminance alone (ITU-R 601: 0.299 red + 0.587 green + 0.114 blue) instead of three colours.

    Returns:
        `(256, 256, 3)` float32 red, green and blue between 0 and 1 (sRGB as stored), or `(256, 256)` with `grey=True`.

    Raises:
        ValueError: if there is no photograph of that name.

    Source: scikit-image's `coffee` (Rachel Michetti) and `chelsea` (Stéfan van der Walt), both CC0.

    >>> from simplecell.data import photograph
    >>> photograph().shape
    (256, 256, 3)
    """
    if name not in _NAMES:
        raise ValueError(f"name: expected one of {', '.join(map(repr, _NAMES))}, received {name!r}")
    from PIL import Image

    with open_sample(f"{name}.jpg") as file, Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.float32) / np.float32(255)
    if not grey:
        return pixels
    luminance: NDArray[np.float32] = np.dot(pixels, np.array([0.299, 0.587, 0.114], np.float32))
    return luminance
