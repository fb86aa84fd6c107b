"""Where batches come from: arrays, generators, datasets with workers; weights of samples and classes; many steps in one
call."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import layers

RNG = np.random.default_rng(2)
X = RNG.normal(size=(37, 5)).astype("float32")
Y = RNG.integers(0, 3, 37)


def classifier(seed: int = 5, **options: object) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")]
    )
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "sparse_categorical_crossentropy", **options})
    return model


class Batches(keras.utils.PyDataset):
    def __init__(self, size: int = 8, **options: object) -> None:
        super().__init__(**options)
        self.size = size
        self.epochs = 0

    def __len__(self) -> int:
        return math.ceil(len(X) / self.size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(index * self.size, (index + 1) * self.size)
        return X[rows], Y[rows]

    def on_epoch_end(self) -> None:
        self.epochs += 1


def test_generator_array_and_dataset_give_the_same_training() -> None:
    def generator():
        while True:
            for i in range(0, 37, 8):
                yield X[i : i + 8], Y[i : i + 8]

    results = []
    for data, options in (
        ((X, Y), dict(batch_size=8, shuffle=False)),
        ((generator(),), dict(steps_per_epoch=5, shuffle=False)),
        ((Batches(),), dict(shuffle=False)),
        ((Batches(workers=2, max_queue_size=3),), dict(shuffle=False)),
    ):
        model = classifier()
        model.fit(*data, epochs=2, verbose=0, **options)
        results.append(model.get_weights())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_evaluate_and_predict_on_generators() -> None:
    model = classifier()
    expected = model.predict(X, verbose=0)
    batches = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 37, 8)]
    np.testing.assert_allclose(model.predict(((x,) for x, _ in batches), verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict((b for b in batches), steps=3, verbose=0), expected[:24], rtol=1e-5)
    np.testing.assert_allclose(model.predict(Batches(workers=2), verbose=0), expected, rtol=1e-5)
    assert model.evaluate((b for b in batches), verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)


def test_validation_from_a_generator() -> None:
    def generator():
        while True:
            yield X[:10], Y[:10]

    model = classifier()
    history = model.fit(
        generator(),
        steps_per_epoch=3,
        epochs=2,
        validation_data=generator(),
        validation_steps=2,
        shuffle=False,
        verbose=0,
    ).history
    assert len(history["val_loss"]) == 2


def test_set_random_seed_makes_runs_equal() -> None:
    def run() -> list[np.ndarray]:
        keras.utils.set_random_seed(11)
        model = keras.Sequential(
            [
                keras.Input((5,)),
                layers.Dense(16, activation="relu"),
                layers.Dropout(0.3),
                layers.GaussianNoise(0.1),
                layers.Dense(3),
            ]
        )
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(X, Y, epochs=3, batch_size=8, verbose=0)
        return model.get_weights()

    for a, b in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sample_weights_class_weights_and_their_like() -> None:
    weights = RNG.uniform(0, 2, 37).astype("float32")
    model = classifier(
        metrics=["accuracy"], weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="weighted")]
    )
    y = model.predict(X, verbose=0)
    losses, right = -np.log(y[np.arange(37), Y]), y.argmax(1) == Y
    loss, accuracy, weighted = model.evaluate(X, Y, sample_weight=weights, verbose=0, batch_size=37)
    assert loss == pytest.approx((losses * weights).sum() / 37, rel=1e-4)
    assert accuracy == pytest.approx(right.mean(), rel=1e-5)
    assert weighted == pytest.approx((right * weights).sum() / weights.sum(), rel=1e-5)
    by_class, by_sample = classifier(), classifier()
    kinds = {0: 1.0, 1: 3.0, 2: 0.25}
    by_class.fit(X, Y, class_weight=kinds, verbose=0, shuffle=False, batch_size=16)
    by_sample.fit(
        X, Y, sample_weight=np.array([kinds[int(k)] for k in Y], "float32"), verbose=0, shuffle=False, batch_size=16
    )
    for a, b in zip(by_class.get_weights(), by_sample.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    batch = classifier()
    batch.train_on_batch(X, Y, class_weight=kinds)
    batch.train_on_batch(X, Y, sample_weight=weights)


def test_steps_per_execution_changes_nothing_but_the_calls() -> None:
    calls = []
    results = []
    for steps in (1, 3):
        model = classifier(steps_per_execution=steps, metrics=["accuracy"])
        log = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs, steps=steps: calls.append((steps, batch))
        )
        history = model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[log]).history
        results.append(
            (
                model.get_weights(),
                history,
                model.predict(X, batch_size=8, verbose=0),
                model.evaluate(X, Y, batch_size=8, verbose=0),
            )
        )
    (w1, h1, p1, e1), (w3, h3, p3, e3) = results
    for a, b in zip(w1, w3, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(p1, p3)
    assert e1 == pytest.approx(e3) and h1["accuracy"] == pytest.approx(h3["accuracy"])
    assert [b for s, b in calls if s == 3] == [2, 5, 2, 5]


def test_batches_of_one_and_of_everything() -> None:
    model = classifier()
    expected = model.predict(X, verbose=0)
    for size in (1, 2, 36, 37, 5000):
        np.testing.assert_allclose(model.predict(X, batch_size=size, verbose=0), expected, rtol=1e-5)
        assert model.evaluate(X, Y, batch_size=size, verbose=0) == pytest.approx(
            model.evaluate(X, Y, verbose=0), rel=1e-5
        )
    model.fit(X, Y, batch_size=1, verbose=0)
    model.fit(X, Y, batch_size=5000, verbose=0)
    large = np.tile(X, (400, 1))
    np.testing.assert_allclose(
        model.predict(large, batch_size=len(large), verbose=0)[-37:], model.predict(X, verbose=0), rtol=1e-5
    )


def test_same_model_on_batches_of_other_sizes_gives_the_same_rows() -> None:
    model = keras.Sequential(
        [keras.Input((9, 9, 3)), layers.Conv2D(17, 3, padding="same"), layers.BatchNormalization(), layers.Conv2D(5, 3)]
    )
    x = RNG.normal(size=(5, 9, 9, 3)).astype("float32")
    whole = model.predict(x, verbose=0)
    np.testing.assert_allclose(
        np.concatenate([model.predict_on_batch(x[i : i + 1]) for i in range(5)]), whole, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "int32", "uint8", "bool"])
def test_arrays_of_other_dtypes(dtype: str) -> None:
    x = RNG.integers(0, 2, (6, 5)).astype(dtype)
    model = classifier()
    np.testing.assert_allclose(model.predict(x, verbose=0), model.predict(x.astype("float32"), verbose=0), rtol=1e-3)
    model.fit(x, Y[:6], verbose=0)


def test_lists_dicts_and_frames_of_data() -> None:
    model = classifier()
    model.fit(np.asarray(X.tolist()), Y.astype("uint8"), verbose=0)
    a, b = keras.Input((5,), name="a"), keras.Input((5,), name="b")
    two = keras.Model([a, b], layers.Dense(1)(layers.add([a, b])))
    two.compile("sgd", "mse")
    target = np.ones((37, 1))
    two.fit([X, X], target, verbose=0)
    two.fit({"a": X, "b": X}, target, verbose=0)
    np.testing.assert_allclose(two.predict([X, X], verbose=0), two.predict({"a": X, "b": X}, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(two([X, X]), two.predict((X, X), verbose=0), rtol=1e-5)


def test_sequence_targets_with_a_mask_count_only_what_is_there() -> None:
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(inputs)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.LSTM(4, return_sequences=True)(x)))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    tokens = RNG.integers(1, 9, (5, 6))
    tokens[:, 4:] = 0
    labels = RNG.integers(0, 3, (5, 6))
    y = model.predict(tokens, verbose=0)
    picked = np.take_along_axis(y, labels[..., None], -1)[..., 0][:, :4]
    loss, accuracy = model.evaluate(tokens, labels, verbose=0)
    assert loss == pytest.approx(-np.log(picked).mean(), rel=1e-4)
    assert accuracy == pytest.approx((y.argmax(-1) == labels)[:, :4].mean(), rel=1e-5)
    model.fit(tokens, labels, verbose=0)


def test_image_augmentation_layers_in_a_model() -> None:
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.RandomFlip(seed=1), layers.RandomTranslation(0.1,
        0.1, seed=2), layers.Conv2D(4, 3),
         layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )  # fmt: skip
    pictures = RNG.integers(0, 256, (6, 16, 16, 3)).astype("uint8")
    model.compile("adam", "mse")
    model.fit(pictures, np.zeros((6, 2)), epochs=2, verbose=0)
    np.testing.assert_array_equal(model.predict(pictures, verbose=0), model.predict(pictures, verbose=0))


def test_normalization_adapted_to_data() -> None:
    layer = layers.Normalization()
    layer.adapt(X)
    y = keras.Sequential([keras.Input((5,)), layer]).predict(X, verbose=0)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-4)
