"""What the trainer promises beyond Keras's own tests of it: programs, consistency after errors, freezing, custom
steps."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 6)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")
LABELS = RNG.integers(0, 3, 20)


def classifier(**options):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, activation="tanh"), layers.BatchNormalization(), layers.Dense(3)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], **options)
    return model


def weights(model):
    return [w.numpy() for w in model.variables]


def unchanged(before, model):
    return all(np.array_equal(a, b) for a, b in zip(before, weights(model), strict=True))


# --- programs ---------------------------------------------------------------------------------------------------------


def test_one_program_per_kind_of_batch():
    model = classifier()
    model.fit(X, LABELS, batch_size=8, epochs=3, verbose=0)  # batches of 8, 8 and 4
    assert len(model.train_function._programs) == 2
    model.predict(X, batch_size=8, verbose=0)
    model.predict(X, batch_size=8, verbose=0)
    assert len(model.predict_function._programs) == 2


def test_programs_of_many_shapes_give_way():
    from simplecell.keras_backend.program_cache import ProgramCache

    model = classifier()
    model.make_predict_function()._programs = ProgramCache(lambda program: program.executable, budget=3 << 16)
    for n in range(1, 8):
        assert model.predict_on_batch(X[:n]).shape == (n, 3)
    assert len(model.predict_function._programs) == 2
    np.testing.assert_allclose(model.predict_on_batch(X[:1]), model.predict_on_batch(X[:7])[:1], rtol=1e-5, atol=1e-6)


def test_weights_are_handed_over_when_they_change():
    model = classifier()
    first = model.predict(X, verbose=0)
    model.layers[-1].bias.assign(np.float32([100, 0, 0]))
    second = model.predict(X, verbose=0)
    np.testing.assert_allclose(second[:, 0], first[:, 0] + 100, rtol=1e-5)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert not model.predict(X, verbose=0).any()
    assert len(model.predict_function._programs) == 1


def test_predict_and_call_agree():
    model = classifier()
    model.fit(X, LABELS, verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), model(X, training=False), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.predict(X, batch_size=7, verbose=0), model.predict_on_batch(X), rtol=1e-5, atol=1e-6
    )


def test_frozen_layers_stay_and_thaw():
    model = classifier()
    model.fit(X, LABELS, verbose=0)
    model.layers[0].trainable = False
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [w.numpy() for w in model.layers[0].weights]
    model.fit(X, LABELS, epochs=2, verbose=0)
    assert all(np.array_equal(a, w) for a, w in zip(before, model.layers[0].weights, strict=True))
    model.layers[0].trainable = True
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, LABELS, verbose=0)
    assert not np.array_equal(before[0], model.layers[0].kernel)


def test_learning_rate_is_not_baked_in():
    model = classifier()
    model.fit(X, LABELS, verbose=0)
    model.optimizer.learning_rate = 0.0
    before = [w.numpy() for w in model.trainable_weights]
    model.fit(X, LABELS, verbose=0)
    assert all(np.array_equal(a, w) for a, w in zip(before, model.trainable_weights, strict=True))


def test_unseeded_randomness_moves_on():
    class Noise(layers.Layer):
        def call(self, x):
            return x + keras.random.normal(ops.shape(x))  # the global generator: not a variable of the model

    model = keras.Sequential([keras.Input((6,)), Noise()])
    assert (model.predict(X, verbose=0) != model.predict(X, verbose=0)).any()


# --- errors leave everything as it was --------------------------------------------------------------------------------


@pytest.mark.parametrize("eagerly", [False, True])
def test_labels_that_do_not_exist(eagerly):
    model = classifier(run_eagerly=eagerly)
    model.fit(X, LABELS, verbose=0)
    model.reset_metrics()
    before = weights(model)
    for bad in (LABELS + 1, LABELS - 1, LABELS[:, None] + 1):
        with pytest.raises(ValueError, match=r"outside of \[0, 3\).*3 outputs"):
            model.train_on_batch(X, bad)
    assert unchanged(before, model)
    model.fit(X, LABELS, verbose=0)


def test_ignored_labels_are_no_error():
    model = classifier()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1))
    model.fit(X, np.where(np.arange(20) % 2, LABELS, -1), verbose=0)


@pytest.mark.filterwarnings("ignore:.*shuffle")  # of Keras, from 3.13 on
def test_raising_generator():
    model = classifier()

    def batches():
        yield X, LABELS
        raise RuntimeError("disk is gone")

    with pytest.raises(RuntimeError, match="disk is gone"):
        model.fit(batches(), verbose=0)
    assert np.isfinite(model.evaluate(X, LABELS, verbose=0)).all()
    assert np.isfinite(model.fit(X, LABELS, verbose=0).history["loss"]).all()


def test_raising_callback_and_interrupted_validation():
    class Stop(keras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model = classifier()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, validation_data=(X, LABELS), callbacks=[Stop()], verbose=0)
    assert "val_loss" in model.fit(X, LABELS, validation_data=(X, LABELS), verbose=0).history


def test_error_inside_of_the_step():
    model = classifier()
    model.fit(X, LABELS, verbose=0)
    before = weights(model)
    with pytest.raises(ValueError, match="same shape up until the last dimension"):
        model.train_on_batch(X, np.zeros((20, 4)))
    assert unchanged(before, model)
    model.fit(X, LABELS, verbose=0)


def test_no_data():
    model = classifier()
    with pytest.raises(ValueError, match="Pass at least one sample"):
        model.fit(X[:0], LABELS[:0], verbose=0)
    with pytest.raises(ValueError, match="Pass at least one sample"):
        model.evaluate(X[:0], LABELS[:0], verbose=0)
    assert model.predict(X[:0], verbose=0).shape == (0, 3)


@pytest.mark.parametrize(
    "disguise",
    [
        lambda x: x.astype(">f4"),
        lambda x: x.astype("float64"),
        np.asfortranarray,
        lambda x: np.repeat(x, 2, 0)[::2],
        lambda x: x.tolist(),
    ],
    ids=["foreign-endian", "float64", "Fortran", "strided", "list"],
)
def test_any_array_will_do(disguise):
    model = classifier()
    given = disguise(X)
    expected = model.predict_on_batch(X)
    np.testing.assert_array_equal(model.predict_on_batch(given), expected)
    if not isinstance(given, list):
        np.testing.assert_array_equal(model.predict(given, verbose=0), expected)


def test_nan_goes_through():
    assert np.isnan(classifier().predict(X * np.nan, verbose=0)).all()


# --- custom steps -----------------------------------------------------------------------------------------------------


def regression(cls, **options):
    keras.utils.set_random_seed(2)
    inputs = keras.Input((6,))
    model = cls(inputs, layers.Dense(1)(inputs))
    model.compile(keras.optimizers.SGD(0.1), "mse", **options)
    return model


class OwnStep(keras.Model):
    def train_step(self, data):
        x, y = data
        loss = self.compute_loss(x, y, self(x, training=True))
        self.optimizer.apply(simplecell.gradients(loss, self.trainable_weights), self.trainable_weights)
        return {"mine": loss}


@pytest.mark.parametrize("eagerly", [False, True])
def test_custom_train_step(eagerly):
    own, keras_own = regression(OwnStep, run_eagerly=eagerly), regression(keras.Model)
    mine = own.fit(X, Y, epochs=3, shuffle=False, verbose=0).history["mine"]
    keras_own.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    assert mine[-1] < mine[0]
    np.testing.assert_allclose(own.get_weights()[0], keras_own.get_weights()[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("eagerly", [False, True])
def test_several_updates_in_one_step(eagerly):
    class Twice(keras.Model):
        """As a GAN's critic: each update sees the one before as a fact, not as something to differentiate."""

        def __init__(self):
            super().__init__()
            self.a = self.add_weight(shape=(), initializer="ones")
            self.b = self.add_weight(shape=(), initializer="ones")

        def call(self, x):
            return x * self.a * self.b

        def train_step(self, data):
            for _ in range(2):  # a ← a − 0.1·d(a²b)/da
                loss = self.a**2 * self.b
                self.a.assign_sub(0.1 * simplecell.gradients(loss, [self.a])[0])
            (g,) = simplecell.gradients(self.a**2 * self.b, [self.b])
            return {"g": g}

    model = Twice()
    model.compile("sgd", run_eagerly=eagerly)
    a = 0.8 * 0.8  # a ← a·(1 − 0.2·b), twice, at b = 1
    assert model.train_on_batch(X, Y, return_dict=True)["g"] == pytest.approx(a**2, rel=1e-6)
    assert float(model.a) == pytest.approx(a, rel=1e-6)


