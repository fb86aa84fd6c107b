"""`simplecell.trace`: the layers of a network are where the user's model calls them, with their values."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell
from simplecell.graph.tensor import Constant

RNG = np.random.default_rng(4)


def sample(*shape: int, dtype: str = "float32") -> np.ndarray:
    return RNG.normal(size=shape).astype(dtype)


def keys(network: simplecell.Network) -> list[str]:
    return [call.key for call in network.calls]


def close(a: Any, b: Any, **options: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), **{"rtol": 1e-5, "atol": 1e-5, **options})


def values_agree(network: simplecell.Network, x: Any, expected: dict[str, Any]) -> None:
    """Each layer's value by the reference and by a program, against `expected`."""
    selected = network.with_outputs(*expected)
    for compute in (selected, simplecell.compile(selected)):
        found = compute(x)
        found = found if isinstance(found, dict) else {next(iter(expected)): found}
        for key, value in expected.items():
            close(found[key], value)


# --- kinds of models --------------------------------------------------------------------------------------------------


def test_every_layer_of_a_functional_model_against_keras() -> None:
    x = keras.Input((8, 9, 2), name="picture")
    y = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(y)
    z = layers.Activation("relu", name="relu")(y)
    y = layers.SeparableConv2D(4, 3, padding="same", name="separable")(z)
    y = layers.Add(name="sum")([y, z])
    y = layers.MaxPooling2D(name="pool")(y)
    y = layers.GlobalAveragePooling2D(name="mean")(y)
    model = keras.Model(x, layers.Dense(3, name="classes")(y), name="net")
    for v in model.variables:
        v.assign(np.abs(sample(*v.shape)) + 0.1)
    network = simplecell.trace(model)
    names = ["conv", "norm", "relu", "separable", "sum", "pool", "mean", "classes"]
    assert keys(network) == names and network.name == "net"
    picture = sample(3, 8, 9, 2)
    expected = {n: keras.Model(model.inputs, model.get_layer(n).output)(picture) for n in names}
    values_agree(network, picture, expected)
    close(network(picture), model(picture))
    (total,) = [c for c in network.calls if c.key == "sum"]
    assert total.inputs[0] is network.outputs_of("separable")[0] and total.inputs[1] is network.outputs_of("relu")[0]
    assert total.class_name == "Add" and total.input_names == ("0", "1")


def nested() -> tuple[keras.Model, layers.Layer, keras.Model]:
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    inner = keras.Sequential([keras.Input((6, 6, 3)), shared, layers.Activation("tanh", name="act")], name="inner")
    x = keras.Input((6, 6, 3), name="x")
    y = shared(x)  # outside, and twice inside of what is used twice
    y = inner(y)
    y = inner(y)
    y = shared(y)
    return keras.Model(x, layers.Flatten(name="flat")(y), name="outer"), shared, inner


def test_a_layer_shared_at_two_levels_and_a_model_used_twice() -> None:
    model, shared, inner = nested()
    network = simplecell.trace(model)
    assert keys(network) == [
        "shared", "inner", "inner/shared", "inner/act", "inner#2", "inner#2/shared", "inner#2/act", "shared#2", "flat",
    ]  # fmt: skip
    x = sample(2, 6, 6, 3)
    a = shared(x)
    b = shared(a)
    c = ops.tanh(b)
    d = shared(c)
    e = ops.tanh(d)
    f = shared(e)
    values_agree(
        network, x,
        {"shared": a, "inner/shared": b, "inner/act": c, "inner": c, "inner#2/shared": d, "inner#2": e, "shared#2": f},
    )  # fmt: skip
    one = network.call_of("inner#2/shared")
    assert one.parent is network.call_of("inner#2") and one.depth == 1
    assert (one.path, one.number) == ("inner/shared", 2)
    # other ways to ask for it
    for asked in (("inner/shared", 2), (shared, 3), one, "inner/shared#2"):
        assert network.call_of(asked) is one
    assert network.call_of(inner).key == "inner" and network.call_of((inner, 2)).key == "inner#2"
    assert network.call_of(shared).key == "shared" and network.call_of((shared, 4)).key == "shared#2"


