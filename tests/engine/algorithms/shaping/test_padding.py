"""Padding, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.shaping.padding import sections
from simplecell.ops import shaping as s
from tests.engine.graphs import compare, draw

RNG = np.random.default_rng(5)


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return draw(RNG, shape, dtype)


@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric", "edge", "circular"])
@pytest.mark.parametrize("widths", [((0, 0), (1, 2), (3, 0)), ((9, 8), (0, 0), (0, 11)), ((0, 1), (5, 0), (1, 1))])
def test_pad(mode: str, widths: tuple[tuple[int, int], ...]) -> None:
    compare(lambda x: s.pad(x, widths, mode, 2.5 if mode == "constant" else 0.0), array(3, 1, 4))


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "edge", "circular"])
def test_sections_of_a_padded_axis(mode: str) -> None:
    for n in (1, 2, 5):
        for low, high in ((0, 3), (7, 0), (11, 12)):
            line = np.arange(n)
            parts = [line[p[2] + p[3] * np.arange(p[1])] for p in sections(n, low, high, mode)]
            want = np.pad(line, (low, high), mode="wrap" if mode == "circular" else mode)  # type: ignore[call-overload]
            assert np.array_equal(np.concatenate(parts), want)
            assert np.array_equal(
                np.cumsum([0] + [p[1] for p in sections(n, low, high, mode)])[:-1],
                [p[0] for p in sections(n, low, high, mode)],
            )


def test_pad_integers_and_bools() -> None:
    compare(lambda x: s.pad(x, ((1, 1), (2, 0)), "constant", 7), array(2, 3, dtype="int32"))
    compare(lambda x: s.pad(x, ((1, 1), (2, 0)), "constant", 1), array(2, 3, dtype="bool"))
