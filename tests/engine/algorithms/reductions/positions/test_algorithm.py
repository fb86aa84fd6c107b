"""Positions of extremes, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.ops import reduction as r
from tests.engine.graphs import compare

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_arg_reductions(dtype: str, axis: int) -> None:
    """Ties go to the first."""
    x = RNG.integers(0, 6, (4, 33, 18)).astype(dtype)
    compare(lambda x: (r.argmax(x, axis), r.argmin(x, axis, keepdims=True)), x)
