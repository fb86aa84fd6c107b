"""Predictions take the memory of the outputs once, and what batches without samples and unusual data do."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from simplecell.keras_backend.joined import Joined

RNG = np.random.default_rng(9)
COUNT, SIDE, CHANNELS = 44, 32, 16
X = RNG.normal(size=(COUNT, SIDE, SIDE, 1)).astype("float32")
OUTPUT = X.nbytes * CHANNELS
BATCH = OUTPUT // 11  # of 4 images


def network(outputs: str = "one", **options: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 1))
    y = layers.Conv2D(CHANNELS, 3, padding="same", activation="relu")(inputs)
    small = layers.GlobalAveragePooling2D(name="small")(y)
    model = keras.Model(inputs, {"one": y, "list": [y, small], "dict": {"b": small, "a": {"deep": y}}}[outputs])
    model.compile(**options)
    return model


class Dataset(keras.utils.PyDataset):
    """Batches of those sizes, one after the other from X."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, i: int) -> Any:
        start = sum(self.sizes[:i])
        return X[start : start + self.sizes[i]], np.zeros(self.sizes[i])


def generated(sizes: list[int]) -> Iterator[Any]:
    start = 0
    for n in sizes:
        yield (X[start : start + n],)
        start += n


def peak(call: Any) -> tuple[Any, int]:
    tracemalloc.start()
    try:
        result = call()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


SIZES = [4] * 11
WAYS: dict[str, Any] = {
    "arrays": lambda m: m.predict(X, batch_size=4, verbose=0),
    "arrays, a smaller last batch": lambda m: m.predict(X, batch_size=5, verbose=0),
    "arrays, some steps": lambda m: m.predict(X, batch_size=4, steps=11, verbose=0),
    "progress bar": lambda m: m.predict(X, batch_size=4, verbose=2),
    "dataset": lambda m: m.predict(Dataset(SIZES), verbose=0),
    "dataset of uneven batches": lambda m: m.predict(Dataset([4, 4, 0, 3, 5, 1, 4, 4, 4, 4, 4, 4, 3]), verbose=0),
    "generator": lambda m: m.predict(generated(SIZES), verbose=0),
    "generator, steps": lambda m: m.predict(generated(SIZES), steps=11, verbose=0),
    "one batch": lambda m: m.predict_on_batch(X),
}


@pytest.mark.parametrize("outputs", ["one", "list", "dict"])
@pytest.mark.parametrize("way", list(WAYS))
def test_memory_is_the_output_and_a_batch(way: str, outputs: str) -> None:
    model = network(outputs, steps_per_execution=2 if way == "arrays, a smaller last batch" else 1)
    WAYS[way](model)  # programs are made, and hold memory of their own
    result, most = peak(lambda: WAYS[way](model))
    images = {"one": lambda: result, "list": lambda: result[0], "dict": lambda: result["a"]["deep"]}[outputs]()
    whole = model.predict_on_batch(X)
    keras.tree.assert_same_structure(result, whole)
    for got, wanted in zip(keras.tree.flatten(result), keras.tree.flatten(whole), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
        assert got.flags.owndata and got.flags.writeable
    assert images.nbytes == OUTPUT
    # a generator does not tell how much will come: its array grows by eighths
    room = OUTPUT // 8 if "generator" in way else 0
    assert most < OUTPUT + 2 * BATCH + room + (1 << 18), f"{most / OUTPUT:.2f} times the output"


def test_callbacks_see_each_batch_and_may_keep_it() -> None:
    kept: list[Any] = []

    class Look(keras.callbacks.Callback):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            kept.append(logs["outputs"])

    for steps, count in ((1, 11), (2, 6), (20, 1)):
        for make in (lambda: X, lambda: generated(SIZES)):
            data = make()
            kept.clear()
            model = network("list", steps_per_execution=steps)
            batch_size = {"batch_size": 4} if isinstance(data, np.ndarray) else {}
            result = model.predict(data, verbose=0, callbacks=[Look()], **batch_size)
            assert len(kept) == count
            for i in (0, 1):
                np.testing.assert_array_equal(np.concatenate([y[i] for y in kept]), result[i])
            kept[0][1][...] = 77  # their own
            assert result[1].max() != 77


def test_steps_and_stops_give_what_was_predicted() -> None:
    model = network()
    whole = model.predict_on_batch(X)
    np.testing.assert_allclose(model.predict(X, batch_size=4, steps=3, verbose=0), whole[:12], rtol=1e-5, atol=1e-6)

    class Stop(keras.callbacks.Callback):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_predicting = batch == 1

    found = model.predict(X, batch_size=4, verbose=0, callbacks=[Stop()])
    np.testing.assert_allclose(found, whole[:8], rtol=1e-5, atol=1e-6)
    endless = ((X[:4],) for _ in iter(int, 1))
    assert model.predict(endless, steps=10**12, verbose=0, callbacks=[Stop()]).shape == (8, SIDE, SIDE, CHANNELS)


def test_outputs_that_cannot_be_joined_are_an_error() -> None:
    model = keras.Sequential([keras.Input((None, 2)), layers.Conv1D(3, 3)])
    sizes = iter([5, 5, 6])
    with pytest.raises(ValueError, match=r"shape \(4, 3, 3\) and those of the next \(2, 4, 3\): they cannot be joined"):
        model.predict(((np.zeros((2, n, 2), "float32"),) for n in sizes), verbose=0)
    scalar = keras.Sequential([keras.Input((2,)), layers.Lambda(ops.sum)])
    with pytest.raises(ValueError, match="a scalar, which has no batch axis.*predict_on_batch"):
        scalar.predict(np.ones((4, 2)), batch_size=2, verbose=0)
    assert scalar.predict_on_batch(np.ones((4, 2))) == 8


def test_outputs_of_other_kinds_are_joined() -> None:
    joined = Joined()
    for part in (np.ones((2, 3), "int32"), np.full((1, 3), 1.5), np.full((2, 3), 2, "int32")):
        joined.add({"y": part, "z": (part[:, 0],)}, len(part))
    result = joined.result()
    np.testing.assert_array_equal(result["z"][0], [1, 1, 1.5, 2, 2])
    assert result["y"].shape == (5, 3) and result["y"].dtype == np.float64
    with pytest.raises(ValueError):
        joined.add([np.ones((1, 3))], 1)

    class Constant(layers.Layer):  # an output that no program computes
        def call(self, x: Any) -> Any:
            return x, np.arange(2.0)

    model = keras.Sequential([Constant()])
    y, constant = model.predict(np.ones((4, 2), "float32"), batch_size=2, verbose=0)
    assert y.shape == (4, 2)
    np.testing.assert_array_equal(constant, [0, 1, 0, 1])


@pytest.mark.parametrize("eagerly", [False, True])
def test_nobody_shares_a_prediction(eagerly: bool) -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Identity()])
    model.compile(run_eagerly=eagerly)
    x = np.ones((2, 3), "float32")
    for call in (model.predict_on_batch, lambda x: model.predict(x, verbose=0)):
        y = call(x)
        y[...] = 5
        assert x.max() == 1
        np.testing.assert_array_equal(call(x), x)


