"""`simplecell.compile`: what a program takes and refuses, what it says about itself, its copies, and the memory of many
sizes."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import sys
import weakref
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import simplecell
from simplecell.calling import overlapping
from simplecell.keras_backend import program_cache
from simplecell.keras_backend.program_cache import ProgramCache, memory_of

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 8, 8, 2)).astype("float32")


def same(seed: int = 0) -> keras.Model:
    """A model whose output is of its input's shape."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [keras.Input((8, 8, 2)), layers.Conv2D(4, 3, padding="same", activation="relu"), layers.Conv2D(2, 1)]
    )


def open_sized() -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((None, None, 2)), layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(3, 1)])


def pair() -> keras.Model:
    """Two inputs, two outputs of the same shape."""
    keras.utils.set_random_seed(2)
    a, b = keras.Input((5,)), keras.Input((3,), dtype="int32")
    both = layers.Concatenate()([layers.Dense(4)(a), layers.Embedding(7, 2)(b)[:, 0]])
    return keras.Model([a, b], {"sum": layers.Dense(3, name="s")(both), "product": layers.Dense(3, name="p")(both)})


PAIR = [RNG.normal(size=(4, 5)).astype("float32"), RNG.integers(0, 7, (4, 3)).astype("int32")]


# --- out --------------------------------------------------------------------------------------------------------------


def test_which_of_many_arrays_overlap() -> None:
    """Compared with each pair's own answer."""
    memory = np.zeros(3000, "float32")

    def some(count: int) -> list[np.ndarray]:
        starts = RNG.integers(0, 2900, count)
        return [memory[a : a + RNG.integers(0, 60)] for a in starts]

    def meet(one: np.ndarray, other: np.ndarray) -> bool:
        return bool(one.size and other.size and np.may_share_memory(one, other))

    seen = set()
    for _ in range(300):
        outputs, inputs = some(RNG.integers(5, 9)), some(RNG.integers(0, 3))
        found = overlapping(outputs, inputs)
        kinds = {"input" for a in outputs for b in inputs if meet(a, b)}
        kinds |= {"output" for a, b in itertools.combinations(outputs, 2) if meet(a, b)}
        assert found in (kinds or {""})
        seen.add(found)
    assert seen == {"", "input", "output"}


def test_an_output_that_overlaps_the_input_is_an_error() -> None:
    program = simplecell.compile(same())
    expected = program(X)
    memory = np.zeros(2 * X.size, "float32")
    fine = np.empty_like(X)
    for _ in range(2):  # the second time on the quick path
        x = X.copy()
        with pytest.raises(ValueError, match="out: overlaps `x`"):
            program(x, out=x)
        with pytest.raises(ValueError, match="out: overlaps `x`"):
            program(x, out=x[:])
        np.testing.assert_array_equal(x, X)
        for start in (1, 128, X.size - 1):
            x, out = memory[: X.size].reshape(X.shape), memory[start : start + X.size].reshape(X.shape)
            x[...] = X
            with pytest.raises(ValueError, match="out: overlaps `x`"):
                program(x, out=out)
            np.testing.assert_array_equal(x, X)
        x, out = memory[: X.size].reshape(X.shape), memory[X.size :].reshape(X.shape)
        for _ in range(2):
            np.testing.assert_array_equal(program(x, out=out), expected)  # one block, side by side
        with pytest.raises(ValueError, match="out: overlaps `x`"):
            program(out, out=out)
        raw = bytearray(X.tobytes())
        with pytest.raises(ValueError, match="out: overlaps `x`"):
            program(np.frombuffer(raw, "float32").reshape(X.shape), out=np.frombuffer(raw, "float32").reshape(X.shape))
        np.testing.assert_array_equal(program(X, out=fine), expected)
    x = X.copy()
    with pytest.raises(ValueError, match="out: overlaps `x`"):
        program([x], out=[x])
    # what is converted is another array: nothing to overlap
    wide = X.astype("float64")
    np.testing.assert_array_equal(program(wide, out=fine), expected)


