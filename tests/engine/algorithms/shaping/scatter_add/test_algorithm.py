"""Scattered rows, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.ops import shaping as s
from tests.engine.graphs import compare, draw

RNG = np.random.default_rng(5)


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return draw(RNG, shape, dtype)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_scatter_add(dtype: str) -> None:
    indices = np.array([3, 1, 3, -1, 9, -8, 0, 3], np.int32)
    compare(lambda i, u: s.scatter_add(i, u, (4, 35), 0), indices, array(8, 35, dtype=dtype), rtol=1e-6, atol=1e-4)
    compare(lambda i, u: s.scatter_add(i, u, (3, 4, 2), 1), indices, array(3, 8, 2, dtype=dtype), rtol=1e-6, atol=1e-4)