def test_a_model_without_call_and_with_two_optimizers():
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.one = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
            self.two = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
            self.optimizers = [
                keras.optimizers.Adam(0.05),
                keras.optimizers.SGD(0.05),
            ]  # built inside of the first step

        def train_step(self, data):
            x, y = data
            for part, optimizer in zip((self.one, self.two), self.optimizers, strict=True):
                loss = ops.mean((self.two(self.one(x)) - y) ** 2)
                optimizer.apply(simplecell.gradients(loss, part.trainable_weights), part.trainable_weights)
            return {"mine": loss}

    model = Pair()
    model.compile()
    losses = model.fit(X, Y, epochs=20, verbose=0).history["mine"]
    assert losses[-1] < 0.5 * losses[0]
    assert len(model.optimizers[0].variables) == 2 + 2 * 2  # iterations, learning rate, two moments per weight


def test_gradients_outside_of_a_step_say_what_to_do():
    v = keras.Variable(1.0)
    with pytest.raises(RuntimeError, match="write a `train_step`"):
        simplecell.gradients(np.float32(1), [v])


def test_added_and_regularizing_losses_count():
    class Adds(layers.Layer):
        def call(self, x):
            self.add_loss(3 * ops.mean(ops.abs(x)))
            return x

    model = keras.Sequential(
        [keras.Input((6,)), Adds(), layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.5))]
    )
    model.compile("sgd", "mse")
    kernel = model.layers[-1].kernel.numpy()
    expected = np.mean((model(X) - Y) ** 2) + 3 * np.abs(X).mean() + 0.5 * (kernel**2).sum()
    assert model.test_on_batch(X, Y) == pytest.approx(float(expected), rel=1e-5)
    assert model.train_on_batch(X, Y) == pytest.approx(float(expected), rel=1e-5)


