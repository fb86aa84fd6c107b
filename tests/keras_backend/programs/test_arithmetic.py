"""A small network from end to end, beside the same arithmetic written out in float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.lib.stride_tricks import sliding_window_view

import simplecell

RNG = np.random.default_rng(0)
PICTURES, LABELS = RNG.standard_normal((6, 12, 12, 3)).astype(np.float32), RNG.integers(0, 5, 6)


def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(18, 3, activation="tanh"),
            layers.DepthwiseConv2D(3),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    return model


def convolved(x: np.ndarray, kernel: np.ndarray, terms: str) -> np.ndarray:
    """The sum over the 3×3 windows (axes i, j) of each place, without padding."""
    return np.einsum(terms, sliding_window_view(x, (3, 3), (1, 2)), kernel)


def computed(weights: list[np.ndarray]) -> np.ndarray:
    """The network's outputs, in float64."""
    k1, b1, k2, b2, k3, b3, k4, b4 = (w.astype(np.float64) for w in weights)
    x = np.pad(PICTURES.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = np.maximum(convolved(x, k1, "nhwcij,ijco->nhwo") + b1, 0)
    x = x.reshape(6, 6, 2, 6, 2, 8).max((2, 4))
    x = np.tanh(convolved(x, k2, "nhwcij,ijco->nhwo") + b2)
    x = convolved(x, k3[..., 0], "nhwcij,ijc->nhwc") + b3
    x = np.exp(x.reshape(6, -1) @ k4 + b4)
    return x / x.sum(1, keepdims=True)


def test_outputs() -> None:
    model = network()
    expected = computed(model.get_weights())
    for found in (
        model.predict(PICTURES, verbose=0),
        model(PICTURES),
        *(simplecell.compile(model, precision=p)(PICTURES) for p in ("fast", "exact")),
    ):
        np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=1e-5)


def test_a_step_of_training_follows_the_slope_of_the_loss() -> None:
    """The gradient that a step of size 1 went down, along random directions, is the loss's difference quotient."""

    def loss(weights: list[np.ndarray]) -> float:
        return float(-np.log(computed(weights)[np.arange(6), LABELS]).mean())

    model = network()
    before = model.get_weights()
    assert model.train_on_batch(PICTURES, LABELS) == pytest.approx(loss(before), rel=1e-5)
    gradient = [b.astype(np.float64) - a for b, a in zip(before, model.get_weights(), strict=True)]
    for which in range(len(before)):
        direction = [RNG.standard_normal(w.shape) if i == which else np.zeros(w.shape) for i, w in enumerate(before)]
        up, down = ([w + sign * 1e-6 * d for w, d in zip(before, direction, strict=True)] for sign in (1, -1))
        slope = (loss(up) - loss(down)) / 2e-6
        size = float(np.sqrt((gradient[which] ** 2).sum()))
        assert size > 1e-4
        assert float((gradient[which] * direction[which]).sum()) == pytest.approx(slope, rel=1e-3, abs=1e-4 * size)
