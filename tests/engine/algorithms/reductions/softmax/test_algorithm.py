"""Softmax, against its reference."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.ops import activation
from tests.engine.graphs import compare, draw

RNG = np.random.default_rng(11)


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return draw(RNG, shape, dtype)


@pytest.mark.parametrize("shape", [(1, 1), (3, 10), (2, 16), (5, 17), (4, 1000), (3, 7, 5)])
def test_softmax(shape: tuple[int, ...]) -> None:
    """Against the reference within a few ULP: three roundings, and a sum of up to 1000 terms."""
    for axis in range(len(shape)):
        compare(
            lambda x, axis=axis: (activation.softmax(x, axis), activation.log_softmax(x, axis)),
            array(*shape) / 25,
            rtol=3e-6,
            atol=2e-6,
        )


def test_softmax_of_extremes() -> None:
    x = np.array([[1e38, -1e38, 0], [-np.inf, 0, 1], [np.nan, 0, 1], [-200, -100, -300]], np.float32)
    compare(lambda x: activation.softmax(x, 1), x, rtol=1e-6)