def test_calls_that_are_not_there() -> None:
    model, shared, _ = nested()
    network = simplecell.trace(model)
    with pytest.raises(KeyError, match="there is no `act` in `outer`. Did you mean `inner/act` or `inner#2/act`"):
        network.outputs_of("act")
    with pytest.raises(KeyError, match=r"Did you mean `shared`.* Its layers are `shared`, `inner`, `inner/shared`"):
        network.outputs_of("sharde")
    with pytest.raises(KeyError, match="`shared` is called 2 time.*call 3 was asked for. Its calls are shared, sha"):
        network.outputs_of(("shared", 3))
    with pytest.raises(KeyError, match="called 4 time.*call 5"):
        network.outputs_of((shared, 5))
    with pytest.raises(KeyError, match="Dense `dense.*` is not called in `outer`"):
        network.outputs_of(layers.Dense(2))
    with pytest.raises(KeyError, match="call 0 was asked for"):
        network.outputs_of(("shared", 0))
    with pytest.raises(ValueError, match="at least one"):
        network.with_outputs()


class Repeating(layers.Layer):
    """Calls sublayers in a loop, from a list and a dict, one of them inside of another's call."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.steps = [layers.Dense(4, name=f"step{i}") for i in range(2)]
        self.named = {"gate": layers.Dense(4, activation="sigmoid", name="gate")}
        self.inside = Inside(self.named["gate"], name="inside")

    def build(self, shape: Any) -> None:
        for layer in (*self.steps, *self.named.values()):
            layer.build(shape)

    def call(self, x: Any) -> Any:
        for _ in range(2):
            for step in self.steps:
                x = step(x) * self.named["gate"](x)
        return self.inside(x)


class Inside(layers.Layer):
    def __init__(self, other: layers.Layer, **options: Any) -> None:
        super().__init__(**options)
        self.other = other

    def call(self, x: Any) -> Any:
        for _ in range(3):
            x = self.other(x) + x
        return x


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="subclassed")
        self.first = Repeating(name="first")
        self.unused = layers.Dense(7, name="unused")
        self.never = layers.Dense(7, name="never")
        self.last = layers.Dense(2, name="last")

    def build(self, shape: Any) -> None:
        self.never.build(shape)
        for layer in (self.first, self.unused, self.last):
            layer.build(shape)

    def call(self, x: Any) -> Any:
        y = self.first(x)
        self.unused(y)
        return self.last(y)


def test_subclassed_models_and_loops() -> None:
    model = Subclassed()
    x = sample(3, 4)
    expected = model(x)
    network = simplecell.trace(model)
    around = ["first/step0", "first/gate", "first/step1", "first/gate#2"]
    again = ["first/step0#2", "first/gate#3", "first/step1#2", "first/gate#4"]
    inside = ["first/inside", *(f"first/inside/gate{n}" for n in ("", "#2", "#3"))]
    assert keys(network) == ["first", *around, *again, *inside, "unused", "last"]
    close(network(x), expected)
    first, gate = model.first, model.first.named["gate"]
    y, gates = x, []
    for _ in range(2):
        for step in first.steps:
            gates.append(gate(y))
            y = step(y) * gates[-1]
    z = gate(y) + y
    values_agree(
        network, x,
        {"first/gate": gates[0], "first/gate#4": gates[3], "first/inside/gate#2": gate(z), "first": model.first(x),
         "unused": model.unused(model.first(x))},
    )  # fmt: skip
    assert network.call_of((gate, 5)).key == "first/inside/gate"
    with pytest.raises(KeyError, match="no `never`"):
        network.outputs_of("never")


def test_equal_names_in_submodels_and_in_one_model() -> None:
    class Two(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="two")
            self.a, self.b = (layers.Dense(n, name="same") for n in (3, 5))
            self.left, self.right = (
                keras.Sequential([layers.Dense(4, name="d"), layers.Dense(2, name="e")], name=name)
                for name in ("left", "right")
            )

        def call(self, x: Any) -> Any:
            return self.left(self.a(x)) + self.right(self.b(x))

    model = Two()
    x = sample(2, 6)
    model(x)
    network = simplecell.trace(model)
    assert keys(network) == ["same", "left", "left/d", "left/e", "same#2", "right", "right/d", "right/e"]
    assert network.call_of(model.b).key == "same#2"
    names = set(network.parameters)
    assert len(names) == len(model.variables) == 12
    values_agree(
        network, x,
        {"same": model.a(x), "same#2": model.b(x), "left/d": model.left.layers[0](model.a(x)),
         "right/d": model.right.layers[0](model.b(x)), "right": model.right(model.b(x))},
    )  # fmt: skip


def test_layers_that_return_what_they_were_given() -> None:
    x = keras.Input((5,), name="x")
    a = layers.Dropout(0.5, name="drop")(x)
    b = layers.Activation("linear", name="linear")(a)
    c = layers.Flatten(name="flat")(b)
    d = layers.Dense(3, name="dense")(c)
    e = layers.Dropout(0.5, name="drop2")(d)
    model = keras.Model(x, [c, e], name="m")
    network = simplecell.trace(model)
    (given,) = network.inputs.values()
    for name in ("drop", "linear", "flat"):
        assert network.outputs_of(name) == (given,), name
        assert network.call_of(name).inputs == (given,)
    assert network.outputs_of("dense") == network.outputs_of("drop2")
    assert list(network.outputs) == ["flat", "drop2"]
    data = sample(4, 5)
    values_agree(network, data, {"drop": data, "flat": data, "dense": model.get_layer("dense")(data), "x": data})
    one, two = network(data)
    close(one, data)
    close(two, model(data)[1])


def test_several_inputs_outputs_and_structures() -> None:
    class Parts(layers.Layer):
        def call(self, x: Any) -> Any:
            return {"low": x[..., :2], "high": [x[..., 2:], x * 2]}

    inputs = {"b": keras.Input((4,), name="b"), "a": keras.Input((3,), name="a")}
    joined = layers.Concatenate(name="join")([inputs["a"], inputs["b"]])
    parts = Parts(name="parts")(joined)
    model = keras.Model(inputs, {"sum": ops.sum(parts["low"], -1), "high": parts["high"]}, name="m")
    network = simplecell.trace(model)
    assert list(network.inputs) == ["a", "b"]
    call = network.call_of("parts")
    assert set(call.output_names) == {"low", "high/0", "high/1"} and len(network.outputs_of("parts")) == 3
    x = {"a": sample(5, 3), "b": sample(5, 4)}
    both = np.concatenate([x["a"], x["b"]], -1)
    expected = {"parts:low": both[:, :2], "parts:high/0": both[:, 2:], "parts:high/1": both * 2, "join": both}
    for compute in (network.with_outputs("parts", "join"), simplecell.compile(network.with_outputs("parts", "join"))):
        found = compute(x)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            close(found[name], value)
        close(compute([x["a"], x["b"]])["join"], both)
    result = network(x)
    program = simplecell.compile(model)
    for found in (result, program(x), simplecell.compile(network)(x)):
        close(found["sum"], both[:, :2].sum(-1))
        close(found["high"][1], both * 2)
    for wrong, message in (
        ({"a": x["a"]}, "inputs are named 'a', 'b', got 'a'. Pass a dict"),
        ({**x, "c": x["a"]}, "got 'a', 'b', 'c'"),
        ([x["a"]], r"the model has 2 input\(s\), got 1 array"),
        ({"a": x["a"], "b": x["b"][:, :2]}, r"input 1 must have shape \(batch, 4\)"),
        ({"a": x["a"], "b": x["b"][:2]}, "input `b` must have shape"),
    ):
        with pytest.raises(ValueError, match=message):
            network(wrong)


def test_a_subclassed_model_of_a_dict() -> None:
    class Of(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="of")
            self.table = layers.Embedding(5, 3, name="table")
            self.dense = layers.Dense(3, name="dense")

        def call(self, x: Any) -> Any:
            return [self.table(x["word"]), self.dense(x["views"][0]) + self.dense(x["views"][1])]

    x = {"word": np.array([[1, 4], [0, 2]], "int32"), "views": [sample(2, 6), sample(2, 6)]}
    model = Of()  # not built: x says how it is called
    network = simplecell.trace(model, x)
    assert list(network.inputs) == ["views/0", "views/1", "word"]
    assert [t.spec.dtype for t in network.inputs.values()] == ["float32", "float32", "int32"]
    assert keys(network) == ["table", "dense", "dense#2"]
    for a, b in zip(network(x), model(x), strict=True):
        close(a, b)
    for a, b in zip(simplecell.compile(network)(x), model(x), strict=True):
        close(a, b)
    close(network.with_outputs("dense#2")(x), model.dense(x["views"][1]))


def test_recurrent_and_wrapped_layers() -> None:
    model = keras.Sequential(
        [
            keras.Input((5, 3)),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True, name="lstm"), name="both"),
            layers.TimeDistributed(layers.Dense(4, name="inner"), name="each"),
            layers.RNN(layers.GRUCell(3, name="cell"), name="rnn"),
        ],
        name="m",
    )
    network = simplecell.trace(model)
    assert [c.key for c in network.calls if c.parent is None] == ["both", "each", "rnn"]
    assert [c.key for c in network.calls if c.path == "rnn/cell"] == [
        "rnn/cell",
        *(f"rnn/cell#{i}" for i in range(2, 6)),
    ]
    assert any(c.path.startswith("both/forward_lstm") for c in network.calls)
    x = sample(2, 5, 3)
    both = model.layers[0](x)
    each = model.layers[1](both)
    last = model.layers[2](each)
    close(model.layers[2].cell(each[:, 0], [np.zeros((2, 3), "float32")])[0],
          network.with_outputs("rnn/cell")(x)["rnn/cell:0"])  # fmt: skip
    values_agree(network, x, {"both": both, "each": each, "rnn": last})
    close(network.with_outputs("rnn/cell#5")(x)["rnn/cell#5:0"], last)
    assert "cell … #5" in str(network)


def test_lambdas_and_operations_between_layers() -> None:
    x = keras.Input((4,), name="x")
    a = layers.Dense(3, name="a")(x)
    b = layers.Lambda(lambda t: ops.sin(t) + 1, name="wave")(a)
    model = keras.Model(x, ops.relu(a + b) * 2.0)
    network = simplecell.trace(model)
    assert keys(network) == ["a", "wave"]  # an operation is no layer
    data = sample(2, 4)
    values_agree(network, data, {"a": model.layers[1](data), "wave": np.sin(model.layers[1](data)) + 1})
    close(network(data), model(data))
    tensor = next(n for n in network.graph.nodes if n.op.name == "unary" or "sin" in repr(n.op)).outputs[0]
    close(network.with_outputs(tensor)(data), np.sin(model.layers[1](data)))


def test_channels_first_and_mixed_precision() -> None:
    first = keras.Sequential(
        [
            keras.Input((3, 8, 8)),
            layers.Conv2D(4, 3, data_format="channels_first", name="a"),
            layers.ReLU(name="r"),
            layers.Conv2D(4, 3, data_format="channels_first", name="b"),
        ]
    )
    network = simplecell.trace(first)
    x = sample(2, 3, 8, 8)
    a = first.layers[0](x)
    r = first.layers[1](a)
    values_agree(network, x, {"a": a, "r": r, "b": first.layers[2](r)})
    assert network.sizes(network.outputs_of("a")[0]) == ("n", 4, 6, 6)

    mixed = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, dtype="mixed_bfloat16", name="half"),
            layers.Dense(3, dtype="float32", name="whole"),
        ]
    )
    network = simplecell.trace(mixed)
    half, whole = network.call_of("half"), network.call_of("whole")
    assert [half.inputs[0].spec.dtype, half.outputs[0].spec.dtype] == ["bfloat16", "bfloat16"]
    assert [whole.inputs[0].spec.dtype, whole.outputs[0].spec.dtype] == ["float32", "float32"]
    data = sample(2, 4)
    close(network.with_outputs("half")(data).astype("float32"), np.asarray(mixed.layers[0](data)).astype("float32"))
    close(network(data), mixed(data), rtol=1e-2, atol=1e-2)


def test_call_outs_and_attempts_that_failed() -> None:
    class Tangled(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.supports_jit = False
            self.inner = layers.Dense(4, name="inner")

        def build(self, shape: Any) -> None:
            self.inner.build(shape)

        def call(self, x: Any) -> Any:
            y = self.inner(x)
            return y if isinstance(y, keras.KerasTensor) or float(ops.sum(y)) > 1e9 else y * 2

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:-1], 4)

    class Careful(layers.Layer):
        """Tries a layer, and takes another when it fails."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.bad, self.good = Failing(name="bad"), layers.Dense(2, name="good")

        def call(self, x: Any) -> Any:
            try:
                return self.bad(x)
            except RuntimeError:
                return self.good(x)

    class Failing(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.started = layers.Dense(2, name="started")

        def call(self, x: Any) -> Any:
            self.started(x)
            raise RuntimeError("no")

    model = keras.Sequential([keras.Input((4,)), Tangled(name="tangled"), Careful(name="careful")], name="m")
    network = simplecell.trace(model, batch_size=3)
    assert keys(network) == ["tangled", "careful", "careful/good"]
    x = sample(3, 4)
    tangled = model.layers[0](x)
    values_agree(network, x, {"tangled": tangled, "careful/good": model.layers[1].good(tangled)})


def test_values_inside_of_loops_are_not_given_wrongly() -> None:
    class Loop(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.step = layers.Dense(4, kernel_initializer=keras.initializers.Constant(0.1), name="step")

        def call(self, x: Any) -> Any:
            return ops.while_loop(lambda v: ops.sum(v) < 100.0, lambda v: self.step(v) + abs(v) + 1.0, (x,))[0]

    model = keras.Sequential([keras.Input((4,)), Loop(name="loop")], name="m")
    network = simplecell.trace(model, batch_size=2)
    assert keys(network) == ["loop", "loop/step"]
    x = sample(2, 4)
    close(network(x), model(x), rtol=1e-4)
    with pytest.raises(ValueError, match="`loop/step` has no one value in `m`: it is computed inside of a loop"):
        network.with_outputs("loop/step")


def test_models_made_while_they_are_called() -> None:
    """Layers that run on symbolic tensors during a trace compute nothing, and are no calls."""

    class Late(layers.Layer):
        def build(self, shape: Any) -> None:
            x = keras.Input(shape[1:])
            self.model = keras.Model(x, layers.Dense(3, name="late")(x), name="made")

        def call(self, x: Any) -> Any:
            return self.model(x)

    model = keras.Sequential([Late(name="outer")], name="m")
    network = simplecell.trace(model, (None, 5))
    assert keys(network) == ["outer", "outer/made", "outer/made/late"]
    x = sample(2, 5)
    close(network(x), model(x))


# --- batch sizes, shapes, printing ------------------------------------------------------------------------------------


class Merging(layers.Layer):
    def call(self, x: Any) -> Any:
        return ops.reshape(x, (-1, 3))  # (n, 4, 3) as (4n, 3)


class Halving(layers.Layer):
    def call(self, x: Any) -> Any:
        return ops.reshape(x, (x.shape[0] // 2, -1))


class Padding(layers.Layer):
    def call(self, x: Any) -> Any:
        return ops.concatenate([x, ops.zeros((1, *x.shape[1:]))], 0)


class Gram(layers.Layer):
    def call(self, x: Any) -> Any:
        x = ops.reshape(x, (x.shape[0], -1))
        return ops.reshape(ops.matmul(x, ops.transpose(x)), (-1,))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(Merging, ("4n", 3)), (Halving, ("n/2", 24)), (Padding, ("n + 1", 4, 3)), (Gram, ("n²",))],
)
def test_shapes_print_what_depends_on_the_batch(layer: Any, shape: Any) -> None:
    class Of(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="of")
            self.one, self.twice = layer(name="one"), layers.Activation("tanh", name="same")

        def call(self, x: Any) -> Any:
            return self.one(self.twice(x))

    model = Of()
    x = sample(6, 4, 3)
    expected = model(x)
    network = simplecell.trace(model, (None, 4, 3))
    assert network.sizes(network.outputs_of("one")[0]) == shape
    assert network.sizes(network.outputs_of("same")[0]) == ("n", 4, 3)
    assert f"({', '.join(map(str, shape))}" in str(network) and "for any batch size n" in str(network)
    close(network(x), expected)
    close(simplecell.compile(network)(x), expected)
    fixed = simplecell.trace(model, (None, 4, 3), batch_size=6)
    assert fixed.sizes(fixed.outputs_of("same")[0]) == (6, 4, 3)
    close(fixed(x), expected)


def test_a_network_of_one_batch_size() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="d")], name="m")
    network = simplecell.trace(model, batch_size=3)
    assert network.batch_size == 3 and "for a batch of 3" in str(network)
    x = sample(3, 4)
    close(network(x), model(x))
    program = simplecell.compile(network)
    close(program(x), model(x))
    for call in (lambda: network(x[:2]), lambda: program(x[:2]), lambda: network.with_outputs("d")(x[:1])):
        with pytest.raises(ValueError, match="traced for a batch of 3, got [12]. Trace it with batch_size=None"):
            call()


