"""`simplecell.trace` on models that few write: layers called once per sample, fixed batches, nested inputs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell

RNG = np.random.default_rng(6)


def sample(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-5)


class PerSample(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="per_sample")
        self.dense, self.last = layers.Dense(3, name="dense"), layers.Dense(2, name="last")

    def call(self, x: Any) -> Any:
        return self.last(ops.map(lambda one: self.dense(one[None])[0], x))


def test_layers_that_are_called_once_per_sample() -> None:
    model = PerSample()
    x = sample(3, 4)
    expected = model(x)
    network = simplecell.trace(model, (None, 4))
    text = str(network)
    assert "layers are called by the batch size: shown are the calls for n = 12" in text
    assert "dense … #12  Dense  (1, 3)" in text and "last         Dense  (n, 2)" in text
    for compute in (network, simplecell.compile(network)):
        close(compute(x), expected)
    assert network.sizes(network.outputs_of("last")[0]) == ("?", "?")
    with pytest.raises(ValueError, match="in another way for each batch size.*Trace it with batch_size"):
        network.with_outputs("dense#2")(x)
    one = simplecell.trace(model, (None, 4), batch_size=3).with_outputs("dense#2")
    close(one(x), model.dense(x[1:2]))


class PerSampleAndTogether(PerSample):
    def build(self, shape: Any) -> None:
        self.dense.build(shape)
        self.last.build((None, 3))

    def call(self, x: Any) -> Any:
        return self.dense(ops.map(lambda one: self.dense(one[None])[0], x))


def test_outputs_are_printed_right_where_calls_have_other_numbers() -> None:
    model = PerSampleAndTogether()
    x = sample(5, 3)
    expected = model(x)
    network = simplecell.trace(model, (None, 3))
    assert "output: output float32 (n, 3)" in str(network)
    close(network(x), expected)


def test_a_batch_size_that_the_model_fixes() -> None:
    inputs = keras.Input(batch_shape=(3, 5, 4), name="x")
    model = keras.Model(inputs, layers.LSTM(2, stateful=True, name="lstm")(inputs))
    network = simplecell.trace(model)
    assert network.batch_size == 3 and "for a batch of 3" in str(network)
    x = sample(3, 5, 4)
    first, second = np.array(model(x)), np.array(model(x))
    assert np.abs(first - second).max() > 1e-3
    model.get_layer("lstm").reset_states()
    close(network(x), first)
    program = simplecell.compile(network)
    close(program(x), first)  # which assigns the state
    close(network(x), second)
    assert "lstm" in simplecell.compile(model).describe(measure=False)
    free = keras.Model(inputs, layers.Dense(2)(inputs))
    close(simplecell.trace(free, batch_size=2)(x[:2]), free(x[:2]))


class Nested(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="nested")
        self.one, self.two = layers.Dense(3, name="one"), layers.Dense(3, name="two")

    def call(self, x: Any) -> Any:
        a, (b, c) = x
        return self.one(a) + self.two(b) * c["scale"]


def test_inputs_as_the_model_takes_them() -> None:
    model = Nested()
    x = [sample(2, 4), (sample(2, 5), {"scale": sample(2, 3)})]
    expected = model(x)
    for network in (simplecell.trace(model, x), simplecell.trace(model, [(None, 4), [(None, 5), {"scale": (1, 3)}]])):
        for compute in (network, simplecell.compile(network)):
            close(compute(x), expected)
            close(compute([x[0], *x[1][:1], x[1][1]["scale"]]), expected)  # and one after the other
    close(simplecell.compile(model)(x), expected)
    with pytest.raises(ValueError, match=r"the model has 3 input\(s\), got 2"):
        network([x[0], x[1][:1]])


def test_a_model_that_is_not_built_wants_x() -> None:
    with pytest.raises(ValueError, match=r"model: must be built.* or pass `x`: an array like its input, or the shape"):
        simplecell.trace(PerSample())
    with pytest.raises(ValueError, match=r"or `model.build\(input_shape\)`\.$"):
        simplecell.compile(PerSample())


class Hash(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="hash")
        self.one, self.two = layers.Dense(3, name="x#2"), layers.Dense(3, name="x")

    def call(self, x: Any) -> Any:
        return self.two(self.two(self.one(x)))


def test_a_layer_that_is_named_like_a_second_call() -> None:
    model = Hash()
    x = sample(2, 3)
    network = simplecell.trace(model, x)
    assert [c.key for c in network.calls] == ["x#2", "x", "x#3"]
    close(network.with_outputs("x#2")(x), model.one(x))
    for asked in (("x", 2), "x#3", (model.two, 2)):
        close(network.with_outputs(asked)(x), model(x))


def test_what_is_no_layer_and_no_model() -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dense(2, name="d")(inputs))
    network = simplecell.trace(model)
    for asked in (["d"], model.get_layer("d").output, 3, None):
        with pytest.raises(KeyError, match="Give a layer of the model, its name, or a tensor .* argument of its own"):
            network.with_outputs(asked)
    with pytest.raises(TypeError, match="model: must be a Keras model or a Network .*, got function"):
        simplecell.compile(lambda x: x)
