"""User-written steps, losses, metrics, optimizers' options and callbacks."""

from __future__ import annotations

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 6)).astype("float32")
Y = (X @ RNG.normal(size=(6, 1)) + 0.1 * RNG.normal(size=(40, 1))).astype("float32")


def linear(**options: object) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, kernel_initializer="zeros")])
    if options:
        model.compile(**options)
    return model


# --- steps ------------------------------------------------------------------------------------------------------------


class OwnSteps(keras.Model):
    """Everything that a trainer lets a user write."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(1)
        self.norm_tracker = keras.metrics.Mean(name="norm")
        self.own_loss = keras.metrics.Mean(name="own_loss")

    def call(self, x: object) -> object:
        return self.dense(x)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.own_loss, self.norm_tracker]

    def train_step(self, data: object) -> dict[str, object]:
        x, y = data
        y_pred = self(x, training=True)
        loss = ops.mean(ops.square(y - y_pred)) + 0.01 * ops.sum(ops.abs(self.dense.kernel))
        slopes = simplecell.gradients(loss, self.trainable_variables)
        self.optimizer.apply(slopes, self.trainable_variables)
        self.own_loss.update_state(loss)
        self.norm_tracker.update_state(ops.sqrt(sum(ops.sum(ops.square(g)) for g in slopes)))
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data: object) -> dict[str, object]:
        x, y = data
        self.own_loss.update_state(ops.mean(ops.abs(y - self(x, training=False))))
        return {"own_loss": self.own_loss.result()}

    def predict_step(self, data: object) -> object:
        return -self(data if not isinstance(data, tuple) else data[0])


def test_own_steps() -> None:
    model = OwnSteps()
    model.compile(keras.optimizers.SGD(0.1))
    history = model.fit(X, Y, epochs=5, batch_size=8, verbose=0, validation_data=(X, Y))
    assert set(history.history) == {"own_loss", "norm", "val_own_loss"}
    assert history.history["own_loss"][-1] < history.history["own_loss"][0]
    assert history.history["norm"][-1] < history.history["norm"][0]
    np.testing.assert_allclose(model.predict(X, verbose=0), -np.asarray(model(X)), rtol=1e-5)
    result = model.evaluate(X, Y, batch_size=40, verbose=0, return_dict=True)
    assert result["own_loss"] == pytest.approx(np.abs(Y - np.asarray(model(X))).mean(), rel=1e-4)


def test_own_compute_loss_and_add_loss() -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(1, activity_regularizer="l2", kernel_regularizer=keras.regularizers.L1(0.1))

        def call(self, x: object) -> object:
            y = self.dense(x)
            self.add_loss(0.5 * ops.mean(y))
            return y

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return ops.mean(ops.abs(y - y_pred)) + sum(self.losses)

    model = Model()
    model.compile("sgd")
    y = np.asarray(model(X))
    kernel = np.array(model.dense.kernel)
    expected = np.abs(Y - y).mean() + 0.5 * y.mean() + 0.1 * np.abs(kernel).sum() + 0.01 * np.square(y).sum() / 40
    assert model.train_on_batch(X, Y) == pytest.approx(expected, rel=1e-4)


def test_generative_adversarial_network() -> None:
    class Gan(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.generator = keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(6)])
            self.discriminator = keras.Sequential(
                [keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(1)]
            )
            self.seeds = keras.random.SeedGenerator(3)

        def compile(self, generator: object, discriminator: object) -> None:
            super().compile()
            self.of_generator, self.of_discriminator = generator, discriminator
            self.of_generator.build(self.generator.trainable_variables)
            self.of_discriminator.build(self.discriminator.trainable_variables)
            self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

        def train_step(self, real: object) -> dict[str, object]:
            real = real[0] if isinstance(real, tuple) else real
            count = ops.shape(real)[0]
            fake = self.generator(keras.random.normal((count, 3), seed=self.seeds), training=True)
            both = ops.concatenate([real, ops.stop_gradient(fake)])
            kinds = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))])
            loss_d = self.cross_entropy(kinds, self.discriminator(both, training=True))
            weights = self.discriminator.trainable_variables
            slopes = simplecell.gradients(loss_d, weights)
            loss_g = self.cross_entropy(ops.ones((count, 1)), self.discriminator(fake, training=True))
            own = self.generator.trainable_variables
            self.of_generator.apply(simplecell.gradients(loss_g, own), own)
            self.of_discriminator.apply(slopes, weights)
            return {"d": loss_d, "g": loss_g}

    gan = Gan()
    gan.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01))
    before = [np.array(v) for v in gan.trainable_variables]
    history = gan.fit(X, epochs=2, batch_size=10, verbose=0).history
    assert np.isfinite(history["d"] + history["g"]).all()
    assert all(not np.array_equal(a, v) for a, v in zip(before, gan.trainable_variables, strict=True))


def test_run_eagerly_with_python_control_flow() -> None:
    seen = []

    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x: object) -> object:
            y = self.dense(x)
            if ops.mean(y) > 0:
                y = y * 2
            seen.append(float(ops.mean(y)))
            return y

    model = Model()
    model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
    losses = model.fit(X, Y, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0] and len(seen) >= 8
    with pytest.raises(Exception, match="run_eagerly=True"):
        model.compile("sgd", "mse")
        model.fit(X, Y, verbose=0)
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(X, Y, verbose=0)


# --- losses and metrics -----------------------------------------------------------------------------------------------


class Huberish(keras.losses.Loss):
    def call(self, y_true: object, y_pred: object) -> object:
        error = ops.abs(y_true - y_pred)
        return ops.mean(ops.where(error < 1, 0.5 * error**2, error - 0.5), axis=-1)


class WorstError(keras.metrics.Metric):
    def __init__(self, name: str = "worst", **options: object) -> None:
        super().__init__(name=name, **options)
        self.worst = self.add_weight(name="worst", initializer="zeros")
        self.calls = self.add_weight(name="calls", initializer="zeros", dtype="int32")

    def update_state(self, y_true: object, y_pred: object, sample_weight: object = None) -> None:
        self.worst.assign(ops.maximum(self.worst, ops.max(ops.abs(y_true - y_pred))))
        self.calls.assign_add(1)

    def result(self) -> object:
        return self.worst


def test_own_loss_and_metric() -> None:
    metric = WorstError()
    model = linear(
        optimizer="sgd", loss=Huberish(), metrics=[metric, "mae", keras.metrics.RootMeanSquaredError(name="rms")]
    )
    loss, worst, mae, rms = model.evaluate(X, Y, batch_size=9, verbose=0)
    assert loss == pytest.approx(np.where(np.abs(Y) < 1, 0.5 * Y**2, np.abs(Y) - 0.5).mean(), rel=1e-5)
    assert worst == pytest.approx(np.abs(Y).max(), rel=1e-6)
    assert (mae, rms) == (pytest.approx(np.abs(Y).mean(), rel=1e-5), pytest.approx(np.sqrt((Y**2).mean()), rel=1e-5))
    assert int(metric.calls.value) == 5
    model.fit(X, Y, epochs=2, verbose=0)
    model.reset_metrics()
    assert float(metric.worst.value) == 0


def test_loss_as_a_function_and_metric_as_a_function() -> None:
    def error(y_true: object, y_pred: object) -> object:
        return ops.mean((y_true - y_pred) ** 2, axis=-1)

    model = linear(optimizer="sgd", loss=error, metrics=[error])
    history = model.fit(X, Y, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] and set(history) == {"loss", "error"}


@pytest.mark.parametrize("name", ["AUC", "Precision", "Recall", "F1Score", "BinaryIoU", "PrecisionAtRecall"])
def test_stateful_metrics(name: str) -> None:
    options = {"PrecisionAtRecall": {"recall": 0.5}, "BinaryIoU": {"target_class_ids": [0, 1]}}.get(name, {})
    metric = getattr(keras.metrics, name)(**options)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=[metric])
    kinds = (Y > 0).astype("float32")
    inside = model.evaluate(X, kinds, batch_size=16, verbose=0)[1]
    outside = getattr(keras.metrics, name)(**options)
    outside.update_state(kinds, model.predict(X, verbose=0))
    np.testing.assert_allclose(inside, np.asarray(outside.result()), rtol=1e-5)


# --- optimizers -------------------------------------------------------------------------------------------------------


def test_own_optimizer() -> None:
    class Signs(keras.optimizers.Optimizer):
        def build(self, variables: object) -> None:
            super().build(variables)
            self.last = self.add_optimizer_variables(variables, "last")

        def update_step(self, gradient: object, variable: object, learning_rate: object) -> None:
            last = self.last[self._get_variable_index(variable)]
            self.assign(last, 0.9 * last + gradient)
            self.assign_sub(variable, learning_rate * ops.sign(last))

    model = linear(optimizer=Signs(learning_rate=0.05), loss="mse")
    history = model.fit(X, Y, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_schedule_and_clipping() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=2, decay_rate=0.5, staircase=True)
    model = linear(optimizer=keras.optimizers.SGD(schedule, clipvalue=0.01), loss="mse")
    moves = []
    for _ in range(4):
        before = np.array(model.layers[0].kernel)
        model.train_on_batch(X, Y)
        moves.append(np.abs(model.layers[0].kernel - before).max())
    np.testing.assert_allclose(moves, [1e-3, 1e-3, 5e-4, 5e-4], rtol=1e-3)


def test_gradient_accumulation_takes_the_mean() -> None:
    once = linear(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    once.train_on_batch(X, Y)
    parts = linear(optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=4), loss="mse")
    for i in range(4):
        assert not np.asarray(parts.layers[0].kernel).any()
        parts.train_on_batch(X[10 * i : 10 * i + 10], Y[10 * i : 10 * i + 10])
    np.testing.assert_allclose(once.layers[0].kernel, parts.layers[0].kernel, rtol=1e-5, atol=1e-6)


def test_moving_average_of_weights_replaces_them_at_the_end() -> None:
    model = linear(optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), loss="mse")
    other = linear(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    average = np.zeros((6, 1))
    for _ in range(4):
        other.train_on_batch(X, Y)
        average = (
            0.5 * average + 0.5 * np.array(other.layers[0].kernel)
            if average.any()
            else np.array(other.layers[0].kernel)
        )
    model.fit(X, Y, batch_size=40, epochs=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.layers[0].kernel, average, rtol=1e-4, atol=1e-6)


def test_regularizers_and_constraints() -> None:
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(
                4,
                kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2),
                kernel_constraint=keras.constraints.MaxNorm(0.5),
            ),
            layers.Dense(1, kernel_constraint="non_neg", bias_regularizer="l2"),
        ]
    )
    kernel = np.array(model.layers[0].kernel)
    y = np.asarray(model(X))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    expected = ((Y - y) ** 2).mean() + 0.1 * np.abs(kernel).sum() + 0.2 * (kernel**2).sum()
    assert model.train_on_batch(X, Y) == pytest.approx(expected, rel=1e-4)
    assert np.linalg.norm(model.layers[0].kernel, axis=0).max() <= 0.5 + 1e-5
    assert np.min(model.layers[1].kernel) >= 0


def test_loss_scaling() -> None:
    model = linear(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), loss="mse")
    plain = linear(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    for _ in range(3):
        model.train_on_batch(X, Y)
        plain.train_on_batch(X, Y)
    np.testing.assert_allclose(model.layers[0].kernel, plain.layers[0].kernel, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64", "float16"])
def test_dtype_policies(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(2)]
        )
        model.compile("adam" if policy != "float16" else "sgd", "mse", metrics=["mae"])
        x = RNG.normal(size=(8, 8, 8, 1))
        before, *_, after = model.fit(x, np.ones((8, 2)), epochs=4, verbose=0).history["loss"]
        assert after < before
        outputs = model.predict(x, verbose=0)
        assert outputs.dtype.name == model.layers[0].compute_dtype == policy.replace("mixed_", "")
        assert model.layers[0].kernel.dtype == ("float32" if policy.startswith("mixed") else policy)
    finally:
        keras.config.set_dtype_policy("float32")


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_early_stopping_restores_the_best_weights() -> None:
    class Worse(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            if epoch == 0:
                self.kept = [np.array(w) for w in self.model.get_weights()]
            else:
                logs["val_loss"] = 100.0 + epoch

    worse = Worse()
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
    model = linear(optimizer="adam", loss="mse")
    history = model.fit(X, Y, epochs=10, validation_split=0.2, callbacks=[worse, stop], verbose=0)
    assert len(history.epoch) == 3
    for a, b in zip(worse.kept, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_files_of_callbacks(tmp_path: Path) -> None:
    model = linear(optimizer="adam", loss="mse", metrics=["mae"])
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}.weights.h5", save_weights_only=True),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
    ]
    history = model.fit(X, Y, epochs=3, callbacks=callbacks, validation_data=(X, Y), verbose=0)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["loss"]) for r in rows] == pytest.approx(history.history["loss"])
    best = keras.models.load_model(tmp_path / "best.keras")
    assert best.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))
    model.load_weights(tmp_path / "01.weights.h5")
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(history.history["val_loss"][0], rel=1e-5)


def test_learning_rates_set_by_callbacks() -> None:
    model = linear(optimizer=keras.optimizers.SGD(0.5), loss="mse")
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (epoch + 1))
    history = model.fit(X, Y, epochs=3, callbacks=[schedule], verbose=0).history
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.05, 0.1 / 3], rtol=1e-6)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=1e9)
    model.fit(X, Y, epochs=3, callbacks=[plateau], verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 / 3 / 4, rel=1e-5)
    before = np.array(model.layers[0].kernel)
    model.optimizer.learning_rate = 0.0
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(before, model.layers[0].kernel)


def test_backup_and_restore(tmp_path: Path) -> None:
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    def backup() -> keras.callbacks.Callback:
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    model = linear(optimizer="adam", loss="mse")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=4, callbacks=[backup(), Interrupt()], verbose=0)
    again = linear(optimizer="adam", loss="mse")
    history = again.fit(X, Y, epochs=4, callbacks=[backup()], verbose=0)
    assert history.epoch == [2, 3]


def test_terminate_on_nan_and_training_goes_on_afterwards() -> None:
    model = linear(optimizer="sgd", loss="mse")
    bad = X.copy()
    bad[3, 2] = np.nan
    weights = model.get_weights()
    history = model.fit(bad, Y, epochs=5, callbacks=[keras.callbacks.TerminateOnNaN()], verbose=0)
    assert len(history.epoch) == 1 and np.isnan(history.history["loss"][0])
    model.set_weights(weights)
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()


def test_batch_hooks_see_what_they_should() -> None:
    events: list[str] = []

    class Log(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            events.append(f"train {batch} {float(logs['loss']) >= 0}")

        def on_test_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            events.append(f"test {batch}")

        def on_predict_batch_end(self, batch: int, logs: dict[str, object] | None = None) -> None:
            events.append(f"predict {batch} {logs['outputs'].shape}")

    model = linear(optimizer="sgd", loss="mse")
    model.fit(
        X,
        Y,
        batch_size=20,
        verbose=0,
        callbacks=[Log(), keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: events.append("epoch"))],
    )
    model.evaluate(X, Y, verbose=0, callbacks=[Log()])
    model.predict(X, batch_size=30, verbose=0, callbacks=[Log()])
    assert events == [
        "train 0 True",
        "train 1 True",
        "epoch",
        "test 0",
        "test 1",
        "predict 0 (30, 1)",
        "predict 1 (10, 1)",
    ]