def test_the_table() -> None:
    model, *_ = nested()
    simplecell.trace(model)
    lines = str(simplecell.trace(model)).splitlines()
    assert lines[0] == "outer: for any batch size n, 84 numbers in 2 parameters"
    rows = [line.split("  ") for line in lines]
    table = {row[0] or row[1]: [cell.strip() for cell in row if cell.strip()][1:] for row in rows if len(row) > 2}
    assert table["shared"] == ["Conv2D", "(n, 6, 6, 3)", "kernel 3×3×3×3, bias 3"]
    assert table["inner"] == ["Sequential", "(n, 6, 6, 3)"]
    assert table["act"] == ["Activation", "(n, 6, 6, 3)"]
    assert table["flat"] == ["Flatten", "(n, 108)"]
    assert "  shared  " in str(simplecell.trace(model))
    assert lines[-2:] == ["input: x float32 (n, 6, 6, 3)", "output: flat float32 (n, 108)"]


@pytest.mark.parametrize("x", [(None, 10, 12, 2), [1, 10, 12, 2], np.zeros((1, 10, 12, 2), "float32")])
def test_open_sizes(x: Any) -> None:
    model = keras.Sequential([keras.Input((None, None, 2)), layers.Conv2D(3, 3, name="c")], name="m")
    with pytest.raises(ValueError, match=r"x: the model leaves sizes of its input `.*` open: \(batch, None, None, 2\)"):
        simplecell.trace(model)
    network = simplecell.trace(model, x)
    assert network.batch_size is None and network.sizes(network.outputs_of("c")[0]) == ("n", 8, 10, 3)
    data = sample(2, 10, 12, 2)
    close(network(data), model(data))
    with pytest.raises(ValueError, match=r"x: input 0 must have shape \(batch, 10, 12, 2\), got \(2, 12, 10, 2\)"):
        network(data.swapaxes(1, 2))


