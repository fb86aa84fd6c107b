"""The first hand-made filters, by name.

Each is written as the picture that it responds to when it slides over an image as cross-correlation, which is what
convolution layers compute: it is laid on the image as it stands here, not flipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_DIFFERENCE = (-1, 0, 1)
_BINOMIAL = (1, 2, 1)
_MEAN = (1, 1, 1)


def _array(values: object) -> Array:
    return np.array(values, np.float32)


def _outer(*factors: Sequence[float]) -> Array:
    """A separable filter: the product of one factor per axis."""
    result = _array(factors[0])
    for factor in factors[1:]:
        result = result[..., None] * _array(factor)
    return result


def _laplacian(rank: int) -> Array:
    """Sum of the second differences along all axes: neighbours minus what stands in the middle."""
    result = np.zeros((3,) * rank, np.float32)
    for axis in range(rank):
        index: list[int] = [1] * rank
        for side in (0, 2):
            index[axis] = side
            result[tuple(index)] = 1
    result[(1,) * rank] = -2 * rank
    return result


def _spot(rank: int) -> Array:
    result = np.zeros((3,) * rank, np.float32)
    result[(1,) * rank] = 1
    return result


def _bump(rank: int) -> Array:
    """The binomial approximation of a Gaussian of deviation 0.7; its sum is 1."""
    return _outer(*[_BINOMIAL] * rank) / np.float32(4**rank)


_1D: dict[str, Array] = {
    "line_1d": _spot(1),
    "step_1d": _array(_DIFFERENCE),
    "bump": _bump(1),
    "laplacian": _laplacian(1),
}

_2D: dict[str, Array] = {
    # the textbook's line detectors: the sum of the brightness along the line
    "vertical": _array([[0, 1, 0], [0, 1, 0], [0, 1, 0]]),
    "horizontal": _array([[0, 0, 0], [1, 1, 1], [0, 0, 0]]),
    "diagonal": _array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "antidiagonal": _array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]),
    # the same as line masks whose sum is 0: they compare the line with both of its sides, and stay silent where the
    # picture is even
    "vertical_line": _array([[-1, 2, -1], [-1, 2, -1], [-1, 2, -1]]),
    "horizontal_line": _array([[-1, -1, -1], [2, 2, 2], [-1, -1, -1]]),
    "diagonal_line": _array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]),
    "antidiagonal_line": _array([[-1, -1, 2], [-1, 2, -1], [2, -1, -1]]),
    # edges: x grows to the right, y downwards, so dark-to-bright in that direction is positive
    "sobel_x": _outer(_BINOMIAL, _DIFFERENCE),
    "sobel_y": _outer(_DIFFERENCE, _BINOMIAL),
    "prewitt_x": _outer(_MEAN, _DIFFERENCE),
    "prewitt_y": _outer(_DIFFERENCE, _MEAN),
    "laplacian": _laplacian(2),
    "bump": _bump(2),
}

_3D: dict[str, Array] = {
    "sobel_x": _outer(_BINOMIAL, _BINOMIAL, _DIFFERENCE),
    "sobel_y": _outer(_BINOMIAL, _DIFFERENCE, _BINOMIAL),
    "sobel_z": _outer(_DIFFERENCE, _BINOMIAL, _BINOMIAL),
    "prewitt_x": _outer(_MEAN, _MEAN, _DIFFERENCE),
    "prewitt_y": _outer(_MEAN, _DIFFERENCE, _MEAN),
    "prewitt_z": _outer(_DIFFERENCE, _MEAN, _MEAN),
    "laplacian": _laplacian(3),
    "bump": _bump(3),
}

_BY_RANK = {1: _1D, 2: _2D, 3: _3D}


def names(rank: int = 2) -> tuple[str, ...]:
    """The names of the hand-made filters for signals (`rank` 1), pictures (2) or volumes (3).

    >>> from simplecell.filters import names
    >>> names(1)
    ('line_1d', 'step_1d', 'bump', 'laplacian')
    """
    if rank not in _BY_RANK:
        raise ValueError(f"rank: expected 1, 2 or 3, received {rank!r}")
    return tuple(_BY_RANK[rank])


def named(name: str, rank: int = 2) -> Array:
    """The filter of that name: a new float32 array of 3 elements along each of `rank` axes.

    Args:
        name: one of `names(rank)`.
        rank: 1 for signals, 2 for pictures, 3 for volumes (axes z, y, x).

    Raises:
        ValueError: if there is none of that name; the message lists those there are.

    >>> from simplecell.filters import named
    >>> named("sobel_x")
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]], dtype=float32)
    """
    known = names(rank)
    if name not in known:
        raise ValueError(f"name: expected one of the {rank}-dimensional filters {', '.join(known)}; received {name!r}")
    return _BY_RANK[rank][name].copy()
