"""Layers that shift, crop and mix at random inside of a trained model, also those that Keras marks as not to be
compiled."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell

SIZE = 12
RNG = np.random.default_rng(11)
X = RNG.integers(0, 256, (5, SIZE, SIZE, 3)).astype("float32")

MAKERS: dict[str, Any] = {
    "CenterCrop": lambda: layers.CenterCrop(8, 7),
    "Resizing": lambda: layers.Resizing(7, 9),
    "Rescaling": lambda: layers.Rescaling(1 / 255),
    "RandomCrop": lambda: layers.RandomCrop(8, 7, seed=1),
    "RandomCrop, channels first": lambda: layers.RandomCrop(8, 2, seed=1, data_format="channels_first"),
    "RandomFlip": lambda: layers.RandomFlip(seed=1),
    "RandomRotation": lambda: layers.RandomRotation(0.2, seed=1),
    "RandomZoom": lambda: layers.RandomZoom(0.3, seed=1),
    "RandomTranslation": lambda: layers.RandomTranslation(0.2, 0.3, seed=1),
    "RandomShear": lambda: layers.RandomShear(0.3, 0.2, seed=1),
    "RandomPerspective": lambda: layers.RandomPerspective(seed=1),
    "RandomElasticTransform": lambda: layers.RandomElasticTransform(seed=1),
    "RandomGaussianBlur": lambda: layers.RandomGaussianBlur(seed=1),
    "RandomErasing": lambda: layers.RandomErasing(seed=1),
    "RandomContrast": lambda: layers.RandomContrast(0.3, seed=1),
    "RandomBrightness": lambda: layers.RandomBrightness(0.3, seed=1),
    "RandomSaturation": lambda: layers.RandomSaturation(0.3, seed=1),
    "RandomHue": lambda: layers.RandomHue(0.3, seed=1),
    "RandomColorJitter": lambda: layers.RandomColorJitter((0, 255), 0.2, 0.2, 0.2, 0.2, seed=1),
    "RandomColorDegeneration": lambda: layers.RandomColorDegeneration(0.3, seed=1),
    "RandomGrayscale": lambda: layers.RandomGrayscale(seed=1),
    "RandomInvert": lambda: layers.RandomInvert(seed=1),
    "RandomPosterization": lambda: layers.RandomPosterization(4, seed=1),
    "RandomSharpness": lambda: layers.RandomSharpness(0.3, seed=1),
    "Solarization": lambda: layers.Solarization(0.3, 0.3, seed=1),
    "AutoContrast": lambda: layers.AutoContrast(),
    "Equalization": lambda: layers.Equalization(),
    "RandAugment": lambda: layers.RandAugment(seed=1),
    "AugMix": lambda: layers.AugMix(seed=1),
    "CutMix": lambda: layers.CutMix(seed=1),
    "MixUp": lambda: layers.MixUp(seed=1),
    "GaussianNoise": lambda: layers.GaussianNoise(0.3, seed=1),
    "SpatialDropout2D": lambda: layers.SpatialDropout2D(0.3, seed=1),
    "Pipeline": lambda: layers.Pipeline([layers.RandomCrop(8, 8, seed=1), layers.RandomFlip(seed=2)]),
}


class Augmented(keras.Model):
    """Of one layer, as in training."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def call(self, x: Any, training: bool = False) -> Any:
        return self.layer(x, training=training)

    def predict_step(self, data: Any) -> Any:
        return self(data[0], training=True)


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in dir(layers)
        if n.startswith(("Random", "Aug", "Cut", "Mix", "Auto", "Equal", "Solar", "Center", "Resc", "Resiz"))
    ],
)
def test_no_layer_of_this_kind_is_left_out(name: str) -> None:
    aliases = {"RandAugment", "AugMix"}
    assert name in MAKERS or name in aliases


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_step_gives_what_the_layer_gives(name: str) -> None:
    """Step after step the numbers of the same layer called by itself."""
    layer, alone = MAKERS[name](), MAKERS[name]()
    model = Augmented(layer)
    results = []
    for i in range(3):
        random.seed(i)
        results.append(model.predict_on_batch(X))
        random.seed(i)
        expected = np.asarray(alone(X, training=True))
        assert results[-1].shape == expected.shape
        close = np.isclose(results[-1], expected, rtol=1e-3, atol=0.05)
        assert close.mean() > 0.99, "but for a few pixels on the edge of a step, in a round, floor or comparison"
    moves = name not in ("CenterCrop", "Resizing", "Rescaling", "AutoContrast", "Equalization")
    assert moves == (not all(np.array_equal(results[0], r) for r in results[1:]))


