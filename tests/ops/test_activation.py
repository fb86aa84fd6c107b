import math

import numpy as np
import pytest

from simplecell import ops
from tests.ops.differences import check_gradient, run


def logistic(x):
    return 1 / (1 + math.exp(-x))


SCALAR = {
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: min(max(x, 0), 6),
    "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (math.exp(x) - 1)),
    "celu": lambda x: x if x > 0 else math.exp(x) - 1,
    "gelu": lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * logistic(x),
    "hard_sigmoid": lambda x: min(max(x / 6 + 0.5, 0), 1),
    "hard_silu": lambda x: x * min(max(x / 6 + 0.5, 0), 1),
    "hard_tanh": lambda x: min(max(x, -1), 1),
    "softsign": lambda x: x / (1 + abs(x)),
    "log_sigmoid": lambda x: math.log(logistic(x)),
    "mish": lambda x: x * math.tanh(math.log(1 + math.exp(x))),
    "tanh_shrink": lambda x: x - math.tanh(x),
    "soft_shrink": lambda x: math.copysign(max(abs(x) - 0.5, 0), x),
    "hard_shrink": lambda x: x if abs(x) > 0.5 else 0,
    "squareplus": lambda x: (x + math.sqrt(x * x + 4)) / 2,
    "sparse_plus": lambda x: 0 if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4,
    "sparse_sigmoid": lambda x: min(max((x + 1) / 2, 0), 1),
}
X = np.concatenate([np.linspace(-7, 7, 29) + 0.01, [0.3, -0.3]])  # off the kinks


@pytest.mark.parametrize("name", SCALAR)
def test_values_and_gradient(name):
    function = getattr(ops, name)
    np.testing.assert_allclose(run(function, X), [SCALAR[name](float(x)) for x in X], rtol=1e-12, atol=1e-14)
    check_gradient(function, X)


@pytest.mark.parametrize("name", SCALAR)
def test_far_out_gradients_are_finite(name):
    from simplecell.graph.gradients import gradients

    x = np.array([-1e4, -200.0, 200, 1e4], np.float32)
    got = run(lambda t: gradients(ops.sum(getattr(ops, name)(t)), [t])[0], x)
    assert np.isfinite(got).all()
    slope = {"selu": 1.0507009873554805, "softsign": 1 / 201**2, "squareplus": (1 + 200 / np.sqrt(200**2 + 4)) / 2}
    flat = ("relu6", "hard_sigmoid", "hard_tanh", "log_sigmoid", "sparse_sigmoid")
    np.testing.assert_allclose(
        got[2], 0 if name in flat else slope.get(name, 1), rtol=1e-5, atol=1e-30
    )  # softsign: two terms cancel


def test_slopes_at_the_kinks_are_those_of_jax():
    from simplecell.graph.gradients import gradients

    at = {
        "relu": [(0, 0)],
        "relu6": [(0, 0), (6, 0)],
        "elu": [(0, 1)],
        "celu": [(0, 1)],
        "leaky_relu": [(0, 1)],
        "hard_tanh": [(1, 1), (-1, 1)],
    }
    for name, pairs in at.items():
        for x, slope in pairs:
            assert (
                run(lambda t, n=name: gradients(ops.sum(getattr(ops, n)(t)), [t])[0], np.array([float(x)])).item()
                == slope
            ), (name, x)


def test_gelu_by_erf():
    want = [x / 2 * math.erfc(-x / math.sqrt(2)) for x in X]
    np.testing.assert_allclose(ops.gelu(X, approximate=False), want, rtol=1e-13)
    check_gradient(lambda t: ops.gelu(t, approximate=False), X)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax(axis):
    x = np.random.default_rng(1).normal(size=(3, 4, 5)) * 5
    e = np.exp(x)
    np.testing.assert_allclose(ops.softmax(x, axis), e / e.sum(axis, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(ops.log_softmax(x, axis), np.log(e / e.sum(axis, keepdims=True)), rtol=1e-12, atol=1e-14)
    check_gradient(lambda t: ops.softmax(t, axis), x)
    check_gradient(lambda t: ops.log_softmax(t, axis), x)


def test_softmax_of_extremes():
    x = np.array([[1e4, 1e4, -1e4], [-np.inf, 0, 0]], np.float32)
    np.testing.assert_array_equal(ops.softmax(x), np.array([[0.5, 0.5, 0], [0, 0.5, 0.5]], np.float32))
    assert ops.log_softmax(x)[0, 2] == -2e4 - np.float32(math.log(2))


def test_glu_and_threshold():
    x = np.random.default_rng(2).normal(size=(3, 4))
    np.testing.assert_allclose(ops.glu(x), x[:, :2] / (1 + np.exp(-x[:, 2:])), rtol=1e-13)
    check_gradient(ops.glu, x)
    np.testing.assert_array_equal(ops.threshold(x, 0.1, -3), np.where(x > 0.1, x, -3))


def test_errors():
    with pytest.raises(ValueError, match="`softmax` needs a floating dtype; came int64"):
        ops.softmax(np.arange(3))
    with pytest.raises(ValueError, match=r"`axis` must lie in \[-1, 1\)"):
        ops.softmax(np.zeros(3), 1)