def test_arguments_that_do_not_fit() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(TypeError, match="model: must be a Keras model, got int"):
        simplecell.trace(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="model: must be built"):
        simplecell.trace(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ValueError, match=r"x: input 0 has shape \(batch, 4\), got \(None, 5\)"):
        simplecell.trace(model, (None, 5))
    with pytest.raises(ValueError, match=r"x: input 0 must have shape \(batch, 4\), got \(2, 5\)"):
        simplecell.trace(model, sample(2, 5))
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        simplecell.trace(model, batch_size=0)
    with pytest.raises(ValueError, match=r"the model has 1 input\(s\), got 2 shape"):
        simplecell.trace(model, [(None, 4), (None, 4)])


# --- training, parameters ---------------------------------------------------------------------------------------------


def test_training_holds_updates_and_assigns_nothing_by_itself() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), layers.BatchNormalization(name="norm", momentum=0.5), layers.Dropout(0.5, name="drop")],
        name="m",
    )
    network = simplecell.trace(model, training=True)
    mean = model.layers[0].moving_mean
    (name,) = [n for n in network.updates if n.endswith("moving_mean")]
    assert name == mean.path and any("seed" in n for n in network.updates)
    assert "assigned by a run: m/norm/moving_mean" in str(network)
    x = sample(64, 4)
    before = np.array(mean.value)
    one, two = network(x), network(x)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(before, mean.value)
    assert (one == 0).mean() > 0.3  # it drops
    close(network.with_outputs("norm")(x).mean(0), 0)
    updated = network.with_outputs(network.updates[name].tensor)
    fixed = simplecell.trace(model, batch_size=64, training=True)
    close(fixed.with_outputs(fixed.updates[name].tensor)(x), 0.5 * x.mean(0))
    close(updated(x), 0.5 * x.mean(0))
    # looking at an inner value changes nothing; a program of the network does what the model does
    simplecell.compile(network.with_outputs("norm"))(x)
    np.testing.assert_array_equal(before, mean.value)
    program = simplecell.compile(network)
    three, four = program(x), program(x)
    assert (three != four).any()
    close(mean.value, 0.75 * x.mean(0))