def test_outputs_that_overlap_each_other_or_an_input_are_an_error() -> None:
    program = simplecell.compile(pair())
    expected = program(PAIR)
    one, memory = np.empty((4, 3), "float32"), np.empty(23, "float32")
    for outs in ([one, one], [memory[:12].reshape(4, 3), memory[11:].reshape(4, 3)]):
        with pytest.raises(ValueError, match="out: two of its arrays overlap"):
            program(PAIR, out=outs)
    shared = np.zeros(20, "float32")
    a = shared.reshape(4, 5)
    with pytest.raises(ValueError, match="out: overlaps `x`"):
        program([a, PAIR[1]], out=[one, shared[8:].reshape(4, 3)])
    outs = [np.empty((4, 3), "float32") for _ in range(2)]
    assert program(PAIR, out=outs) is outs
    for got, wanted in zip(outs, keras.tree.flatten(expected), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("out", ["there", 3, [None], [X, X]], ids=repr)
def test_an_output_that_is_no_array_is_an_error(out: Any) -> None:
    with pytest.raises(
        ValueError, match=r"out: must be writeable, C-contiguous and of shape and dtype float32\[6, 8, 8, 2\]; got"
    ):
        simplecell.compile(same())(X, out=out)


def test_state_that_a_run_changes_moves_on_with_and_without_out() -> None:
    class Counting(layers.Layer):
        def build(self, shape: Any) -> None:
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:
            self.calls.assign_add(1.0)
            return x + self.calls

    model = keras.Sequential([keras.Input((2,)), Counting()])
    program = simplecell.compile(model)
    x, out = np.zeros((1, 2), "float32"), np.empty((1, 2), "float32")
    for i in (1, 3, 5):
        assert program(x)[0, 0] == i
        assert program(x, out=out) is out and out[0, 0] == i + 1
    assert "step" in program.describe() or program.describe()
    assert float(model.layers[0].calls) == 6, "describing leaves variables as they are"


# --- x ----------------------------------------------------------------------------------------------------------------


def test_lists_and_numbers_of_other_kinds_are_converted() -> None:
    program = simplecell.compile(same())
    expected = program(X)
    for x in (
        X.tolist(),
        tuple(X.tolist()),
        X.astype(object),
        X.astype("longdouble"),
        keras.Variable(X),
        X.astype("float64"),
    ):
        np.testing.assert_array_equal(program(x), expected)
    np.testing.assert_array_equal(program(X[:1].tolist()), program(X[:1]))
    np.testing.assert_array_equal(program(X > 0), program((X > 0).astype("float32")))
    halves = X.astype("float16")
    np.testing.assert_array_equal(program(halves), program(halves.astype("float32")))
    short = X.astype(keras.ops.cast(X, "bfloat16").dtype)
    np.testing.assert_array_equal(program(short), program(short.astype("float32")))
    two = simplecell.compile(pair())
    for got, wanted in zip(
        keras.tree.flatten(two([a.tolist() for a in PAIR])), keras.tree.flatten(two(PAIR)), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, "x: input 0 must be an array of numbers, got None"),
        ("a picture", "x: input 0 must be an array of numbers, got str"),
        ({"x": X}, r"x: the model's inputs are named .*, got 'x'. Pass a dict"),
        (X.astype("complex64"), "x: input 0 must hold numbers that become float32, got complex64. Pass its real part"),
        (
            X.astype("complex64").astype(object),
            "x: input 0 cannot be made an array of float32: it holds complex numbers",
        ),
        (X.astype("U8"), "x: input 0 must hold numbers that become float32, got str"),
        (X.astype("S8"), "x: input 0 must hold numbers that become float32, got bytes"),
        (np.zeros(X.shape, "datetime64[s]"), "x: input 0 must hold numbers that become float32, got datetime64"),
        (np.zeros(X.shape, [("a", "f4")]), "x: input 0 must hold numbers that become float32, got void"),
        (np.full(X.shape, None), "x: input 0 cannot be made an array of float32: it holds strings or None"),
        ([[1.0, 2.0], [3.0]], "x: input 0 cannot be made an array of float32: .* rows of one length"),
        (object(), "x: input 0 cannot be made an array of float32"),
        (3.0, r"x: input 0 must have shape \(batch, 8, 8, 2\), got \(\)"),
        ([X, X], r"the model has 1 input\(s\), got 2 array"),
        ([], r"x: input 0 must have shape \(batch, 8, 8, 2\), got \(0,\)"),
    ],
    ids=lambda v: type(v).__name__ if not isinstance(v, str) else "",
)
def test_what_is_no_array_of_numbers_is_an_error(x: Any, message: str) -> None:
    program = simplecell.compile(same())
    with pytest.raises(ValueError, match=message):
        program(x)
    with pytest.raises(ValueError, match=message):
        program(x, out=np.empty_like(X))


