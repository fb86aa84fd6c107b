import numpy as np
import pytest

from simplecell import ops
from simplecell.ops.random import philox
from tests.ops.differences import check_gradient, run

SEED = np.array([7, 11], np.uint32)


def test_philox_is_the_published_generator():
    # known-answer test of Random123: counter 0, key 0
    assert [hex(v) for v in philox(np.zeros(2, np.uint32), 1)[0]] == [
        "0x6627e8d5",
        "0xe169c58d",
        "0xbc57ac4c",
        "0x9b00dbd8",
    ]


def test_uniform_is_uniform():
    x = ops.random_uniform(SEED, (50, 401))
    assert x.dtype == np.float32 and x.min() >= 0 and x.max() < 1
    counts = np.histogram(x, 20, (0, 1))[0]
    expected = x.size / 20
    assert (
        (counts - expected) ** 2 / expected
    ).sum() < 43.8  # chi-squared, 19 degrees of freedom: one in a thousand lies above


def test_normal_is_normal():
    x = ops.random_normal(SEED, (20001,)).astype(np.float64)
    assert abs(x.mean()) < 3.3 / np.sqrt(x.size) and abs(x.var() - 1) < 3.3 * np.sqrt(2 / x.size)
    inside = np.mean(np.abs(x) < 1)
    assert abs(inside - 0.6827) < 3.3 * np.sqrt(0.6827 * 0.3173 / x.size)
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 3.3 / np.sqrt(x.size)


def test_a_number_depends_on_seed_and_position_alone():
    long, short = ops.random_normal(SEED, (1003,)), ops.random_normal(SEED, (7, 11))
    np.testing.assert_array_equal(long[:77], short.reshape(-1))
    assert (ops.random_uniform(SEED, (9,)) != ops.random_uniform(SEED + np.uint32(1), (9,))).all()
    assert ops.random_bits(SEED, (0, 3)).shape == (0, 3)


def test_dropout():
    x = np.ones((100, 100))
    y = ops.dropout(x, 0.25, SEED)
    assert set(np.unique(y)) == {0, 1 / 0.75} and abs((y == 0).mean() - 0.25) < 0.015
    rows = ops.dropout(x, 0.5, SEED, (100, 1))
    assert (rows == rows[:, :1]).all() and 0 < (rows == 0).mean() < 1
    assert ops.dropout(x, 0, SEED) is x and not ops.dropout(x, 1, SEED).any()
    check_gradient(lambda t: ops.dropout(t, 0.5, SEED), np.random.default_rng(1).normal(size=(4, 5)))
    with pytest.raises(ValueError, match=r"`rate` must lie in \[0, 1\]; came 1.5"):
        ops.dropout(x, 1.5, SEED)


def test_errors():
    with pytest.raises(ValueError, match=r"`seed` of `random_uniform` must be uint32\[2\]; came int64\[2\]"):
        run(lambda s: ops.random_uniform(s, (3,)), SEED.astype(np.int64))
