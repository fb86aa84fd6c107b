"""Control flow: on arrays, and traced, where a program has to do what Python would have done."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.keras_backend.traced import traced

X = np.arange(12, dtype="float32").reshape(4, 3)


@pytest.fixture(params=["eager", "traced"])
def run(request):
    return traced if request.param == "traced" else lambda function, *arrays: function(*arrays)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_cond(run, value):
    x = np.float32([value, 5])
    y = run(lambda x: ops.cond(x[0] > 0, lambda: {"a": x * 2, "b": [x[1]]}, lambda: {"a": -x, "b": [x[0]]}), x)
    np.testing.assert_array_equal(y["a"], x * 2 if value > 0 else -x)
    assert y["b"][0] == (5 if value > 0 else -1)


def test_cond_selects_assignments():
    v, w = keras.Variable(np.float32(1)), keras.Variable(np.float32(10))

    def step(x):
        ops.cond(x > 0, lambda: v.assign(x), lambda: w.assign_add(x))
        return x

    traced(step, np.float32(3) * np.ones((), "float32"))
    assert (v.numpy(), w.numpy()) == (3, 10)
    traced(step, np.float32(-4) * np.ones((), "float32"))
    assert (v.numpy(), w.numpy()) == (3, 6)


def test_cond_needs_a_scalar_and_equal_results():
    with pytest.raises(ValueError, match="must be a scalar"):
        traced(lambda x: ops.cond(x > 0, lambda: x, lambda: x), X)
    with pytest.raises(ValueError, match="results of one shape"):
        traced(lambda x: ops.cond(x[0, 0] > 0, lambda: x, lambda: x[0]), X)


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 9])
def test_switch_clamps(run, index):
    y = run(lambda i, x: ops.switch(i, [lambda x: x, lambda x: x * 2, lambda x: x * 3], x), np.asarray(index), X)
    np.testing.assert_array_equal(y, X * (1 + np.clip(index, 0, 2)))


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(run, reverse):
    carry, sums = run(
        lambda x: ops.scan(lambda c, row: (c + row, c + row), np.zeros(3, "float32"), x, reverse=reverse), X
    )
    expected = np.cumsum(X[::-1], 0)[::-1] if reverse else np.cumsum(X, 0)
    np.testing.assert_array_equal(sums, expected)
    np.testing.assert_array_equal(carry, X.sum(0))


def test_scan_without_rows_needs_a_length():
    with pytest.raises(ValueError, match="`length` not provided"):
        ops.scan(lambda c, x: (c, x), 0.0)


def test_map_and_vectorized_map(run):
    np.testing.assert_array_equal(run(lambda x: ops.map(lambda row: row * row[0], x), X), X * X[:, :1])
    np.testing.assert_array_equal(run(lambda x: ops.vectorized_map(lambda ab: ab[0] + ab[1], (x, x)), X), 2 * X)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(run, n, reverse):
    x = np.random.default_rng(n).normal(size=(2, n)).astype("float32")
    y = run(lambda x: ops.associative_scan(lambda a, b: a + b, x, reverse=reverse, axis=1), x)
    np.testing.assert_allclose(
        y, np.cumsum(x[:, ::-1], 1)[:, ::-1] if reverse else np.cumsum(x, 1), rtol=1e-5, atol=1e-6
    )


def test_while_loop_that_ends_by_a_value(run):
    def collatz(n):
        return ops.while_loop(
            lambda n, k: n > 1, lambda n, k: (ops.where(n % 2 == 0, n // 2, 3 * n + 1), k + 1), (n, np.int32(0))
        )

    n, steps = run(collatz, np.asarray(27, "int32"))
    assert (int(n), int(steps)) == (1, 111)


def test_while_loop_captures_what_is_around_it(run):
    def function(x):
        limit = ops.sum(x) * 2  # computed outside, used in both the condition and the body
        return ops.while_loop(
            lambda t: ops.sum(t) < limit, lambda t: t + x[0] + limit / 100, (x,), maximum_iterations=50
        )[0]

    total, limit = X.copy(), X.sum() * 2
    while total.sum() < limit:
        total = total + X[0] + limit / 100
    np.testing.assert_allclose(run(function, X), total, rtol=1e-6)


def test_while_loop_stops_at_its_maximum(run):
    assert (
        run(
            lambda x: ops.while_loop(lambda x: x < 100, lambda x: x + 1, (x,), maximum_iterations=3)[0],
            np.zeros((), "float32"),
        )
        == 3
    )


def test_while_loop_must_keep_shapes():
    with pytest.raises(ValueError, match="must keep shapes and dtypes"):
        traced(lambda x: ops.while_loop(lambda x: ops.sum(x) < 9, lambda x: ops.concatenate([x, x]), (x,)), X)


def test_fori_loop(run):
    y = run(lambda x: ops.fori_loop(0, 4, lambda i, total: total + x[i] * i, np.zeros(3, "float32")), X)
    np.testing.assert_array_equal(y, (X * np.arange(4)[:, None]).sum(0))
    y = run(lambda x, n: ops.fori_loop(0, n, lambda i, t: t * 2, x), X, np.asarray(5, "int32"))
    np.testing.assert_array_equal(y, X * 32)


def test_gradients_flow_through_branches_and_unrolled_loops():
    import simplecell

    v = keras.Variable(np.float32([1, -2, 3]))

    def step(x):
        def f(c, row):
            return ops.cond(ops.sum(row) > 3, lambda: c * v, lambda: c + v), c

        return simplecell.gradients(ops.sum(ops.scan(f, np.ones(3, "float32"), x)[0]), [v])[0]

    # rows sum to 3, 12, 21, 30: (1 + v)·v³
    value = v.numpy()
    np.testing.assert_allclose(traced(step, X), 3 * value**2 + 4 * value**3, rtol=1e-5)