def test_parameters_are_followed() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="d")], name="m")
    network = simplecell.trace(model)
    program = simplecell.compile(network)
    kernel = network.parameters[model.layers[0].kernel.path]
    x = sample(2, 4)
    close(program(x), model(x))
    version = kernel.version
    assert kernel.version is version and kernel.array is model.layers[0].kernel.value
    model.layers[0].kernel.assign(sample(4, 2))
    assert kernel.version is not version
    np.testing.assert_array_equal(kernel.array, model.layers[0].kernel.value)
    close(program(x), model(x))
    close(network(x), model(x))
    model.compile("sgd", "mse")
    model.fit(x, sample(2, 2), verbose=0)
    close(program(x), model(x))
    close(network(x), model(x))


def test_compiled_networks_are_compiled_models() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, name="d"), layers.Dense(2, name="e")], name="m")
    x = sample(2, 4)
    expected = np.asarray(model.layers[0](x))
    for program in (
        simplecell.compile(simplecell.trace(model).with_outputs("d"), batch_size=2),
        copy.deepcopy(simplecell.compile(simplecell.trace(model).with_outputs("d"), batch_size=2)),
        pickle.loads(pickle.dumps(simplecell.compile(simplecell.trace(model, batch_size=2).with_outputs("d")))),
        simplecell.compile(copy.deepcopy(simplecell.trace(model)).with_outputs("d"), batch_size=2),
    ):
        out = np.empty((2, 6), "float32")
        close(program(x, out), expected)
        close(out, expected)
        assert "m/d" in program.describe(measure=False)
        program.freeze()
        close(program(x), expected)
        assert program.model is None
    later = simplecell.compile(simplecell.trace(model), precision="exact")
    for n in (1, 3, 2):
        close(later(x[:n]), model(x[:n]))


