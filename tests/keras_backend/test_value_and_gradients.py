"""`simplecell.value_and_gradients`: values, gradients, and programs that are found again when they should be."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell
from simplecell.keras_backend import value_and_gradients as module

RNG = np.random.default_rng(6)
SCALE = 2.0


def sample(*shape: int, dtype: str = "float32") -> np.ndarray:
    return RNG.normal(size=shape).astype(dtype)


def close(a: Any, b: Any, **options: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), **{"rtol": 1e-4, "atol": 1e-5, **options})


def programs_made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    original = module._made

    def counting(*arguments: Any) -> Any:
        made.append(arguments[0])
        return original(*arguments)

    monkeypatch.setattr(module, "_made", counting)
    return made


def model_of(*made: Any, inputs: tuple[int, ...] = (5,)) -> keras.Model:
    return keras.Sequential([keras.Input(inputs), *made])


# --- values and gradients ---------------------------------------------------------------------------------------------


def test_without_layers_and_not_a_scalar() -> None:
    x, y = sample(3, 4), sample(3, 1)
    value, gradients = simplecell.value_and_gradients(lambda a, b: ops.sin(a) * b, x, y)
    close(value, np.sin(x) * y)
    assert isinstance(gradients, tuple) and len(gradients) == 2
    close(gradients[0], np.cos(x) * y)
    close(gradients[1], np.sin(x).sum(1, keepdims=True))
    assert all(type(a) is np.ndarray for a in (value, *gradients))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_dtypes_and_numbers(dtype: str) -> None:
    x = sample(4, dtype=dtype)
    value, (found,) = simplecell.value_and_gradients(lambda a: ops.sum(a * a), x)
    assert found.dtype == np.dtype(dtype)
    close(found, 2 * x.astype("float64"), rtol=1e-2 if dtype == "float16" else 1e-6)
    value, (slope,) = simplecell.value_and_gradients(lambda a: a**3, 2.0)
    assert float(value) == 8 and float(slope) == 12


def test_integers_have_no_gradient() -> None:
    table, i = sample(5, 3), np.array([1, 1, 4])
    _, (first, second) = simplecell.value_and_gradients(lambda t, k: ops.take(t, k, 0), table, i)
    assert second is None
    close(first, np.array([0, 2, 0, 0, 1])[:, None] * np.ones((5, 3)))


def test_finite_differences_of_a_network() -> None:
    model = model_of(
        layers.Conv2D(3, 3, activation="tanh"), layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(2),
        inputs=(6, 6, 2),
    )  # fmt: skip
    x = sample(2, 6, 6, 2)
    value, (found,), weights = simplecell.value_and_gradients(
        lambda a: ops.sum(model(a) ** 2, -1), x, variables=model.trainable_variables
    )
    close(value, (np.asarray(model(x)) ** 2).sum(-1))
    assert [w.shape for w in weights] == [tuple(v.shape) for v in model.trainable_variables]
    for array, gradient in ((x, found), (model.layers[-1].kernel, weights[2])):
        direction = sample(*gradient.shape)
        change = []
        for step in (1e-2, -1e-2):
            if array is x:
                change.append((np.asarray(model(x + step * direction)) ** 2).sum())
            else:
                before = np.array(array.value)
                array.assign(before + step * direction)
                change.append((np.asarray(model(x)) ** 2).sum())
                array.assign(before)
        close((change[0] - change[1]) / 2e-2, (gradient * direction).sum(), rtol=2e-2, atol=1e-2)


def test_the_users_own_loop_and_accumulation() -> None:
    """A step written with it is `fit`'s; gradients of two halves add up to those of the whole."""
    keras.utils.set_random_seed(1)
    model = model_of(layers.Dense(4, activation="relu"), layers.Dense(1))
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    x, y = sample(8, 5), sample(8, 1)
    other.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    loss = keras.losses.MeanSquaredError()
    for _ in range(4):
        expected = other.train_on_batch(x, y)
        value, _, whole = simplecell.value_and_gradients(
            lambda a, b: loss(b, model(a)), x, y, variables=model.trainable_variables
        )
        assert float(value) == pytest.approx(float(expected), rel=1e-4)
        halves = [
            simplecell.value_and_gradients(
                lambda a, b: loss(b, model(a)), x[part], y[part], variables=model.trainable_variables
            )[2]
            for part in (slice(4), slice(4, 8))
        ]
        for a, b, c in zip(whole, *halves, strict=True):
            close(a, (b + c) / 2)
        optimizer.apply(whole, model.trainable_variables)
    for v, w in zip(model.weights, other.weights, strict=True):
        close(v, w)