def test_no_samples_have_outputs_without_samples() -> None:
    program = simplecell.compile(same())
    nothing = np.zeros((0, 8, 8, 2), "float32")
    assert program(nothing).shape == (0, 8, 8, 2) and program(nothing).dtype == np.float32
    out = np.empty((0, 8, 8, 2), "float32")
    assert program(nothing, out=out) is out
    with pytest.raises(ValueError, match="out: must be writeable"):
        program(nothing, out=X)
    with pytest.raises(ValueError, match="must have shape"):
        program(np.zeros((0, 8, 7, 2)))
    two = simplecell.compile(pair())
    with pytest.raises(ValueError, match="0, 4 samples"):
        two([PAIR[0][:0], PAIR[1]])
    for frozen in (False, True):
        if frozen:
            two(PAIR)
            two.freeze()
        result = two([a[:0] for a in PAIR])
        assert {k: (v.shape, v.dtype.name) for k, v in result.items()} == dict.fromkeys(
            ("sum", "product"), ((0, 3), "float32")
        )
    opened = simplecell.compile(open_sized())
    opened(np.zeros((2, 9, 6, 2)))
    opened.freeze()
    assert opened(np.zeros((0, 9, 6, 2))).shape == (0, 7, 4, 3)
    with pytest.raises(ValueError, match="frozen, and was not built for"):
        opened(np.zeros((0, 9, 9, 2)))


@pytest.mark.parametrize("size", [0, -1, True, "2", 1.5])
def test_batch_sizes_are_whole_numbers(size: Any) -> None:
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1"):
        simplecell.compile(same(), batch_size=size)
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1"):
        simplecell.compile(same()).describe(batch_size=size)


# --- describe and assembly --------------------------------------------------------------------------------------------


def test_a_model_of_any_size_is_described_for_a_shape_or_for_the_last_one_used() -> None:
    program = simplecell.compile(open_sized())
    with pytest.raises(ValueError, match="open sizes, and the program was not called yet"):
        program.describe()
    with pytest.raises(ValueError, match="open sizes, and the program was not called yet"):
        program.assembly(batch_size=2)
    for shape in ((1, 20, 17, 2), (None, 20, 17, 2), [(1, 20, 17, 2)]):
        assert "20×17 2" in program.describe(input_shape=shape, measure=False)
    assert "18×7 2" in program.describe(batch_size=3, input_shape=(None, 18, 7, 2))
    assert program._programs.keys()[-1] == (3, 18, 7, 2)
    program(np.zeros((2, 11, 12, 2)))
    program(np.zeros((1, 20, 17, 2)))
    program(np.zeros((2, 11, 12, 2)))
    assert "11×12 2" in program.describe() and "11×12 2" in program.describe(batch_size=5)
    assert program._programs.keys()[-1] == (5, 11, 12, 2)
    assert "ret" in program.assembly() and "ret" in program.assembly(input_shape=(1, 20, 17, 2))
    program.freeze()
    assert "20×17 2" in program.describe()  # the shape that `assembly` had