def test_loss_scaling_keeps_the_result():
    plain, scaled = regression(keras.Model), regression(keras.Model)
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=1024, dynamic_growth_steps=2
    )
    scaled.compile(optimizer, "mse")
    plain.fit(X, Y, epochs=5, shuffle=False, verbose=0)
    scaled.fit(X, Y, epochs=5, shuffle=False, verbose=0)
    np.testing.assert_allclose(plain.get_weights()[0], scaled.get_weights()[0], rtol=1e-5)
    assert float(optimizer.dynamic_scale) == 1024 * 2**2
    before = scaled.get_weights()[0]
    scaled.train_on_batch(X * np.inf, Y)  # not finite: no update, and half the scale
    np.testing.assert_array_equal(scaled.get_weights()[0], before)
    assert float(optimizer.dynamic_scale) == 1024 * 2


@pytest.mark.parametrize(
    "options", [{"gradient_accumulation_steps": 3}, {"use_ema": True, "ema_overwrite_frequency": 2}, {"clipnorm": 0.1}]
)
def test_optimizer_options_do_the_same_eagerly(options):
    results = []
    for eagerly in (False, True):
        model = regression(keras.Model)
        model.compile(keras.optimizers.Adam(0.1, **options), "mse", run_eagerly=eagerly)
        model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        results.append(model.get_weights()[0])
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-6)


# --- run_eagerly ------------------------------------------------------------------------------------------------------


class Looks(keras.Model):
    """Python looks at a value: possible on values only."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.seen = []

    def call(self, x):
        h = self.dense(x)
        self.seen.append(float(ops.sum(h)))
        return h * 2 if self.seen[-1] > 0 else h


def test_python_that_looks_at_values():
    model = Looks()
    model.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="run_eagerly=True"):
        model.fit(X, Y, verbose=0)
    model = Looks()
    model.compile("sgd", "mse", run_eagerly=True)
    assert np.isfinite(model.fit(X, Y, epochs=5, verbose=0).history["loss"]).all()
    assert model.predict(X, verbose=0).shape == (20, 1)
    assert len(model.seen) >= 6


def test_eager_and_traced_training_agree():
    results = [classifier(), classifier(run_eagerly=True)]
    histories = [m.fit(X, LABELS, batch_size=8, epochs=3, shuffle=False, verbose=0).history for m in results]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)
    for a, b in zip(weights(results[0]), weights(results[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
