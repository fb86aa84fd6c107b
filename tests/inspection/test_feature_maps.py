"""What every layer returns: right, named, the same bits for one layer and for all, and nothing of the model changed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell
from simplecell.inspection import feature_maps, passes
from simplecell.inspection.networks import network_of

rng = np.random.default_rng(7)


class Doubled(layers.Layer):
    """Calls a layer twice, and returns two arrays."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = layers.Conv2D(3, 3, padding="same", name="inner")

    def call(self, x: Any) -> Any:
        a = self.inner(x)
        return {"once": a, "twice": self.inner(ops.tanh(a))}


def branched() -> keras.Model:
    block = keras.Sequential([layers.Conv2D(3, 1, name="point"), layers.ReLU(name="relu")], name="block")
    inputs = keras.Input((8, 7, 3), name="picture")
    a = layers.Conv2D(3, 3, padding="same", name="conv")(inputs)
    b = layers.BatchNormalization(name="norm")(a)
    both = Doubled(name="doubled")(block(b))
    c = layers.Add(name="add")([block(both["once"]), both["twice"]])
    outputs = layers.Dense(4, activation="softmax", name="classes")(layers.Flatten(name="flat")(c))
    model = keras.Model(inputs, outputs)
    for v in model.variables:
        v.assign(rng.uniform(0.2, 1.0, v.shape))
    return model


def test_every_layer_by_name() -> None:
    model, x = branched(), rng.normal(size=(3, 8, 7, 3)).astype("float32")
    maps = feature_maps(model, x)
    assert list(maps) == [
        "conv", "norm", "block", "block/point", "block/relu", "doubled:once", "doubled:twice",
        "doubled/inner", "doubled/inner#2", "block#2", "block#2/point", "block#2/relu", "add", "flat", "classes",
    ]  # fmt: skip
    conv, norm, block = (model.get_layer(n) for n in ("conv", "norm", "block"))
    a = conv(x)
    np.testing.assert_allclose(maps["conv"], a, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(maps["norm"], norm(a), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(maps["block"], block(norm(a)), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(maps["block#2/relu"], maps["block#2"])
    np.testing.assert_array_equal(maps["doubled:twice"], maps["doubled/inner#2"])
    np.testing.assert_allclose(maps["classes"], model.predict(x, verbose=0), rtol=1e-5, atol=1e-7)
    assert not any(np.shares_memory(maps["flat"], maps[k]) for k in maps if k != "flat")


def test_layers_by_name_pattern_object_and_call() -> None:
    model, x = branched(), rng.normal(size=(2, 8, 7, 3)).astype("float32")
    maps = feature_maps(model, x)
    for wanted, names in [
        ("conv", ["conv"]),
        ("block/*", ["block/point", "block/relu"]),
        ("block*/relu", ["block/relu", "block#2/relu"]),
        (model.get_layer("block"), ["block", "block#2"]),
        (("block", 2), ["block#2"]),
        ([model.get_layer("add"), "conv"], ["conv", "add"]),
        (model.get_layer("doubled").inner, ["doubled/inner", "doubled/inner#2"]),
    ]:
        found = feature_maps(model, x, wanted)
        assert list(found) == names
        for name in names:
            np.testing.assert_array_equal(found[name], maps[name])


def test_the_same_bits_for_one_layer_and_for_all() -> None:
    """Convolutions of one input are computed together: also where only one of them is asked for."""
    model = keras.applications.NASNetMobile(weights=None, input_shape=(32, 32, 3), include_top=False)
    for v in model.variables:
        if v.ndim == 1:
            v.assign(rng.uniform(0.5, 1.5, v.shape))
    x = rng.random((1, 32, 32, 3)).astype("float32")
    maps = feature_maps(model, x)
    siblings = [n for n in maps if "adjust_conv_projection_reduce" in n]
    for name in [*rng.choice(list(maps), 4, replace=False), *siblings[-1:]]:
        np.testing.assert_array_equal(feature_maps(model, x, str(name))[name], maps[name])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_pieces_of_a_batch(rank: int, data_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    last = data_format == "channels_last"
    shape = (*(6, 7, 8)[:rank], 2) if last else (2, *(6, 7, 8)[:rank])
    conv, pool = getattr(layers, f"Conv{rank}D"), getattr(layers, f"MaxPooling{rank}D")
    model = keras.Sequential(
        [
            keras.Input(shape),
            conv(4, 3, padding="same", activation="relu", data_format=data_format, name="conv"),
            pool(2, data_format=data_format, name="pool"),
        ]
    )
    x = rng.normal(size=(5, *shape)).astype("float32")
    whole = feature_maps(model, x)
    np.testing.assert_allclose(whole["pool"], model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(passes, "PIECE", 2 * sum(a[0].nbytes for a in whole.values()))
    again = feature_maps(keras.models.clone_model(model), x)  # another network, whose pieces are of two samples
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert passes.probe_of(network_of(clone)).piece == 2
    again = feature_maps(clone, x)
    for name in ("conv", "pool"):
        np.testing.assert_allclose(again[name], whole[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(again[name], feature_maps(clone, x, name)[name])
    for sample in (0, 3, 4, -1):
        found, place = passes.pass_of(clone, x, "pool", sample)
        np.testing.assert_array_equal(found.value(found.network.outputs_of("pool")[0])[place], again["pool"][sample])


class Centred(layers.Layer):
    """Mixes the samples of a batch."""

    def call(self, x: Any) -> Any:
        return x - ops.mean(x, axis=0, keepdims=True)


def test_a_network_that_mixes_samples_goes_through_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PIECE", 1)
    model = keras.Sequential([keras.Input((4,)), Centred(name="centred"), layers.Dense(2, name="out")])
    x = rng.normal(size=(6, 4)).astype("float32")
    np.testing.assert_allclose(feature_maps(model, x)["centred"], x - x.mean(0), rtol=1e-5, atol=1e-6)
    assert passes.probe_of(network_of(model)).piece is None


def test_an_earlier_result_is_written_to() -> None:
    model = branched()
    x, y = rng.normal(size=(2, 2, 8, 7, 3)).astype("float32")
    maps = feature_maps(model, x, "block*")
    kept = dict(maps)
    again = feature_maps(model, y, "block*", out=maps)
    assert all(again[k] is kept[k] for k in kept)
    for name, value in feature_maps(model, y, "block*").items():
        np.testing.assert_array_equal(again[name], value)
    with pytest.raises(ValueError, match="out: must be an earlier result for the same layers"):
        feature_maps(model, y, "conv", out=maps)
    with pytest.raises(ValueError, match=r"out: `block` must be a C-contiguous array float32\[1, 8, 7, 3\]"):
        feature_maps(model, y[:1], "block*", out=maps)


def test_the_model_stays_as_it_was() -> None:
    recurrent = layers.LSTM(3, stateful=True, return_sequences=True, name="states")
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(2, 5, 3)),
            recurrent,
            layers.Dropout(0.5, name="drop"),
            layers.BatchNormalization(),
            layers.GaussianNoise(1.0),
        ]
    )
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    before = [np.array(v.value) for v in model.variables]
    keras.utils.set_random_seed(1)
    drawn = keras.random.normal((3,))
    keras.utils.set_random_seed(1)
    first, second = feature_maps(simplecell.trace(model, batch_size=2), x), None
    second = feature_maps(simplecell.trace(model, batch_size=2), x)
    np.testing.assert_array_equal(keras.random.normal((3,)), drawn)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_array_equal(first["drop"], first["states"])
    for v, value in zip(model.variables, before):
        np.testing.assert_array_equal(v.value, value)


def test_what_is_changed_in_a_model_is_seen() -> None:
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3, name="conv"), layers.ReLU(name="relu")])
    x = rng.normal(size=(1, 6, 6, 1)).astype("float32")
    before = feature_maps(model, x, "conv")["conv"]
    conv = model.get_layer("conv")
    conv.kernel.assign(-conv.kernel)
    np.testing.assert_allclose(feature_maps(model, x, "conv")["conv"], -before, rtol=1e-6)
    conv.activation = keras.activations.relu
    np.testing.assert_array_equal(feature_maps(model, x, "conv")["conv"] >= 0, True)
    conv.strides = (2, 2)
    assert feature_maps(model, x, "conv")["conv"].shape == (1, 2, 2, 2)
    network = network_of(model, x)
    model.compile("sgd", "mse")
    model.predict(x, verbose=0)
    assert network_of(model, x) is network


def test_several_inputs_open_sizes_and_no_samples() -> None:
    a, b = keras.Input((None, None, 1), name="a"), keras.Input((3,), name="b")
    mean = layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(3, 3, name="conv")(a))
    model = keras.Model({"a": a, "b": b}, layers.Add(name="sum")([mean, b]))
    for size in (5, 9):
        x = {"a": rng.random((2, size, 6, 1)), "b": rng.random((2, 3))}
        maps = feature_maps(model, x)
        assert maps["conv"].shape == (2, size - 2, 4, 3)
        np.testing.assert_allclose(maps["sum"], model.predict(x, verbose=0), rtol=1e-5)
    small = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(2, 3, name="conv")])
    assert feature_maps(small, np.zeros((0, 4, 4, 1)))["conv"].shape == (0, 2, 2, 2)


