"""Files, threads and memory: models live long and move around."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import simplecell

RNG = np.random.default_rng(6)
X = RNG.normal(size=(10, 8, 8, 2)).astype("float32")
Y = RNG.integers(0, 3, 10)


def network(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(6, 3, activation="relu", name="convolution")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_whole_models_go_on_where_they_were(tmp_path: Path) -> None:
    model = network()
    model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    for one in (model, again):
        one.fit(X, Y, epochs=2, verbose=0, shuffle=False)  # the optimizer's state came along
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_legacy_file(tmp_path: Path) -> None:
    model = network()
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.h5")
    # with its optimizer, Keras 3.15 loads such a file on no backend into a model that can be trained
    again = keras.models.load_model(tmp_path / "model.h5", compile=False)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    again.compile("adam", "sparse_categorical_crossentropy")
    again.fit(X, Y, verbose=0)


def test_weights_go_into_another_model(tmp_path: Path) -> None:
    model, other = network(0), network(1)
    for one in (model, other):
        one.fit(X, Y, verbose=0)
    model.save_weights(tmp_path / "some.weights.h5")
    before = other.predict(X, verbose=0)
    program = simplecell.compile(other)
    program(X)
    other.load_weights(tmp_path / "some.weights.h5")
    assert not np.array_equal(before, other.predict(X, verbose=0))
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    np.testing.assert_array_equal(program(X), simplecell.compile(model)(X))
    other.get_layer("convolution").set_weights([w + 1 for w in other.get_layer("convolution").get_weights()])
    np.testing.assert_allclose(program(X), other.predict(X, verbose=0), rtol=1e-5)


def test_a_frozen_program_needs_no_model() -> None:
    model = network(2)
    program = simplecell.compile(model, threads=1)
    with pytest.raises(ValueError, match="not been built for any batch size"):
        program.freeze()
    expected = [program(X), program(X[:1])]
    model.get_layer("convolution").set_weights([w * 2 for w in model.get_layer("convolution").get_weights()])
    assert not np.array_equal(program(X), expected[0])
    expected = [model.predict(X, verbose=0), model.predict(X[:1], verbose=0)]
    whole = weakref.ref(model)
    weight = weakref.ref(model.get_layer("convolution").kernel)
    del model
    program.freeze()
    program.freeze()
    assert whole() is None and weight() is None
    for _ in range(2):
        np.testing.assert_allclose(program(X), expected[0], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(program(X[:1]), expected[1], rtol=1e-5, atol=1e-7)
    assert "conv" in program.describe(1)
    with pytest.raises(
        ValueError,
        match=r"frozen, and was not built for the shape \(3, 8, 8, 2\), only for \(10, 8, 8, 2\), \(1, 8, 8, 2\)",
    ):
        program(X[:3])


def test_freezing_at_once_packs_the_weights_and_later_ones_are_not_seen() -> None:
    model = network(3)
    program = simplecell.compile(model, batch_size=10, threads=2)
    program.freeze()  # before its first run
    expected = model.predict(X, verbose=0)
    model.get_layer("convolution").set_weights([w * 2 for w in model.get_layer("convolution").get_weights()])
    np.testing.assert_allclose(program(X), expected, rtol=1e-5, atol=1e-7)
    assert not np.allclose(model.predict(X, verbose=0), expected)


def test_results_belong_to_the_caller() -> None:
    model = network()
    first = model.predict_on_batch(X)
    kept = first.copy()
    model.predict_on_batch(X + 1)
    np.testing.assert_array_equal(first, kept)
    first[...] = 7
    np.testing.assert_array_equal(model.predict_on_batch(X), kept)
    weights = model.get_weights()
    weights[0][...] = 0
    np.testing.assert_array_equal(model.predict_on_batch(X), kept)
    data = X.copy()
    model.train_on_batch(data, Y)
    np.testing.assert_array_equal(data, X)


def test_loops_do_not_grow() -> None:
    model = network()

    def loop(times: int) -> None:
        for _ in range(times):
            model.predict(X, verbose=0)
            model.predict_on_batch(X)
            model(X)
            model.train_on_batch(X, Y)

    loop(5)
    gc.collect()
    tracemalloc.start()
    loop(5)
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    loop(60)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 60 * 2000, "a batch is 5 kilobytes, and a round of four calls keeps none"


def test_models_go_away() -> None:
    def make() -> None:
        model = network()
        model.fit(X, Y, verbose=0)
        model.predict(X, verbose=0)
        simplecell.compile(model)(X)

    make()
    keras.backend.clear_session()
    gc.collect()
    tracemalloc.start()
    make()
    keras.backend.clear_session()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(3):
        make()
        keras.backend.clear_session()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 3 * 150_000


def test_models_in_threads() -> None:
    model = network()
    expected = model.predict(X, verbose=0)
    program = simplecell.compile(model)
    wanted = program(X)
    failures: list[str] = []

    def predict() -> None:
        for _ in range(10):
            if not np.array_equal(model.predict_on_batch(X), expected) or not np.array_equal(program(X), wanted):
                failures.append("other bits")

    def train(seed: int) -> None:
        own = keras.models.clone_model(model)
        own.compile("sgd", "sparse_categorical_crossentropy")
        for _ in range(5):
            if not np.isfinite(own.train_on_batch(X, Y)).all():
                failures.append("not finite")

    def guarded(work: object, *arguments: object) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(predict,)) for _ in range(3)] + [
        threading.Thread(target=guarded, args=(train, i)) for i in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_calls_whose_batches_nobody_watches_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a thread for callbacks")

    class Epochs(keras.callbacks.Callback):
        seen = 0

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            Epochs.seen += 1

    model = network()
    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor", refuse)
    model.predict(X, verbose=0)
    model.evaluate(X, Y, verbose=0)
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[Epochs()])
    assert Epochs.seen == 2 and len(history.history["loss"]) == 2
