"""Pixels as pictures: enlarged, shrunk, side by side, and as PNG."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import numpy as np

from .colours import Pixels

PAPER = (255, 255, 255)


def enlarge(pixels: Pixels, factor: int) -> Pixels:
    """Each pixel becomes a square of `factor` × `factor`: small arrays stay readable as numbers."""
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def shrink(pixels: Pixels, width: int, height: int) -> Pixels:
    """At most `width` × `height`, keeping the proportions; means of the pixels that fall together. Never enlarges."""
    h, w = pixels.shape[:2]
    scale = min(width / w, height / h, 1)
    if scale == 1:
        return pixels
    from PIL import Image

    size = max(1, round(w * scale)), max(1, round(h * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def mosaic(
    tiles: Sequence[Pixels], columns: int | None = None, gap: int = 1, background: tuple[int, int, int] = PAPER
) -> Pixels:
    """Pictures of one size in rows of `columns` (about twice as wide as high if None), `gap` pixels apart.

    Raises:
        ValueError: if there are none, or their sizes differ.

    >>> import numpy as np
    >>> from simplecell.plotting import mosaic
    >>> mosaic([np.zeros((3, 3, 3), np.uint8)] * 6, columns=3).shape
    (7, 11, 3)
    """
    shapes = {tile.shape for tile in tiles}
    if len(shapes) != 1:
        raise ValueError(
            f"tiles: expected pictures of one size, received {len(tiles)} of sizes {sorted(s[:2] for s in shapes)}"
        )
    h, w = tiles[0].shape[:2]
    columns = columns or max(1, min(len(tiles), round((2 * len(tiles) * h / w) ** 0.5)))
    rows = -(-len(tiles) // columns)
    sheet = np.empty((rows * (h + gap) - gap, columns * (w + gap) - gap, 3), np.uint8)
    sheet[:] = background
    for i, tile in enumerate(tiles):
        y, x = i // columns * (h + gap), i % columns * (w + gap)
        sheet[y : y + h, x : x + w] = tile
    return sheet


def png(pixels: Pixels) -> bytes:
    """The picture as a PNG file."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def data_uri(picture: bytes) -> str:
    """A PNG as text that a page can hold in itself."""
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