def test_what_comes_along_and_what_is_assigned() -> None:
    model = model_of(layers.BatchNormalization(momentum=0.5), layers.Dropout(0.5))
    mean = model.layers[0].moving_mean
    x = sample(32, 5)

    def function(a: Any) -> Any:
        y = model(a, training=True)
        return ops.mean(y), {"features": y, "list": [y * 2, 3]}

    (value, extra), (found,) = simplecell.value_and_gradients(function, x)
    close(extra["features"].mean(), value)
    close(extra["list"][0], extra["features"] * 2)
    assert extra["list"][1] == 3 and found.shape == x.shape
    close(mean.value, 0.5 * x.mean(0))
    (_, again), _ = simplecell.value_and_gradients(function, x)
    close(mean.value, 0.75 * x.mean(0))
    assert (again["features"] != extra["features"]).any()  # other ones are dropped


def test_variables_without_influence_and_after_assignments() -> None:
    model = model_of(layers.Dense(2))
    apart = keras.Variable(sample(3))
    x = sample(4, 5)
    _, _, found = simplecell.value_and_gradients(lambda a: model(a), x, variables=[apart, model.layers[0].bias])
    close(found[0], np.zeros(3))
    close(found[1], [4, 4])
    result = simplecell.value_and_gradients(lambda a: model(a), x, variables=[])
    assert len(result) == 3 and result[2] == ()
    assert len(simplecell.value_and_gradients(lambda a: model(a), x)) == 2

    def doubled(a: Any) -> Any:
        apart.assign(apart * 2)
        return ops.sum(apart * a)

    before = np.array(apart.value)
    value, _, (slope,) = simplecell.value_and_gradients(doubled, np.ones(3, "float32"), variables=[apart])
    close(value, 2 * before.sum())
    close(slope, [1, 1, 1])  # at the new value
    close(apart.value, 2 * before)


# --- nesting ----------------------------------------------------------------------------------------------------------


def test_gradients_of_gradients() -> None:
    def penalty(x: Any) -> Any:
        _, (slope,) = simplecell.value_and_gradients(lambda a: ops.sum(a**3), x)
        return ops.sum(slope**2)  # Σ 9x⁴

    x = sample(4)
    value, (found,) = simplecell.value_and_gradients(penalty, x)
    close(value, (9 * x**4).sum())
    close(found, 36 * x**3)


def test_only_through_the_argument() -> None:
    def function(x: Any) -> Any:
        _, (slope,) = simplecell.value_and_gradients(lambda a: ops.sum(a * x), x)
        return slope  # x, not 2x

    x = sample(4)
    close(simplecell.value_and_gradients(function, x)[0], x)
    close(simplecell.value_and_gradients(function, x)[1][0], np.ones(4))


@pytest.mark.parametrize("eagerly", [False, True])
def test_in_a_train_step(eagerly: bool) -> None:
    class Smooth(keras.Model):
        """Adds the squared gradient of its output with respect to its input to the loss."""

        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(1)

        def build(self, shape: Any) -> None:
            self.dense.build(shape)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, data: Any) -> Any:
            x, y, _ = data
            value, (slope,), found = simplecell.value_and_gradients(
                lambda a: ops.mean((self(a, training=True) - y) ** 2), x, variables=self.trainable_weights
            )
            self.optimizer.apply(found, self.trainable_weights)
            return {"loss": value, "slope": ops.sum(slope**2)}

    model = Smooth()
    model.build((None, 3))
    kernel, bias = (np.array(v.value) for v in model.weights)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=eagerly)
    x, y = sample(4, 3), sample(4, 1)
    logs = model.train_on_batch(x, y, return_dict=True)
    error = x @ kernel + bias - y
    assert float(logs["loss"]) == pytest.approx(float((error**2).mean()), rel=1e-4)
    assert float(logs["slope"]) == pytest.approx(float(((error / 2 @ kernel.T) ** 2).sum()), rel=1e-4)
    close(model.dense.kernel, kernel - 0.1 * x.T @ error / 2)


