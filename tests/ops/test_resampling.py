import numpy as np
import pytest

from simplecell import ops
from simplecell.ops.resampling import METHODS, axis_weights
from tests.ops.differences import check_gradient


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("antialias", [False, True])
def test_gradients_of_both_orders(method, antialias):
    x = np.random.default_rng(1).normal(size=(2, 5, 7, 3))
    d = np.random.default_rng(2).normal(size=(2, 8, 3, 3))
    check_gradient(lambda t: ops.resize(t, (8, 3), method, antialias), x)
    check_gradient(lambda t: ops.apply(ops.ResizeGradient((5, 7), method, antialias), t), d)


@pytest.mark.parametrize("method", METHODS)
def test_rows_sum_to_one(method):
    for size, out in ((5, 3), (3, 8), (1, 4), (4, 1), (7, 7)):
        np.testing.assert_allclose(axis_weights(size, out, method).sum(1), 1, rtol=1e-12)


def test_small_examples():
    x = np.array([1.0, 3])[None, :, None]
    assert ops.resize(x, (4,), "nearest")[0, :, 0].tolist() == [1, 1, 3, 3]
    assert ops.resize(x, (4,))[0, :, 0].tolist() == [1, 1.5, 2.5, 3]
    assert ops.resize(np.arange(6)[None, :, None], (3,), "nearest")[0, :, 0].tolist() == [1, 3, 5]


def test_errors():
    x = np.zeros((1, 4, 4, 2), np.float32)
    with pytest.raises(ValueError, match="`method` must be one of nearest, bilinear"):
        ops.resize(x, (2, 2), "area")
    with pytest.raises(ValueError, match="`size` must have one entry per axis between the first and the last"):
        ops.resize(x, (2,))
    with pytest.raises(ValueError, match="`resize` needs extents of at least 1"):
        ops.resize(x, (0, 2))
    with pytest.raises(ValueError, match="`resize` needs a floating dtype"):
        ops.resize(x.astype(int), (2, 2))
