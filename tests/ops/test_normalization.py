import numpy as np
import pytest

from simplecell import ops
from tests.ops.differences import check_gradient, run

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 5, 4, 6)) * 2 + 1
MEAN, VARIANCE, SCALE, OFFSET = RNG.normal(size=6), RNG.uniform(0.5, 2, 6), RNG.normal(size=6), RNG.normal(size=6)


def test_moments():
    mean, variance = ops.moments(X, (0, 1, 2))
    np.testing.assert_allclose(mean, X.mean((0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(variance, X.var((0, 1, 2)), rtol=1e-13)
    assert [a.shape for a in ops.moments(X, (1, -1), keepdims=True)] == [(3, 1, 4, 1)] * 2


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalization(axis):
    x = np.moveaxis(X, -1, axis)
    want = np.moveaxis((X - MEAN) / np.sqrt(VARIANCE + 1e-3) * SCALE + OFFSET, -1, axis)
    got = run(lambda *t: ops.batch_normalization(t[0], t[1], t[2], axis, t[3], t[4]), x, MEAN, VARIANCE, OFFSET, SCALE)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    plain = np.moveaxis((X - MEAN) / np.sqrt(VARIANCE + 1e-3), -1, axis)
    np.testing.assert_allclose(ops.batch_normalization(x, MEAN, VARIANCE, axis), plain, rtol=1e-12, atol=1e-12)
    check_gradient(
        lambda *t: ops.batch_normalization(t[0], t[1], t[2], axis, t[3], t[4]), x, MEAN, VARIANCE, OFFSET, SCALE
    )


def test_layer_normalization():
    want = (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-3) * SCALE + OFFSET
    np.testing.assert_allclose(ops.layer_normalization(X, -1, SCALE, OFFSET), want, rtol=1e-12, atol=1e-12)
    check_gradient(lambda x, s, o: ops.layer_normalization(x, (1, -1), s, o), X[:2, :3], SCALE, OFFSET)


def test_group_normalization():
    parts = X.reshape(3, 5, 4, 2, 3)
    plain = (parts - parts.mean((1, 2, 4), keepdims=True)) / np.sqrt(parts.var((1, 2, 4), keepdims=True) + 1e-3)
    want = plain.reshape(X.shape) * SCALE + OFFSET
    np.testing.assert_allclose(ops.group_normalization(X, 2, -1, SCALE, OFFSET), want, rtol=1e-12, atol=1e-12)
    first = np.moveaxis(X, -1, 1)
    np.testing.assert_allclose(
        ops.group_normalization(first, 2, 1, SCALE, OFFSET), np.moveaxis(want, -1, 1), rtol=1e-12, atol=1e-12
    )
    check_gradient(lambda x, s: ops.group_normalization(x, 3, -1, s), X[:2, :2], SCALE)
    with pytest.raises(ValueError, match="`groups` must divide the number of channels, 6 in axis 3"):
        ops.group_normalization(X, 4)


def test_rms_normalization():
    want = X / np.sqrt((X**2).mean(-1, keepdims=True) + 1e-6) * SCALE
    np.testing.assert_allclose(ops.rms_normalization(X, SCALE), want, rtol=1e-12)
    check_gradient(ops.rms_normalization, X[0], SCALE)
