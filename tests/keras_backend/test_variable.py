import copy
import pickle

import keras
import numpy as np
import pytest


def test_values_are_read_only_copies():
    source = np.ones((2, 3), "float32")
    v = keras.Variable(source)
    source[:] = 5
    assert v.numpy().max() == 1
    with pytest.raises(ValueError, match="read-only"):
        v.value[0] = 2
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(v)[0] = 2
    given = np.zeros((2, 3), "float32")
    v.assign(given)
    given[:] = 7  # stays the caller's own
    assert v.numpy().max() == 0
    v.numpy()[:] = 3  # a copy
    assert v.numpy().max() == 0


def test_each_assignment_makes_a_new_cell():
    v = keras.Variable(np.zeros(3))
    before = v.cell
    v.assign_add(np.ones(3))
    assert v.cell is not before
    before = v.cell
    v.assign(v.value)  # the same array, which stays shared
    assert v.cell is not before and v.cell.array is before.array


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_copies_are_independent(duplicate):
    v = keras.Variable(np.arange(3.0))
    w = duplicate(v)
    w.assign(w + 1)
    np.testing.assert_array_equal(v.numpy(), [0, 1, 2])
    np.testing.assert_array_equal(w.numpy(), [1, 2, 3])
    with pytest.raises(ValueError, match="read-only"):
        w.value[0] = 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_an_initializer_returns_becomes_the_variables_dtype(dtype):
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(3,), initializer=lambda shape, dtype=None: np.arange(3) + 0.5)

        def call(self, x):
            return x * self.scale

    inputs = keras.Input((3,))
    model = keras.Model(inputs, Scale(dtype=dtype)(inputs))
    (scale,) = model.variables
    assert scale.numpy().dtype.name == scale.dtype == dtype
    x = np.ones((2, 3), "float32")
    for y in (model(x), model.predict(x, verbose=0)):  # a program reads the bytes as of that dtype
        np.testing.assert_array_equal(np.asarray(y).astype("float32"), [[0.5, 1.5, 2.5]] * 2)


def test_recurrent_layers_in_bfloat16_compute_as_in_float32():
    inputs = keras.Input((5, 4))
    half = keras.Model(inputs, keras.layers.LSTM(3, dtype="bfloat16")(inputs))  # its initializer returns float32
    full = keras.Model(inputs, keras.layers.LSTM(3)(inputs))
    for v, w in zip(full.variables, half.variables):
        v.assign(w.numpy().astype("float32") if "kernel" in w.path or "bias" in w.path else w)
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    np.testing.assert_allclose(half.predict(x, verbose=0).astype("float32"), full(x), atol=0.02)


def test_an_initializer_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"initializer: must return .* shape \(3,\), got \(2,\)"):
        keras.Variable(lambda shape, dtype: np.ones(2, dtype), shape=(3,))


def test_assigning_another_shape_is_an_error():
    with pytest.raises(ValueError, match="must match"):
        keras.Variable(np.zeros(3)).assign(np.zeros(4))


LARGE = (300, 1000)


@pytest.mark.parametrize(
    "name", ["glorot_uniform", "he_normal", "lecun_uniform", "random_normal", "random_uniform", "truncated_normal"]
)
def test_random_values_are_drawn_when_they_are_asked_for_and_are_the_same(name, monkeypatch):
    initializer = keras.initializers.get(name)
    initializer.seed = 5
    expected = initializer(LARGE, dtype="float32")
    draws = []
    kind = type(initializer)
    call = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda self, *a, **k: draws.append(1) or call(self, *a, **k))
    v = keras.Variable(initializer, shape=LARGE, dtype="float32")
    w = copy.deepcopy(v)
    loaded = keras.Variable(initializer, shape=LARGE, dtype="float32")
    loaded.assign(np.ones(LARGE))
    cell = v.cell
    assert not draws and v.shape == LARGE and v.ndim == 2 and v.dtype == "float32"
    np.testing.assert_array_equal(v.numpy(), expected)
    np.testing.assert_array_equal(v.value, expected)
    assert draws == [1] and v.cell is cell
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(w)).numpy(), expected)
    assert loaded.numpy().min() == 1
    with pytest.raises(ValueError, match="read-only"):
        v.value[0] = 2


def test_what_draws_differently_each_time_is_called_at_once():
    state = keras.random.SeedGenerator(3)
    first, second = (keras.Variable(keras.initializers.RandomNormal(seed=state), shape=(4,)) for _ in range(2))
    again = keras.random.SeedGenerator(3)
    expected = [keras.random.normal((4,), stddev=0.05, seed=again) for _ in range(2)]
    np.testing.assert_array_equal(second.numpy(), expected[1])
    np.testing.assert_array_equal(first.numpy(), expected[0])
    with pytest.raises(ValueError):
        keras.Variable(keras.initializers.Orthogonal(), shape=(3,))


def test_large_values_are_shared_when_read_only_and_copied_when_not():
    source = np.ones((600, 1000), "float32")
    v = keras.Variable(source)
    source[:] = 5
    assert v.numpy().max() == 1
    w = keras.Variable(np.zeros_like(source))
    w.assign(v.value)
    assert np.shares_memory(w.value, v.value)
    again = pickle.loads(pickle.dumps(v))
    again.assign(again + 1)
    assert v.numpy().max() == 1 and again.numpy().min() == 2
