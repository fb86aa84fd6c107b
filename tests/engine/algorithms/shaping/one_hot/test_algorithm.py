"""One-hot rows, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.ops import shaping as s
from tests.engine.graphs import compare


@pytest.mark.parametrize("dtype", ["float32", "bool", "int32", "uint8"])
def test_one_hot(dtype: str) -> None:
    compare(lambda i: s.one_hot(i, 19, dtype), np.array([[0, 18], [19, -1], [7, 2**31 - 1]], np.int32))
