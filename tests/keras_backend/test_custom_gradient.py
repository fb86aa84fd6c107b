import keras
import numpy as np
from keras import ops

import simplecell
from tests.keras_backend.traced import traced

X = np.float32([0.5, -1, 2])


def gradient_of(function):
    v = keras.Variable(X)
    return traced(lambda x: simplecell.gradients(ops.sum(function(v) * x), [v])[0], np.float32([1, 2, 3]))


def test_the_stated_gradient_is_used():
    @ops.custom_gradient
    def log1pexp(x):
        e = ops.exp(x)

        def grad(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            return upstream * (1 - 1 / (1 + e)) * 10  # ten times the true one: it has to be this one

        return ops.log(1 + e), grad

    np.testing.assert_allclose(log1pexp(X), np.log1p(np.exp(X)), rtol=1e-6)
    np.testing.assert_allclose(gradient_of(log1pexp), 10 * np.float32([1, 2, 3]) / (1 + np.exp(-X)), rtol=1e-5)


def test_several_results():
    @ops.custom_gradient
    def split(x):
        return (x * 2, x * 3), lambda a, b: a + b * 100

    assert gradient_of(lambda v: split(v)[0] - split(v)[1]).tolist() == [-99, -198, -297]


def test_stop_gradient():
    np.testing.assert_allclose(gradient_of(lambda v: ops.stop_gradient(v * 2) * v), np.float32([1, 2, 3]) * 2 * X)
    np.testing.assert_array_equal(ops.stop_gradient(keras.Variable(X)), X)
