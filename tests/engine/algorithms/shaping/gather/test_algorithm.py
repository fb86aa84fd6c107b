"""Gathering, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.ops import shaping as s
from tests.engine.graphs import compare, draw

RNG = np.random.default_rng(5)


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return draw(RNG, shape, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("index_dtype", ["int32", "int64", "uint8", "int8"])
def test_gather(dtype: str, index_dtype: str) -> None:
    """Negative indices count from the end; those out of range give NaN or 0 and touch no memory."""
    indices = np.array([[0, 4, 2], [1, 5, 100]], index_dtype)
    if index_dtype.startswith("int"):
        indices[0, 2], indices[1, 0] = -1, -6
    for axis in (0, 1):
        compare(
            lambda x, i, axis=axis: s.gather(x, i, axis),
            array(*((5, 37) if axis == 0 else (3, 5, 1)), dtype=dtype),
            indices,
        )


def test_gather_single_elements() -> None:
    compare(lambda x, i: s.gather(x, i, 1), array(3, 700), RNG.integers(-710, 710, (61, 21)).astype(np.int32))


def test_gather_with_hostile_indices() -> None:
    big = np.array([2**31 - 1, -(2**31), 2**30], np.int32)
    compare(lambda x, i: s.gather(x, i, 0), array(4, 3), big)
    compare(lambda x, i: s.gather(x, i, 0), array(4), big)
    compare(lambda x, i: s.gather(x, i, 0), array(4, 3), np.array([2**63 - 1, -(2**63), 0], np.int64))
    compare(lambda x, i: s.gather(x, i, 0), array(4, 3), np.array([2**64 - 1, 2**63, 3], np.uint64))


def test_nothing_gathered_or_nothing_to_gather() -> None:
    compare(lambda x, i: s.gather(x, i, 0), array(3, 4), np.zeros((0,), np.int32))
    compare(lambda x, i: s.gather(x, i, 0), array(0, 4), np.zeros((2,), np.int32))