def test_a_frozen_program_of_a_network_lets_the_model_go() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, name="d")], name="m")
    gone = weakref.ref(model)
    kernel = weakref.ref(model.layers[0].kernel)
    program = simplecell.compile(simplecell.trace(model), batch_size=2)
    del model
    program.freeze()
    gc.collect()
    assert gone() is None and kernel() is None
    assert program(sample(2, 4)).shape == (2, 6)


def test_nothing_of_a_network_changes_when_the_model_does() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, name="d")], name="m")
    network = simplecell.trace(model)
    x = sample(2, 4)
    before = network(x)
    model.add(layers.Dense(3, name="e"))
    with pytest.raises(ValueError, match="the model has changed"):
        network(sample(5, 4))
    np.testing.assert_array_equal(network(x), before)


def test_nodes_of_layers() -> None:
    model, *_ = nested()
    network = simplecell.trace(model)
    inner, conv = network.nodes_of("inner#2"), network.nodes_of("inner#2/shared")
    assert set(conv) < set(inner) and not set(inner) & set(network.nodes_of("inner"))
    assert any(n.op.name == "convolution" for n in conv)
    others = [n for n in inner if n not in set(conv)]
    assert [n for n in others if not isinstance(n.op, Constant)] == list(
        n for n in network.nodes_of("inner#2/act") if not isinstance(n.op, Constant)
    )


def test_no_llvm() -> None:
    code = """
import sys
import simplecell, keras
model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
network = simplecell.trace(model)
text = str(network)
import numpy as np
network(np.zeros((2, 8, 8, 3), "float32"))
network.with_outputs("conv2d")(np.zeros((2, 8, 8, 3), "float32"))
assert "conv2d" in text, text
assert "llvmlite" not in sys.modules
assert not [name for name in sys.modules if name.startswith("simplecell.engine")]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
