"""Fields of view: published values, exactness, and what is said where there is none."""

from __future__ import annotations

from fractions import Fraction

import keras
import numpy as np
import pytest
from keras import layers

import simplecell
from simplecell.inspection import projective_field, receptive_field


@pytest.mark.parametrize(
    ("make", "size", "layer", "expected"),
    [
        ("VGG16", 224, "block5_pool", (212, 32, -90)),
        ("ResNet50", 224, "conv5_block3_out", (483, 32, -241)),
        ("InceptionV3", 299, "conv2d_85", (1183, 32, -554)),
    ],
)
def test_published_values(make: str, size: int, layer: str, expected: tuple[int, int, int]) -> None:
    """VGG-16 and InceptionV3 as in Araujo, Norris and Sim (2019); ResNet50 with Keras's padding."""
    keras.backend.clear_session()  # layers are numbered from 1
    model = getattr(keras.applications, make)(weights=None, include_top=False, input_shape=(size, size, 3))
    names = [n.name for n in model.layers]
    first = int(next(n for n in names if n.startswith("conv2d")).partition("_")[2] or 0) if make == "InceptionV3" else 0
    field = receptive_field(model, f"conv2d_{85 + first}" if make == "InceptionV3" else layer)
    assert (field.size, field.stride, field.start) == tuple((v, v) for v in expected)


def test_dilations_that_double() -> None:
    convolutions = [layers.Conv1D(2, 2, dilation_rate=2**k, padding="causal", name=f"d{k}") for k in range(10)]
    field = receptive_field(keras.Sequential([keras.Input((3000, 1)), *convolutions]), "d9")
    assert (field.size, field.stride, field.start) == ((1024,), (1,), (-1023,))
    assert field.region(5) == (slice(0, 6),) and field.region(5, clip=False) == (slice(-1018, 6),)
    assert field.region([2000]) == (slice(977, 2001),)


def unet() -> keras.Model:
    inputs = keras.Input((20, 24, 2), name="picture")
    a = layers.Conv2D(3, 3, padding="same", name="down")(inputs)
    b = layers.Conv2D(3, 3, padding="same", name="deep")(layers.MaxPooling2D(name="pool")(a))
    c = layers.Concatenate(name="both")([a, layers.UpSampling2D(name="up")(b)])
    d = layers.Conv2DTranspose(2, 3, strides=2, padding="same", name="wide")(c)
    return keras.Model(inputs, layers.Dense(3, name="classes")(layers.GlobalAveragePooling2D(name="mean")(d)))


def test_skips_up_sampling_and_what_sees_everything() -> None:
    model = unet()
    assert receptive_field(model, "deep").size == (8, 8)
    both = receptive_field(model, "both")
    assert (both.size, both.stride, both.start) == ((8, 8), (1, 1), (-3, -3))
    wide = receptive_field(model, "wide")
    assert wide.stride == (Fraction(1, 2), Fraction(1, 2))
    for layer in ("mean", "classes"):
        field = receptive_field(model, layer)
        assert (field.size, field.stride, field.region(())) == ((20, 24), (0, 0), (slice(0, 20), slice(0, 24)))
    assert str(both).startswith("`both` sees 8 × 8 of `picture`: the first value from -3 × -3")


