import numpy as np
import pytest

from simplecell import ops
from tests.ops.differences import check_gradient, run

AXES = [None, 0, (0, 2), (-1,), (), (1, 2)]


@pytest.mark.parametrize("function", ["sum", "max", "min", "prod", "any", "all"])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduce_is_numpys(function, axes, keepdims):
    x = np.random.default_rng(1).normal(size=(3, 5, 2))
    x = x > 0.5 if function in ("any", "all") else x
    want = getattr(np, function)(x, axis=axes, keepdims=keepdims)
    np.testing.assert_allclose(getattr(ops, function)(x, axes, keepdims), want, rtol=1e-14)
    np.testing.assert_allclose(run(lambda t: getattr(ops, function)(t, axes, keepdims), x), want, rtol=1e-14)


@pytest.mark.parametrize("function", ["sum", "max", "min", "prod", "mean", "variance", "logsumexp"])
@pytest.mark.parametrize("axes", AXES[:4] + [(1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduce_gradient(function, axes, keepdims):
    check_gradient(
        lambda t: getattr(ops, function)(t, axes, keepdims), np.random.default_rng(2).uniform(0.5, 1.5, (3, 4, 2))
    )


def test_product_gradient_with_zeros():
    x = np.array([[2.0, 0, 3], [0, 0, 4], [1, 2, 3], [5, 0, 1]])
    check_gradient(lambda t: ops.prod(t, 1), x)
    check_gradient(lambda t: ops.prod(t, 0), x)
    check_gradient(lambda t: ops.cumprod(t, 1), x)
    check_gradient(lambda t: ops.cumprod(t, 0, reverse=True), x)
    check_gradient(lambda t: ops.prod(t, 1), np.array([[3.0], [0]]))


def test_max_gradient_is_shared_among_ties():
    from simplecell.graph.gradients import gradients

    x = np.array([[1.0, 3, 3, 0], [2, 2, 2, 2]])
    got = run(lambda t: gradients(ops.sum(ops.max(t, 1)), [t])[0], x)
    np.testing.assert_array_equal(got, [[0, 0.5, 0.5, 0], [0.25] * 4])


def test_arg_reduce_takes_the_first():
    x = np.array([[1, 3, 3, 0], [2, 2, 2, 2]])
    assert ops.argmax(x, 1).tolist() == [1, 0] and ops.argmin(x, -1).tolist() == [3, 0]
    assert ops.argmax(x, 0, keepdims=True).shape == (1, 4) and ops.argmax(x, 0).dtype == np.int32


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("backwards", [False, True])
def test_cumulative(axis, backwards):
    x = np.random.default_rng(3).uniform(0.5, 1.5, (3, 4, 5))
    flip = (lambda a: np.flip(a, axis)) if backwards else (lambda a: a)
    np.testing.assert_allclose(ops.cumsum(x, axis, backwards), flip(np.cumsum(flip(x), axis)))
    np.testing.assert_allclose(ops.cumprod(x, axis, backwards), flip(np.cumprod(flip(x), axis)))
    check_gradient(lambda t: ops.cumsum(t, axis, backwards), x)
    check_gradient(lambda t: ops.cumprod(t, axis, backwards), x)


def test_half_precision_sums_are_formed_in_float32():
    x = np.ones(5000, np.float16)  # float16 cannot count beyond 2048 in steps of 1
    assert ops.sum(x) == 5000 and ops.sum(x).dtype == np.float16


def test_logsumexp_of_extremes():
    x = np.array([[1000.0, 1000], [-np.inf, -np.inf], [np.inf, 0]])
    np.testing.assert_allclose(ops.logsumexp(x, 1), [1000 + np.log(2), -np.inf, np.inf])


def test_errors():
    x = np.zeros((2, 0), np.float32)
    with pytest.raises(ValueError, match="`max` of no elements is not defined"):
        run(lambda t: ops.max(t, 1), x)
    with pytest.raises(ValueError, match=r"`axes` must lie in \[-2, 2\) for an array of rank 2; came 2"):
        ops.sum(x, 2)
    with pytest.raises(ValueError, match="`axes` must not name an axis twice"):
        ops.sum(x, (0, -2))
    with pytest.raises(ValueError, match="`sum` needs a number; came bool"):
        ops.sum(x > 0)
    assert ops.sum(x, 1).tolist() == [0, 0]
