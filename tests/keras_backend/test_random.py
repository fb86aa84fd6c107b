import keras
import numpy as np
import pytest
from keras import random

from tests.keras_backend.traced import traced

SHAPE = (64, 33)
FUNCTIONS = {
    "normal": lambda seed: random.normal(SHAPE, 1.0, 2.0, seed=seed),
    "uniform": lambda seed: random.uniform(SHAPE, -1.0, 3.0, seed=seed),
    "truncated_normal": lambda seed: random.truncated_normal(SHAPE, 1.0, 2.0, seed=seed),
    "randint": lambda seed: random.randint(SHAPE, -2, 5, seed=seed),
    "dropout": lambda seed: random.dropout(np.ones(SHAPE, "float32"), 0.25, seed=seed),
    "gamma": lambda seed: random.gamma(SHAPE, 2.0, seed=seed),
    "beta": lambda seed: random.beta(SHAPE, 2.0, 3.0, seed=seed),
    "binomial": lambda seed: random.binomial(SHAPE, 10.0, 0.3, seed=seed),
    "categorical": lambda seed: random.categorical(np.log(np.float32([[0.2, 0.5, 0.3]] * 64)), 33, seed=seed),
    "shuffle": lambda seed: random.shuffle(np.arange(64 * 33).reshape(SHAPE), seed=seed),
}
# mean and standard deviation of one number
MOMENTS = {
    "normal": (1, 2),
    "uniform": (1, 4 / np.sqrt(12)),
    "truncated_normal": (1, 2 * 0.8796),
    "randint": (1, 2),
    "dropout": (1, np.sqrt(1 / 0.75 - 1)),
    "gamma": (2, np.sqrt(2)),
    "beta": (0.4, 0.2),
    "binomial": (3, np.sqrt(2.1)),
    "categorical": (1.1, 0.7),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_seeds_decide(name):
    f = FUNCTIONS[name]
    np.testing.assert_array_equal(f(3), f(3))
    assert (np.asarray(f(3)) != np.asarray(f(4))).any()
    generator = random.SeedGenerator(3)
    assert (np.asarray(f(generator)) != np.asarray(f(generator))).any()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_traced_numbers_are_the_eager_ones(name):
    eager, inside = random.SeedGenerator(7), random.SeedGenerator(7)

    def step(x):
        return FUNCTIONS[name](inside)

    for _ in range(2):  # the seed is a variable: each run moves it on
        expected = np.asarray(FUNCTIONS[name](eager))
        # float32 functions (log, cos, erfinv) of machine code and NumPy may differ in the last bits
        np.testing.assert_allclose(traced(step, np.zeros(1, "float32")), expected, rtol=2e-5, atol=2e-6)
    np.testing.assert_array_equal(inside.state.numpy(), eager.state.numpy())


@pytest.mark.parametrize("name", MOMENTS)
def test_moments(name):
    x = np.asarray(FUNCTIONS[name](11), "float64")
    mean, deviation = MOMENTS[name]
    assert abs(x.mean() - mean) < 5 * deviation / np.sqrt(x.size)
    assert abs(x.std() - deviation) < 0.1 * deviation


def test_ranges():
    assert FUNCTIONS["uniform"](1).min() >= -1 and FUNCTIONS["uniform"](1).max() < 3
    z = random.truncated_normal((10_000,), 1.0, 2.0, seed=1)
    assert z.min() >= -3 and z.max() <= 5
    assert set(np.unique(FUNCTIONS["randint"](1))) == set(range(-2, 5))
    assert sorted(FUNCTIONS["shuffle"](1)[:, 0]) == list(range(0, 64 * 33, 33))


def test_dropout_shares_noise_and_keeps_extremes():
    x = np.ones((8, 5, 6), "float32")
    y = random.dropout(x, 0.5, noise_shape=(None, 1, 6), seed=1)
    assert (y == y[:, :1]).all() and (y != y[:1]).any()
    np.testing.assert_array_equal(random.dropout(x, 0.0, seed=1), x)
    assert not np.asarray(keras.layers.Dropout(1.0)(x, training=True)).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes(dtype):
    assert keras.backend.standardize_dtype(random.normal((3,), dtype=dtype, seed=1).dtype) == dtype
    assert keras.backend.standardize_dtype(random.uniform((3,), dtype=dtype, seed=1).dtype) == dtype
