"""Running sums and products, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.ops import reduction as r
from tests.engine.graphs import compare, draw

RNG = np.random.default_rng(11)


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return draw(RNG, shape, dtype)


@pytest.mark.parametrize("dtype", ["float32", "int32", "float64"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_cumulative(dtype: str, reverse: bool, axis: int) -> None:
    x = array(4, 7, 18, dtype=dtype)
    compare(lambda x: (r.cumsum(x, axis, reverse), r.cumprod(x, axis, reverse)), x, rtol=1e-5, atol=1e-4)