def test_in_a_layer_whose_shapes_keras_asks_for() -> None:
    class Slope(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.inner = layers.Dense(3, activation="tanh")

        def build(self, shape: Any) -> None:
            self.inner.build(shape)

        def call(self, x: Any) -> Any:
            return simplecell.value_and_gradients(self.inner, x, variables=self.inner.weights)[1][0]

    inputs = keras.Input((4,))
    model = keras.Model(inputs, Slope()(inputs))
    assert model.output_shape == (None, 4)
    x = sample(2, 4)
    inner = model.layers[1].inner
    expected = (1 - np.asarray(inner(x)) ** 2) @ np.asarray(inner.kernel).T
    close(simplecell.compile(model)(x), expected)
    close(model(x), expected)


def test_gradients_inside_and_outside() -> None:
    variable = keras.Variable(np.float32(3))

    def function(a: Any) -> Any:
        (slope,) = simplecell.gradients(ops.sum(variable**2 * a), [variable])
        return slope

    close(simplecell.value_and_gradients(function, np.ones(2, "float32"))[0], 12)
    with pytest.raises(RuntimeError, match="value_and_gradients"):
        simplecell.gradients(np.float32(1), [variable])


# --- which programs are found -----------------------------------------------------------------------------------------


def test_traced_once_per_function_and_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = programs_made(monkeypatch)
    model = model_of(layers.Dense(2))
    for _ in range(3):
        for count in (2, 3):
            x = sample(count, 5)
            value, _ = simplecell.value_and_gradients(lambda a: model(a) + 1, x)  # a new lambda each time
            close(value, np.asarray(model(x)) + 1)
    assert len(made) == 2
    simplecell.value_and_gradients(lambda a: model(a) + 2, sample(2, 5))  # other code
    assert len(made) == 3


def test_new_values_of_variables_are_seen_without_a_new_program(monkeypatch: pytest.MonkeyPatch) -> None:
    made = programs_made(monkeypatch)
    model = model_of(layers.Dense(2))
    x = sample(2, 5)
    for _ in range(3):
        model.layers[0].kernel.assign(sample(5, 2))
        close(simplecell.value_and_gradients(model, x)[0], model(x))
    assert len(made) == 1
    model.layers[0].trainable = False
    assert len(simplecell.value_and_gradients(model, x, variables=model.trainable_variables)[2]) == 0
    assert len(made) == 2


class Holder:
    offset = 10.0

    def __init__(self) -> None:
        self.factor, self.table, self.unused = 2.0, np.ones(3, "float32"), np.zeros(3)
        self.settings = {"power": [2]}

    def __call__(self, a: Any) -> Any:
        return self.scaled(a) + self.offset

    def scaled(self, a: Any) -> Any:
        return a ** self.settings["power"][0] * self.factor * self.table


def helper(a: Any) -> Any:
    return a * SCALE


def test_changed_python_values_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    made = programs_made(monkeypatch)
    x = np.array([1, 2, 3], "float32")

    def run(function: Any, expected: Any, new: int) -> None:
        for _ in range(2):
            before = len(made)
            close(simplecell.value_and_gradients(function, x)[0], expected)
            assert len(made) - before == new, expected
            new = 0

    factor: Any = 2.0

    def closure(a: Any) -> Any:
        return a * factor

    run(closure, x * 2, 1)
    factor = 3.0
    run(closure, x * 3, 1)
    factor = 2.0
    run(closure, x * 2, 0)  # as before
    factor = np.array([1, 0, 1], "float32")
    run(closure, x * factor, 1)
    factor[1] = 5  # in its place
    run(closure, x * factor, 1)
    factor = [1, True, {"a": (1.5,)}]
    run(lambda a: a * factor[2]["a"][0], x * 1.5, 1)
    factor[2]["a"] = (2.5,)
    run(lambda a: a * factor[2]["a"][0], x * 2.5, 1)

    run(lambda a: helper(a) + 1, x * 2 + 1, 1)
    monkeypatch.setitem(globals(), "SCALE", 4.0)
    run(lambda a: helper(a) + 1, x * 4 + 1, 1)

    holder = Holder()
    run(holder, 2 * x**2 + 10, 1)
    holder.factor = 3.0
    run(holder, 3 * x**2 + 10, 1)
    holder.settings["power"][0] = 3
    run(holder, 3 * x**3 + 10, 1)
    holder.table[2] = 0
    run(holder, 3 * x**3 * holder.table + 10, 1)
    holder.unused[:] = 7
    run(holder, 3 * x**3 * holder.table + 10, 0)
    monkeypatch.setattr(Holder, "offset", 20.0)
    run(holder, 3 * x**3 * holder.table + 20, 1)
    run(holder.scaled, 3 * x**3 * holder.table, 1)
    holder.factor = 1.0
    run(holder.scaled, x**3 * holder.table, 1)

    def defaults(a: Any, by: float = 2.0, *, plus: float = 1.0) -> Any:
        return a * by + plus

    run(defaults, x * 2 + 1, 1)
    defaults.__defaults__ = (5.0,)
    run(defaults, x * 5 + 1, 1)
    defaults.__kwdefaults__ = {"plus": 0.0}
    run(defaults, x * 5, 1)


def test_equal_code_with_other_models() -> None:
    x = sample(2, 5)
    for _ in range(4):
        model = model_of(layers.Dense(2))
        close(simplecell.value_and_gradients(lambda a, model=model: model(a), x)[0], model(x))
        del model
        gc.collect()  # its id may be the next one's


def test_a_sequential_model_that_grows() -> None:
    model = model_of(layers.Dense(5))
    x = sample(2, 5)
    close(simplecell.value_and_gradients(model, x)[0], model(x))
    model.add(layers.Dense(3))
    close(simplecell.value_and_gradients(model, x)[0], model(x))


def test_programs_go_with_what_they_are_of() -> None:
    gc.collect()
    while module._dead:
        module._programs.discard(module._dead.popleft())
    before = len(module._programs)
    model = model_of(layers.Dense(4))
    gone, kernel = weakref.ref(model), weakref.ref(model.layers[0].kernel)

    def function(a: Any, model: Any = model) -> Any:
        return model(a)

    simplecell.value_and_gradients(function, sample(2, 5))
    simplecell.value_and_gradients(model, sample(2, 5))
    assert len(module._programs) == before + 2
    del model, function
    gc.collect()
    assert gone() is None and kernel() is None
    assert len(module._programs) == before
    space: dict[str, Any] = {}
    exec("def made(a):\n    return a * a", space)
    simplecell.value_and_gradients(space["made"], sample(2))
    assert len(module._programs) == before + 1
    del space
    gc.collect()
    assert len(module._programs) == before


def test_layers_that_are_built_inside() -> None:
    dense = layers.Dense(3)
    x = sample(2, 5)
    value, (found,) = simplecell.value_and_gradients(lambda a: dense(a), x)
    close(value, dense(x))
    close(found, np.tile(np.asarray(dense.kernel).sum(1), (2, 1)))


# --- errors -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_differentiated() -> None:
    x = sample(3)
    for function, message in (
        (lambda a: {"loss": a}, "must return one array, or a tuple whose first entry is one, got dict"),
        (lambda a: [a, a], "got list"),
        (lambda a: None, "got NoneType"),
        (lambda a: ops.argmax(a), r"must return a floating value to be differentiated, got int32\[\]"),
    ):
        with pytest.raises(ValueError, match=message):
            simplecell.value_and_gradients(function, x)
    for argument in ([x, sample(2)], {"a": x}, "text", None):
        with pytest.raises(TypeError, match=r"arrays\[1\]: must be an array of numbers"):
            simplecell.value_and_gradients(lambda a, b: a, x, argument)
    with pytest.raises(TypeError, match=r"variables\[0\]: must be a Keras variable, got ndarray"):
        simplecell.value_and_gradients(lambda a: a, x, variables=[x])
    with pytest.raises(TypeError, match="function: must be callable, got int"):
        simplecell.value_and_gradients(3, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="truth value"):
        simplecell.value_and_gradients(lambda a: a if ops.sum(a) > 0 else -a, x)


def test_labels_are_looked_at() -> None:
    model = model_of(layers.Dense(3))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x = sample(2, 5)
    value, _ = simplecell.value_and_gradients(lambda a, y: loss(y, model(a)), x, np.array([0, 2]))
    assert np.isfinite(value)
    with pytest.raises(ValueError, match=r"label lies outside of \[0, 3\)"):
        simplecell.value_and_gradients(lambda a, y: loss(y, model(a)), x, np.array([0, 3]))