@pytest.mark.parametrize("name", [name for name in MAKERS if "first" not in name])
def test_a_model_with_it_is_trained_evaluated_and_predicted(name: str) -> None:
    keras.utils.set_random_seed(0)
    layer = MAKERS[name]()
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layer,
            layers.GlobalAveragePooling2D(),
            layers.Rescaling(1 / 255),
            layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "mse")
    targets = np.zeros((5, 2))
    before = model.get_weights()[-2]
    losses = model.fit(X, targets, epochs=3, batch_size=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and (model.get_weights()[-2] != before).any()
    assert not model.train_function.uncompiled
    model.evaluate(X, targets, verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), simplecell.compile(model)(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(X, verbose=0), np.asarray(model(X, training=False)), rtol=1e-4, atol=1e-5)
    assert "call" not in layer.__dict__


def test_crops_start_everywhere_alike() -> None:
    model = Augmented(layers.RandomCrop(2, 3, seed=3))
    x = np.arange(20, dtype="float32").reshape(1, 4, 5, 1)
    starts = np.array([int(model.predict_on_batch(x)[0, 0, 0, 0]) for _ in range(900)])
    found, counts = np.unique(starts, return_counts=True)
    np.testing.assert_array_equal(found, [row * 5 + column for row in range(3) for column in range(3)])
    assert ((counts - 100) ** 2 / 100).sum() < 26  # chi² of 8 degrees of freedom: one in a thousand is more


# --- slices that begin at a tensor ------------------------------------------------------------------------------------


SLICES: dict[str, Any] = {
    "a : a + 3": lambda x, a: x[:, a : a + 3],
    "a + 1 : a + 3": lambda x, a: x[:, a + 1 : a + 3],
    "a : 3 + a": lambda x, a: x[:, a : 3 + a],
    "a - 1 : a + 1": lambda x, a: x[:, a - 1 : a + 1],
    "two axes": lambda x, a: x[:, a : a + 2, None, a : a + 1],
    "with an integer": lambda x, a: x[1, a : a + 2, ..., 0],
    "nothing": lambda x, a: x[:, a:a],
    "cast": lambda x, a: x[:, ops.cast(a, "int64") : ops.cast(a, "int64") + 2],
}


@pytest.mark.parametrize("way", list(SLICES))
def test_slices_of_known_size(way: str) -> None:
    class Sliced(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return SLICES[way](inputs[0], inputs[1][0, 0])

    x = RNG.normal(size=(2, 6, 3)).astype("float32")
    model = keras.Sequential()
    inputs = [keras.Input((6, 3)), keras.Input((1,), dtype="int32")]
    model = keras.Model(inputs, Sliced()(inputs))
    for a in (1, 2):
        start = np.full((2, 1), a, "int32")
        np.testing.assert_array_equal(model.predict_on_batch([x, start]), SLICES[way](x, np.int32(a)))


def test_slices_over_an_end_are_moved_back_as_of_ops_slice() -> None:
    class Sliced(layers.Layer):
        def call(self, inputs: Any) -> Any:
            x, a = inputs[0], inputs[1][0, 0]
            return x[:, a : a + 3], ops.slice(x, (0, a, 0), (2, 3, 3))

    x = RNG.normal(size=(2, 6, 3)).astype("float32")
    inputs = [keras.Input((6, 3)), keras.Input((1,), dtype="int32")]
    model = keras.Model(inputs, Sliced()(inputs))
    for a, first in ((5, 3), (99, 3), (-2, 0)):
        for result in model.predict_on_batch([x, np.full((2, 1), a, "int32")]):
            np.testing.assert_array_equal(result, x[:, first : first + 3])


def test_gradients_flow_through_them() -> None:
    class Own(keras.Model):
        def train_step(self, data: Any) -> Any:
            x, at = data[:2]
            loss = ops.sum(x[:, at[0] : at[0] + 2] ** 2)
            return {"g": ops.sum(simplecell.gradients(loss, [x])[0], 0)[1]}

    model = Own()
    model.compile()
    found = model.train_on_batch(np.ones((3, 4), "float32"), np.array([1]), return_dict=True)
    assert found["g"] == 6


@pytest.mark.parametrize(
    "bad",
    [
        lambda x, a: x[:, :a],
        lambda x, a: x[:, a:],
        lambda x, a: x[:, a : a * 2],
        lambda x, a: x[:, a : a + 4 : 2],
        lambda x, a: x[:, a + 2 : a],
    ],
)
def test_slices_of_unknown_size_say_what_to_do(bad: Any) -> None:
    class Own(keras.Model):
        def train_step(self, data: Any) -> Any:
            return {"y": ops.sum(bad(data[0], data[1][0]))}

    model = Own()
    model.compile()
    with pytest.raises(ValueError, match=r"slice whose size is not known.*x\[a : a \+ size\]"):
        model.train_on_batch(np.ones((3, 4), "float32"), np.array([1]))


# --- what cannot be traced --------------------------------------------------------------------------------------------


class Looks(layers.Layer):
    """Python's `if` on a value. Marked by its author, as Keras asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.supports_jit = False
        self.seeds = keras.random.SeedGenerator(7)
        self.flags: list[bool] = []

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x
        self.flags.append(bool(keras.random.uniform((), seed=self.seeds) < 0.5))
        return x if self.flags[-1] else -x

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def test_a_layer_that_looks_at_values_runs_as_a_call_out_and_its_random_numbers_move_on() -> None:
    layer, alone = Looks(), Looks()
    model = Augmented(layer)
    for _ in range(12):
        np.testing.assert_array_equal(model.predict_on_batch(X), np.asarray(alone(X, training=True)))
    assert layer.flags[-12:] == alone.flags[-12:] and len(set(alone.flags)) == 2
    np.testing.assert_array_equal(layer.seeds.state.numpy(), alone.seeds.state.numpy())


def test_where_a_gradient_has_to_go_through_the_step_runs_uncompiled_and_says_so() -> None:
    def network(run_eagerly: bool) -> keras.Model:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(4), Looks(), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=run_eagerly)
        return model

    model, eager = network(False), network(True)
    x, y = RNG.normal(size=(8, 6)).astype("float32"), np.ones((8, 1))
    with pytest.warns(
        UserWarning,
        match="runs uncompiled, op by op, as a layer of the model with `supports_jit=False` cannot be traced: .*looks",
    ):
        model.fit(x, y, verbose=0)
    model.fit(x, y, epochs=4, verbose=0)  # once
    eager.fit(x, y, epochs=5, verbose=0)
    for a, b in zip(model.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert model.train_function.uncompiled and not model.make_predict_function().uncompiled
    model.predict(x, verbose=0)


def test_an_error_of_the_layer_itself_stays_one() -> None:
    class Broken(Looks):
        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                raise OSError("the disk is gone")
            return x

    layer = Broken()
    model = Augmented(layer)
    with pytest.raises(OSError, match="the disk is gone"):
        model.predict_on_batch(X)
    assert "call" not in layer.__dict__