# --- batches without samples ------------------------------------------------------------------------------------------


def trained(**options: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"], **options)
    return model


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"steps_per_execution": 3}], ids=str)
def test_a_batch_without_samples_is_an_error_and_changes_nothing(options: Any) -> None:
    model, before = trained(**options), trained(**options)
    before.fit(Dataset([4]), shuffle=False, verbose=0)
    with pytest.raises(ValueError, match=r"A batch holds no sample: its first array has the shape \(0, 32, 32, 1\)"):
        model.fit(Dataset([4, 0, 4]), shuffle=False, verbose=0)
    for a, b in zip(
        [*model.variables, *model.optimizer.variables], [*before.variables, *before.optimizer.variables], strict=True
    ):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    nothing = X[:0], np.zeros(0)
    for call in (
        lambda: model.train_on_batch(*nothing),
        lambda: model.test_on_batch(*nothing),
        lambda: model.evaluate(Dataset([4, 0, 4]), verbose=0),
        lambda: model.fit(X[:4], np.zeros(4), validation_data=Dataset([0, 4]), verbose=0),
    ):
        kept = model.get_weights()
        with pytest.raises(ValueError, match="A batch holds no sample"):
            call()
        assert all(np.isfinite(w).all() for w in model.get_weights())
        if "fit" not in call.__code__.co_names:
            for a, b in zip(kept, model.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
    assert np.isfinite(model.fit(Dataset([4, 4]), verbose=0).history["loss"]).all()
    assert np.isfinite(model.evaluate(Dataset([4, 4]), verbose=0)).all()


def test_predictions_of_no_samples_have_none() -> None:
    model = trained()
    assert model.predict(Dataset([0, 0]), verbose=0).shape == (0, 1)
    assert model.predict(Dataset([0, 4]), verbose=0).shape == (4, 1)
    assert model.predict_on_batch(X[:0]).shape == (0, 1)
    with pytest.raises(ValueError, match="There is nothing to predict"):
        model.predict(Dataset([]), verbose=0)


# --- what is no data --------------------------------------------------------------------------------------------------


def test_no_data_at_all_is_an_error_that_says_so() -> None:
    model = trained()
    for call in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match="x: is None, so that there is no data"):
            call(None, verbose=0)
    with pytest.raises(ValueError, match="x: is None, so that there is no data"):
        model.predict_on_batch(None)


def test_numbers_of_any_kind_are_converted() -> None:
    model = trained()
    x, y = X[:4], np.arange(4.0)
    expected = model.predict(x, verbose=0)
    before = model.evaluate(x, y, verbose=0)
    for disguise in ("longdouble", object, "float64", "float16"):
        given = x.astype(disguise)
        tolerance = 1e-2 if disguise == "float16" else 0
        np.testing.assert_allclose(model.predict(given, verbose=0), expected, rtol=tolerance)
        np.testing.assert_allclose(model.predict_on_batch(given), expected, rtol=tolerance)
        np.testing.assert_allclose(model.evaluate(given, y.astype(disguise), verbose=0), before, rtol=tolerance)
        np.testing.assert_allclose(model.test_on_batch(given, y.astype(disguise)), before, rtol=tolerance)
    model.fit(
        x.astype("longdouble"), y.astype(object), validation_data=(x.astype(object), y.astype("longdouble")), verbose=0
    )


@pytest.mark.parametrize("kind", ["complex64", "U8", "S8", "datetime64[s]", "object of strings", "object of None"])
def test_what_is_no_real_number_is_an_error(kind: str) -> None:
    model = trained()
    x = np.zeros((4, SIDE, SIDE, 1))
    x = np.full(x.shape, "a" if "strings" in kind else None) if kind.startswith("object") else x.astype(kind)
    y = np.zeros(4)
    for call in (
        lambda: model.predict(x, verbose=0),
        lambda: model.predict_on_batch(x),
        lambda: model.fit(x, y, verbose=0),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.train_on_batch(x, y),
        lambda: model.fit(X[:4], y, validation_data=(x, y), verbose=0),
    ):
        with pytest.raises(ValueError, match="(x|validation_data) (must hold numbers|cannot be made an array)"):
            call()
