"""Labels that do not exist are an error, whatever way they take to the loss, and leave the model as it was."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell

RNG = np.random.default_rng(8)
X = RNG.normal(size=(6, 4, 4, 2)).astype("float32")
CLASSES = 5


def segmenter(loss: Any, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(CLASSES, 3, padding="same")])
    model.compile(keras.optimizers.SGD(0.1), loss, **options)
    return model


def sparse(ignore_class: int | None = None) -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignore_class)


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize("ignore", [255, -1, 2])
def test_only_the_ignored_class_may_lie_outside(ignore: int, eagerly: bool) -> None:
    model = segmenter(sparse(ignore), run_eagerly=eagerly)
    good = RNG.integers(0, CLASSES, (6, 4, 4))
    good[0] = ignore
    assert np.isfinite(model.train_on_batch(X, good))
    before = model.get_weights()
    for label in {7, 5, -1, -2, 254, 255, 256, 2**32 + 1} - {ignore}:
        bad = good.copy()
        bad[3, 2, 1] = label
        for call in (model.train_on_batch, model.test_on_batch, lambda x, y: model.fit(x, y, verbose=0)):
            with pytest.raises(ValueError, match=r"label lies outside of \[0, 5\): the model has 5 outputs"):
                call(X, bad)
    for kind in (np.full((6, 4, 4), np.nan), np.full((6, 4, 4), 7, "uint8"), np.full((6, 4, 4, 1), 7)):
        with pytest.raises(ValueError, match=r"label lies outside of \[0, 5\)"):
            model.train_on_batch(X, kind)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.train_on_batch(X, np.full((6, 4, 4), ignore)) == 0


WAYS: dict[str, Any] = {
    "as it is": lambda y: y,
    "cast": lambda y: ops.cast(y, "int64"),
    "shifted": lambda y: y + 0,
    "scaled": lambda y: ops.cast(ops.cast(y, "float32") * 1.0, "int32"),
    "reshaped": lambda y: ops.reshape(ops.reshape(y, (-1,)), y.shape),
    "where": lambda y: ops.where(y == 254, 0, y),
    "clipped to too much": lambda y: ops.clip(y, 0, 100),
    "flipped": lambda y: ops.flip(ops.flip(y, 1), 1),
    "sliced": lambda y: ops.concatenate([y[:3], y[3:]], 0),
    "taken": lambda y: ops.take(y, [0, 1, 2, 3, 4, 5], axis=0),
    "largest": lambda y: ops.argmax(ops.one_hot(y, 50), -1),
    "by a function in the program": lambda y: ops.vectorized_map(lambda row: row, y),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_no_arithmetic_hides_a_label(way: str) -> None:
    def loss(y: Any, logits: Any) -> Any:
        return keras.losses.sparse_categorical_crossentropy(WAYS[way](y), logits, from_logits=True)

    model = segmenter(loss)
    good = RNG.integers(0, CLASSES, (6, 4, 4))
    expected = segmenter(sparse()).train_on_batch(X, good)
    assert model.train_on_batch(X, good) == pytest.approx(float(expected), rel=1e-5)
    before = model.get_weights()
    for shape in (good.shape,):
        bad = good.copy()
        bad[2, 0, 0] = 7
        assert bad.shape == shape
        with pytest.raises(ValueError, match=r"label lies outside of \[0, 5\)"):
            model.train_on_batch(X, bad)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(model.train_on_batch(X, good))


def test_labels_that_the_model_itself_makes_are_looked_at() -> None:
    class Teacher(keras.Model):
        shift = 0

        def train_step(self, data: Any) -> Any:
            x = data[0]
            logits = self(x, training=True)
            mine = ops.argmax(logits, -1) + self.offset
            loss = ops.mean(keras.losses.sparse_categorical_crossentropy(mine, logits, from_logits=True))
            self.optimizer.apply(simplecell.gradients(loss, self.trainable_weights), self.trainable_weights)
            return {"loss": loss}

    inputs = keras.Input((4, 4, 2))
    model = Teacher(inputs, layers.Conv2D(CLASSES, 3, padding="same")(inputs))
    model.offset = keras.Variable(0, dtype="int32", trainable=False)
    model.compile(keras.optimizers.SGD(0.1))
    y = np.zeros(6)
    assert np.isfinite(model.train_on_batch(X, y))
    model.offset.assign(CLASSES)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"label lies outside of \[0, 5\)"):
        model.train_on_batch(X, y)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_lies_outside_of_a_matrix_is_counted_nowhere() -> None:
    """A row of 0 and a column of 3 of a 3×3 matrix were its row 1 and column 0: confusion matrices and IoU counted one
    class as another."""
    traced = keras.Sequential(
        [keras.Input((2,), dtype="int32"), layers.Lambda(lambda at: ops.scatter(at, ops.ones_like(at[:, 0]), (3, 3)))]
    )
    for rows, columns in (
        ([0, 1, 2], [0, 3, 1]),
        ([0, 4, 2], [0, 1, 1]),
        ([0, -4, 2], [0, 1, 1]),
        ([0, 1, 2], [0, -9, 1]),
    ):
        at = np.stack([rows, columns], 1).astype("int32")
        for found in (ops.scatter(at, np.ones(3, "int32"), (3, 3)), traced.predict_on_batch(at)):
            np.testing.assert_array_equal(found, [[1, 0, 0], [0, 0, 0], [0, 1, 0]])
    iou = keras.metrics.MeanIoU(3)
    iou.update_state([0, 1, 2], [0, 3, 2])
    assert float(iou.result()) == pytest.approx(1)


# --- gradients --------------------------------------------------------------------------------------------------------


def test_gradients_of_arrays_outside_of_a_step_are_an_error() -> None:
    v = keras.Variable(2.0)
    for loss, variables in (
        (np.float32(1), [np.ones(2)]),
        (np.ones(3), [v]),
        (v.value, [v]),
        (1.0, [v, np.ones(1)]),
        (np.float32(1), []),
    ):
        with pytest.raises(RuntimeError, match="traced step only.*no history: use `simplecell.value_and_gradients`"):
            simplecell.gradients(loss, variables)


@pytest.mark.parametrize("eagerly", [False, True])
def test_gradients_inside_of_a_step(eagerly: bool) -> None:
    seen: dict[str, Any] = {}

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.a = self.add_weight(shape=(), initializer="ones", name="a")
            self.b = self.add_weight(shape=(), initializer="ones", name="b")
            self.frozen = self.add_weight(shape=(), initializer="ones", trainable=False)

        def call(self, x: Any) -> Any:
            return x * self.a

        def train_step(self, data: Any) -> Any:
            x, y = data[:2]
            hidden = self(x)
            loss = ops.sum(hidden * y)
            wanted = [self.a, self.b, hidden] + ([] if eagerly else [x, y])
            found = simplecell.gradients(loss, wanted)
            for array in (np.ones(3), [1.0], 3):
                with pytest.raises(
                    ValueError, match=r"`variables\[1\]` is a (ndarray|list|int), whose use is not recorded"
                ):
                    simplecell.gradients(loss, [self.a, array])
            if not eagerly:
                with pytest.raises(ValueError, match="`loss` is a ndarray, not a tensor"):
                    simplecell.gradients(np.ones(2), [self.a])
            if eagerly:
                assert float(simplecell.gradients(np.ones(2), [self.a])[0]) == 0
                with pytest.raises(
                    ValueError, match="only those of trainable variables are recorded with `run_eagerly=True`"
                ):
                    simplecell.gradients(loss, [self.frozen])
            else:
                assert simplecell.gradients(loss * self.frozen, [self.frozen])[0] is not None
            seen["found"] = True
            return {
                "b": found[1],
                "a": found[0],
                "hidden": ops.sum(found[2]),
                **({} if eagerly else {"x": ops.sum(found[3])}),
            }

    model = Own()
    model.compile("sgd", run_eagerly=eagerly)
    x, y = np.ones((4, 2), "float32"), np.full((4, 2), 3, "float32")
    result = model.train_on_batch(x, y, return_dict=True)
    assert result["b"] == 0, "the loss does not depend on it"
    assert seen and result["a"] == 24 and result["hidden"] == 24 and result.get("x", 24) == 24