def test_what_is_wrong_is_said() -> None:
    model, x = branched(), np.zeros((1, 8, 7, 3), "float32")
    with pytest.raises(KeyError, match=r"there is no `cnov` in .*Did you mean `conv`"):
        feature_maps(model, x, "cnov")
    with pytest.raises(KeyError, match="is not called in"):
        feature_maps(model, x, layers.Dense(2, name="other"))
    with pytest.raises(ValueError, match=r"must have shape \(batch, 8, 7, 3\), got \(8, 7, 3\). Add the batch axis"):
        feature_maps(model, x[0])
    with pytest.raises(ValueError, match="is not built, so that it has no weights to look at"):
        feature_maps(keras.Sequential([layers.Dense(2)]), x)
    with pytest.raises(TypeError, match="must be a Keras model"):
        feature_maps("model.keras", x)
    with pytest.raises(ValueError, match="layers: none was named"):
        feature_maps(model, x, [])
    with pytest.raises(IndexError, match="sample: must be one of the 1 in `x`, from 0 to 0; got 1"):
        passes.pass_of(model, x, "conv", 1)


def test_a_table_with_pictures_for_notebooks() -> None:
    html = feature_maps(branched(), rng.normal(size=(2, 8, 7, 3)).astype("float32"))._repr_html_()
    assert html.count("<tr>") == 16 and html.count("<img") == 15
    assert "<code>block#2/relu</code></td><td>2 × 8 × 7 × 3</td>" in html
