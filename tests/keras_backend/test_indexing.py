"""Slices with starts that are known late, and scattered updates, against NumPy's own indexing."""

import numpy as np
import pytest
from keras import ops

from tests.keras_backend.traced import traced
from tests.keras_backend.versions import since_3_15

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 7, 3)).astype("float32")


@pytest.fixture(params=["eager", "traced"])
def run(request):
    return traced if request.param == "traced" else lambda function, *arrays: function(*arrays)


@pytest.mark.parametrize("start", [(0, 0, 0), (2, 3, 1), (4, 6, 2)])
def test_slice(run, start):
    size = (2, 3, 2)
    i, j, k = (min(s, n - m) for s, m, n in zip(start, size, X.shape, strict=True))  # moved back, not cut
    expected = X[i : i + 2, j : j + 3, k : k + 2]
    np.testing.assert_array_equal(run(lambda x: ops.slice(x, start, size), X), expected)
    np.testing.assert_array_equal(run(lambda x, s: ops.slice(x, s, size), X, np.array(start, "int32")), expected)


@pytest.mark.parametrize("start", [(0, 0, 0), (1, 4, 0)])
def test_slice_update(run, start):
    updates = RNG.normal(size=(2, 3, 3)).astype("float32")
    expected = X.copy()
    expected[start[0] : start[0] + 2, start[1] : start[1] + 3] = updates
    np.testing.assert_array_equal(run(lambda x, u: ops.slice_update(x, start, u), X, updates), expected)
    np.testing.assert_array_equal(
        run(lambda x, u, s: ops.slice_update(x, s, u), X, updates, np.array(start, "int32")), expected
    )


def test_slice_checks_its_arguments():
    with pytest.raises(ValueError, match="Length of `start_indices`"):
        ops.slice(X, (0, 0), (1, 1, 1))


def test_scatter_adds(run):
    indices = np.array([[0, 1], [3, 2], [0, 1], [-1, 0]], "int32")
    values = RNG.normal(size=(4, 2)).astype("float32")
    expected = np.zeros((4, 3, 2), "float32")
    np.add.at(expected, tuple(indices.T), values)
    np.testing.assert_allclose(run(lambda i, v: ops.scatter(i, v, (4, 3, 2)), indices, values), expected, rtol=1e-6)


@since_3_15
@pytest.mark.parametrize("reduction", [None, "add", "max", "min", "mul"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scatter_update(run, reduction, depth):
    indices = np.stack([RNG.integers(0, n, 6) for n in X.shape[:depth]], 1)
    indices[5] = indices[0]  # one place twice: the last one stays
    updates = RNG.normal(size=(6, *X.shape[depth:])).astype("float32")
    expected = X.copy()
    where = tuple(indices.T)
    if reduction is None:
        for i, u in zip(indices, updates, strict=True):
            expected[tuple(i)] = u
    else:
        {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}[reduction].at(
            expected, where, updates
        )
    before = X.copy()
    np.testing.assert_allclose(
        run(lambda x, i, u: ops.scatter_update(x, i, u, reduction), X, indices, updates), expected, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        run(lambda x, u: ops.scatter_update(x, indices, u, reduction), X, updates), expected, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(X, before)


@since_3_15
def test_scatter_update_refuses_unknown_reductions():
    with pytest.raises(ValueError, match="None, 'add', 'max', 'min'"):
        ops.scatter_update(X, [[0]], X[:1], "mean")


def test_unstack(run):
    for axis in (0, 1, -1):
        parts = run(lambda x, axis=axis: ops.unstack(x, axis=axis), X)
        np.testing.assert_array_equal(np.stack(parts, axis), X)