@pytest.mark.parametrize("layer", ["down", "pool", "deep", "up", "both", "wide"])
def test_regions_are_where_changes_are_seen(layer: str) -> None:
    model = unet()
    network = simplecell.trace(model)
    inner = keras.Model(model.inputs, model.get_layer(layer).output)
    rng = np.random.default_rng(1)
    for w in inner.trainable_variables:
        w.assign(rng.normal(size=w.shape))
    field = receptive_field(network, layer)
    shape = inner.output_shape[1:3]
    for _ in range(6):
        at = tuple(int(rng.integers(n)) for n in shape)
        _, (slopes,) = simplecell.value_and_gradients(
            lambda x, at=at: inner(x)[:, at[0], at[1]], rng.normal(size=(1, 20, 24, 2)).astype("float32")
        )
        seen = np.argwhere(np.abs(slopes[0]).sum(-1))
        region = field.region(at)
        for axis, part in enumerate(region):
            assert part.start <= seen[:, axis].min() and seen[:, axis].max() < part.stop
        whole = field.region(at, clip=False)
        assert all(w.start <= r.start and r.stop <= w.stop for w, r in zip(whole, region))
        assert all(w.stop - w.start <= size for w, size in zip(whole, field.size))
        # the other way: each pixel of the region reaches the value, one outside of it does not
        for _ in range(6):
            pixel = tuple(int(rng.integers(n)) for n in (20, 24))
            reached = projective_field(network, layer, pixel)
            if all(r.start <= p < r.stop for r, p in zip(region, pixel)) and slopes[0][pixel].any():
                assert all(r.start <= a < r.stop for r, a in zip(reached, at))


def test_channels_first_several_inputs_and_calls() -> None:
    a, b = keras.Input((2, 16, 12), name="a"), keras.Input((2, 16, 12), name="b")
    shared = layers.Conv2D(4, (3, 5), strides=(2, 1), data_format="channels_first", name="shared")
    twice = shared(layers.ZeroPadding2D(1, data_format="channels_first")(a))
    model = keras.Model([a, b], [twice, shared(b)])
    first, second = receptive_field(model, "shared"), receptive_field(model, "shared#2")
    assert set(first) == {"a", "b"} and set(second) == {"a", "b"}
    keras.config.set_image_data_format("channels_first")
    try:
        of_b, of_a = receptive_field(model, "shared"), receptive_field(model, ("shared", 2))  # as Keras runs them
        assert (of_a["a"].size, of_a["a"].stride, of_a["a"].start) == ((3, 5), (2, 1), (-1, -1))
        assert (of_b["b"].size, of_b["b"].start) == ((3, 5), (0, 0))
        assert of_b["a"].size == of_a["b"].size == (0, 0)
        assert projective_field(model, "shared#2", (4, 4), input="a") == (slice(2, 3), slice(1, 6))
    finally:
        keras.config.set_image_data_format("channels_last")


def test_every_layer_of_a_deep_network_is_quick_to_know() -> None:
    """One pass over the graph serves all layers."""
    model = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    network = simplecell.trace(model)
    fields = {c.key: receptive_field(network, c.key) for c in network.calls}
    assert fields["out_relu"].size == (491, 491) and fields["out_relu"].stride == (32, 32)


def test_errors_say_what_to_do() -> None:
    model = unet()
    with pytest.raises(KeyError, match="there is no `dep`.*Did you mean `deep`"):
        receptive_field(model, "dep")
    with pytest.raises(KeyError, match="input: there is no `image`. The inputs are picture"):
        receptive_field(model, "deep", input="image")
    field = receptive_field(model, "deep")
    with pytest.raises(ValueError, match="at: `deep` has 2 spatial axes, and 1 positions came"):
        field.region(3)
    with pytest.raises(IndexError, match=r"at: \(10, 0\) lies outside of `deep`, which is 10 × 12"):
        field.region((10, 0))


def test_open_sizes_are_given() -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3, strides=2, padding="same", name="a")(inputs))
    for x, start in [(np.zeros((1, 65, 64, 3)), (-1, 0)), ((None, 64, 65, 3), (0, -1))]:
        assert receptive_field(model, "a", x=x).start == start
    assert projective_field(model, "a", (4, 4), x=(None, 64, 64, 3)) == (slice(1, 3), slice(1, 3))
    with pytest.raises(ValueError, match="Pass an array of the shape that you want, or that shape, as `x`"):
        receptive_field(model, "a")
    with pytest.raises(ValueError, match="Give it with its batch axis"):
        receptive_field(model, "a", x=(65, 64, 3))