def test_the_quick_path_counts_as_use() -> None:
    program = simplecell.compile(same())
    for n in (1, 2, 3, 2):
        x = X[:n].copy()
        program(x, out=np.empty_like(x))
    assert program._programs.keys() == [(n, 8, 8, 2) for n in (1, 3, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"input_shape": (8, 8, 2)},
            r"input_shape: input 0 has shape \(batch, None, None, 2\), got \(8, 8, 2\). Give it with its batch axis",
        ),
        ({"input_shape": (1, 8, 8, 3)}, "input_shape: input 0 has shape"),
        ({"input_shape": (1, 8, -8, 2)}, "sizes must be whole numbers"),
        ({"input_shape": (0, 8, 8, 2)}, "sizes must be whole numbers"),
        ({"input_shape": (1, None, 8, 2)}, "open sizes"),
        ({"input_shape": [(1, 8, 8, 2), (1, 2)]}, r"the model has 1 input\(s\), got 2"),
        ({"input_shape": (1, 8, 8, 2), "batch_size": 2}, "batch_size: is 2, and the batch axis of `input_shape`"),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_are_an_error(options: Any, message: str) -> None:
    program = simplecell.compile(open_sized())
    for ask in (program.describe, program.assembly):
        with pytest.raises(ValueError, match=message):
            ask(**options)


def test_several_inputs_are_described() -> None:
    program = simplecell.compile(pair())
    assert "s" in program.describe(batch_size=2)
    program.describe(input_shape=[(3, 5), (3, 3)])
    assert program._programs.keys()[-1] == ((3, 5), (3, 3))
    program(PAIR)
    program.describe()
    assert program._programs.keys()[-1] == ((4, 5), (4, 3))


# --- copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))], ids=["copy", "deepcopy", "pickle"]
)
def test_a_copy_has_the_model_and_the_settings(duplicate: Any) -> None:
    program = simplecell.compile(same(), batch_size=2, threads=1, precision="exact")
    expected = program(X)
    other = duplicate(program)
    assert (other.batch_size, other.threads, other.precision, other.tune) == (2, 1, "exact", False)
    assert other._programs.keys() == [(2, 8, 8, 2)]
    np.testing.assert_array_equal(other(X), expected)
    shared = duplicate is copy.copy
    assert (other.model is program.model) == shared
    program.model.set_weights([w + 1 for w in program.model.get_weights()])
    assert np.array_equal(other(X), program(X)) == shared
    program.freeze()
    with pytest.raises(TypeError, match="A frozen program cannot be (copied|pickled): it has given up its model"):
        duplicate(program)


# --- many sizes -------------------------------------------------------------------------------------------------------


def test_programs_of_many_sizes_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_cache, "BUDGET", 3 << 20)
    program = simplecell.compile(open_sized(), threads=1)
    gone = []
    for height in range(5, 105):
        x = np.ones((1, height, 40, 2), "float32")
        out = np.empty((1, height - 2, 38, 3), "float32")
        program(x, out=out)
        gone.append(weakref.ref(program._program([x])))
        assert set(program._usual) <= set(program._programs.keys())
    held = program._programs.values()
    assert 2 < len(held) < 50
    assert sum(memory_of(p.executable) for p in held) <= 3 << 20
    gc.collect()
    assert sum(ref() is not None for ref in gone) <= len(held) + 1
    x = np.ones((1, 5, 40, 2), "float32")  # the first one has given way, and comes back
    np.testing.assert_allclose(program(x), np.asarray(program.model(x)), rtol=1e-5, atol=1e-6)


def test_the_size_that_was_asked_for_and_the_one_in_use_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_cache, "BUDGET", 1 << 18)
    program = simplecell.compile(same(), batch_size=6, threads=1)
    x, out = X[:1].copy(), X[:1].copy()
    for n in range(2, 60):
        program(x, out=out)
        program(np.zeros((n, 8, 8, 2), "float32"))
    assert (6, 8, 8, 2) in program._programs.keys() and (1, 8, 8, 2) in program._programs.keys()
    assert (2, 8, 8, 2) not in program._programs.keys()
    expected = program(X)
    program.freeze()
    for _ in range(2):
        np.testing.assert_array_equal(program(X), expected)
    keys = program._programs.keys()
    for key in keys:
        program(np.zeros(key, "float32"))
    assert sorted(program._programs.keys()) == sorted(keys), "what a frozen program holds is never dropped"
    with pytest.raises(ValueError, match="frozen, and was not built for"):
        program(np.zeros((2, 8, 8, 2), "float32"))


