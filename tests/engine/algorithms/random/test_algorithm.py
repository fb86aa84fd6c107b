"""Random numbers: the reference's bits, on every target and for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.random.kernel import Random
from simplecell.ops import random as r
from tests.engine.graphs import compare
from tests.engine.harness import run

SEED = np.array([0xDEADBEEF, 4242], np.uint32)


@pytest.mark.parametrize("shape", [(1,), (3,), (4,), (63,), (64,), (65,), (5, 7, 29), (1000,)])
def test_bits_and_uniform(shape: tuple[int, ...]) -> None:
    compare(lambda s: (r.random_bits(s, shape), r.random_uniform(s, shape)), SEED)


def test_normal() -> None:
    """float32 logarithm, sine and cosine against float64: a few ULP of values up to 6."""
    compare(lambda s: r.random_normal(s, (1003,)), SEED, rtol=1e-6, atol=1e-7)


def test_normal_moments() -> None:
    x = np.zeros(200_000, np.float32)
    run(Random("normal"), seed=SEED, dst=x, count=x.size)
    assert abs(x.mean()) < 0.01 and abs(x.std() - 1) < 0.01 and np.isfinite(x).all()


def test_dropout() -> None:
    compare(lambda x, s: r.dropout(x, 0.3, s), np.ones((37, 11), np.float32), SEED)


def test_seeds_are_parameters() -> None:
    """Seeds of zero and of all ones."""
    for seed in ([0, 0], [0xFFFFFFFF, 0xFFFFFFFF]):
        compare(lambda s: r.random_bits(s, (130,)), np.array(seed, np.uint32))
