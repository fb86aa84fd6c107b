"""A head in three dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._files import open_sample

TISSUES = ("other", "grey matter", "white matter")
"""The names of the labels of `brain_tissue()`."""


def _volume(key: str) -> NDArray[np.uint8]:
    with open_sample("brain.npz") as file, np.load(file, allow_pickle=False) as archive:
        voxels: NDArray[np.uint8] = archive[key]
    return voxels


def brain() -> NDArray[np.float32]:
    """A magnetic resonance image (T1-weighted) of a brain, the average of 152 people, in voxels of 3 mm.

    Returns:
        `(52, 61, 49)` float32 between 0 and 1: slices from top to bottom, rows from front to back, columns from left to
        right.

    Source: ICBM 152 non-linear symmetric template 2009a, McConnell Brain Imaging Centre; permissive licence, in
    `files/LICENCES.md`.

    >>> from simplecell.data import brain
    >>> brain().ndim
    3
    """
    return _volume("t1").astype(np.float32) / np.float32(255)


def brain_tissue() -> NDArray[np.uint8]:
    """What each voxel of `brain()` mostly is: 0 other, 1 grey matter, 2 white matter (`TISSUES`), of the same shape,
    uint8.

    Source: the grey- and white-matter probability maps of the same template, and its licence.

    >>> from simplecell.data import brain_tissue
    >>> int(brain_tissue().max())
    2
    """
    return _volume("tissue")