@pytest.mark.parametrize("way", ["program", "predict_on_batch", "model"])
def test_memory_of_many_sizes_is_flat(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from simplecell.keras_backend import eager

    monkeypatch.setattr(program_cache, "BUDGET", 1 << 20)
    monkeypatch.setattr(eager, "_programs", ProgramCache(lambda executable: executable, budget=1 << 20))
    model = open_sized()
    call = {
        "program": simplecell.compile(model, threads=1),
        "predict_on_batch": model.predict_on_batch,
        "model": model,
    }[way]

    def sizes(first: int, count: int) -> None:
        for height in range(first, first + count):
            call(np.zeros((1, height, 40, 2), "float32"))

    def blocks() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    sizes(10, 40)
    before = blocks()
    sizes(50, 60)
    assert blocks() - before < 60 * 50  # a program and its graph are thousands of objects


def test_lowering_remembers_no_size_for_ever() -> None:
    from simplecell.engine.algorithms.convolution.fourier_channels import schedule as fourier_channels
    from simplecell.engine.algorithms.convolution.fourier_rows import schedule as fourier_rows
    from simplecell.engine.algorithms.convolution.winograd import gradient_schedule as gradient
    from simplecell.engine.algorithms.convolution.winograd import schedule as winograd

    for function in (
        fourier_rows.blocking,
        fourier_channels.blocking,
        winograd.blocking,
        gradient.blocking,
    ):
        assert function.cache_info().maxsize is not None


def test_layers_are_records_of_the_steps() -> None:
    inputs = keras.Input((28, 28, 4))
    block = keras.Sequential([layers.Conv2D(4, 3, padding="same", name="conv"), layers.ReLU(name="relu")], name="block")
    x = block(block(layers.Conv2D(4, 3, name="first")(inputs)))
    model = keras.Model(inputs, layers.Dense(3, name="classes")(layers.GlobalAveragePooling2D(name="mean")(x)))
    program = simplecell.compile(model, batch_size=2)
    steps = program.layers()
    heavy = [(s.layer, s.call) for s in steps if s.flops > 50_000]
    assert heavy == [("first", 1), ("block/conv", 1), ("block/conv", 2)]
    assert {s.layer for s in steps} <= {"first", "block/conv", "block/relu", "mean", "classes", ""}
    first = next(s for s in steps if s.layer == "first")
    assert first.flops == 2 * 2 * 26 * 26 * 9 * 4 * 4 and first.bytes > 0 and first.predicted > 0
    assert first.measured is not None and first.measured > 0 and first.images is None
    assert first.algorithm and first.algorithm in program.describe() and first.why in program.describe()
    assert {c.refusal is None for c in first.considered} == {True, False}
    assert all(s.measured is None for s in program.layers(measure=False))


def test_where_says_what_has_become_of_a_value() -> None:
    inputs = keras.Input((12, 12, 8))
    x = layers.Conv2D(16, 3, name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(16, 3, name="last", activation="relu")(x)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D(name="mean")(x))
    program = simplecell.compile(model, batch_size=2)
    assert str(program.where("conv")).startswith("folded away by ")
    assert str(program.where("norm")) == "inside a step"
    assert str(program.where("relu")) == str(program.where("mean")) == "in memory"
    assert str(program.where("last")) == "inside a step"  # the relu is taken where the mean reads
    asked = simplecell.compile(simplecell.trace(model).with_outputs("conv", "norm", "mean"), batch_size=2)
    assert {str(asked.where(name)) for name in ("conv", "norm", "relu", "mean")} == {"in memory"}
    with pytest.raises(KeyError, match="there is no `cov`. The layers are conv, norm, relu, last, mean"):
        program.where("cov")
