"""Our convolution layers against NumPy's padding and a convolution written out as loops."""

import itertools

import numpy as np
import pytest

import simplecell  # noqa: F401  (first: Keras then runs on it)

import keras  # isort: skip

from simplecell import layers

LAYERS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
NUMPY_MODE = {"reflect": "reflect", "circular": "wrap", "constant": "constant"}


def expected(x, kernel, pairs, mode, strides, dilation, groups=1):
    """Channels-last convolution of a NumPy-padded input, one output position after the other, in float64."""
    x = np.pad(x.astype(np.float64), [(0, 0), *pairs, (0, 0)], NUMPY_MODE[mode])
    size, out_channels, rank = kernel.shape[:-2], kernel.shape[-1], kernel.ndim - 2
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation)]
    out = [(n - span) // s + 1 for n, span, s in zip(x.shape[1:-1], spans, strides)]
    y = np.zeros((x.shape[0], *out, out_channels))
    per_in, per_out = x.shape[-1] // groups, out_channels // groups
    for position in itertools.product(*map(range, out)):
        window = tuple(slice(p * s, p * s + span, d) for p, s, span, d in zip(position, strides, spans, dilation))
        patch = x[(slice(None), *window)]
        for g in range(groups):
            part = patch[..., g * per_in : (g + 1) * per_in]
            y[(slice(None), *position, slice(g * per_out, (g + 1) * per_out))] = np.tensordot(
                part,
                kernel[..., g * per_out : (g + 1) * per_out].astype(np.float64),
                axes=(range(1, rank + 2), range(rank + 1)),
            )
    return y


def same(n, k, s, d):
    total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
    return total // 2, total - total // 2


CASES = [
    # rank, sizes, kernel, strides, dilation, padding, groups
    (1, (11,), (3,), (1,), (1,), "reflect", 1),
    (1, (11,), (4,), (2,), (3,), "circular", 1),
    (1, (11,), (4,), (3,), (2,), "same", 1),
    (1, (11,), (4,), (3,), (2,), "causal", 1),
    (1, (11,), (3,), (1,), (1,), (2, 0), 1),
    (2, (7, 9), (3, 3), (1, 1), (1, 1), "reflect", 1),
    (2, (7, 9), (3, 2), (2, 2), (2, 3), "reflect", 2),
    (2, (8, 9), (5, 3), (1, 2), (1, 2), "circular", 1),
    (2, (8, 9), (3, 3), (2, 2), (2, 2), "valid", 1),
    (2, (8, 9), (3, 3), (2, 1), (2, 2), "same", 2),
    (2, (8, 9), (3, 3), (1, 1), (1, 1), ((0, 3), (2, 1)), 1),
    (2, (8, 9), (3, 3), (2, 2), (2, 2), 2, 1),
    (3, (5, 6, 7), (3, 3, 3), (1, 1, 1), (1, 1, 1), "reflect", 1),
    (3, (5, 6, 7), (2, 3, 3), (2, 1, 2), (2, 2, 1), "circular", 1),
    (3, (5, 6, 7), (2, 3, 3), (2, 1, 2), (2, 2, 1), ((1, 0), (0, 1), (2, 2)), 2),
]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank, sizes, kernel, strides, dilation, padding, groups", CASES)
def test_against_numpy(rank, sizes, kernel, strides, dilation, padding, groups, data_format):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *sizes, 4)).astype(np.float32)
    layer = LAYERS[rank](
        6,
        kernel,
        strides,
        padding,
        dilation_rate=dilation,
        groups=groups,
        data_format=data_format,
        bias_initializer="ones",
    )
    given = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    y = np.asarray(layer(given))
    assert layer.compute_output_shape(given.shape) == y.shape
    if data_format == "channels_first":
        y = np.moveaxis(y, 1, -1)
    if padding == "valid":
        pairs = [(0, 0)] * rank
    elif padding == "causal":
        pairs = [((kernel[0] - 1) * dilation[0], 0)]
    elif isinstance(padding, str):
        pairs = [same(*axis) for axis in zip(sizes, kernel, strides, dilation)]
    elif isinstance(padding, int):
        pairs = [(padding, padding)] * rank
    else:
        pairs = [padding] if rank == 1 else padding
    want = (
        expected(
            x,
            np.asarray(layer.kernel),
            pairs,
            padding if padding in NUMPY_MODE else "constant",
            strides,
            dilation,
            groups,
        )
        + 1
    )
    # sums of at most 3·3·3·4 products of unit variance in float32
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)


def test_equals_keras_where_keras_can():
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 3)).astype(np.float32)
    for arguments in (dict(strides=2, padding="same"), dict(dilation_rate=2), dict(padding="same", activation="relu")):
        ours, theirs = layers.Conv2D(5, 3, **arguments), keras.layers.Conv2D(5, 3, **arguments)
        ours.build(x.shape), theirs.build(x.shape)
        theirs.set_weights(ours.get_weights())
        np.testing.assert_array_equal(np.asarray(ours(x)), np.asarray(theirs(x)))
        assert ours.compute_output_shape(x.shape) == theirs.compute_output_shape(x.shape)


def test_save_and_load(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((12, 10, 2)),
            layers.Conv2D(3, 3, strides=2, dilation_rate=2, padding="reflect", activation="relu"),
            layers.Conv2D(2, (2, 3), padding=((1, 0), (2, 1)), name="explicit"),
        ]
    )
    x = np.random.default_rng(0).standard_normal((2, 12, 10, 2)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))
    assert again.get_layer("explicit").padding == ((1, 0), (2, 1))
    assert again.layers[0].strides == again.layers[0].dilation_rate == (2, 2)


def test_unknown_sizes():
    inputs = keras.Input((None, None, 1))
    outputs = layers.Conv2D(2, 5, padding="circular")(inputs)
    assert outputs.shape == (None, None, None, 2)
    model = keras.Model(inputs, outputs)
    for size in (7, 10):
        x = np.random.default_rng(0).standard_normal((1, size, size, 1)).astype(np.float32)
        rolled = np.roll(x, (2, 3), (1, 2))
        # circular convolution commutes with rolling
        np.testing.assert_allclose(np.asarray(model(rolled)), np.roll(np.asarray(model(x)), (2, 3), (1, 2)), atol=1e-6)
    with pytest.raises(ValueError, match="needs the input's size along spatial axis 0"):
        layers.Conv2D(2, 5, padding="reflect", strides=2)(inputs)


@pytest.mark.parametrize(
    "layer, shape, message",
    [
        (
            lambda: layers.Conv2D(1, 3, padding="mirror"),
            None,
            "padding: expected one of 'valid', 'same', 'reflect', 'circular'",
        ),
        (lambda: layers.Conv2D(1, 3, padding="causal"), None, "received 'causal'"),
        (lambda: layers.Conv2D(1, 3, padding=((1, 1),)), None, r"or 2 of \(before, after\)"),
        (lambda: layers.Conv2D(1, 3, padding=-1), None, "a non-negative integer"),
        (lambda: layers.Conv2D(1, 3, strides=0), None, "strides: expected a positive integer or 2 of them"),
        (
            lambda: layers.Conv2D(1, 3, dilation_rate=(1, 2, 3)),
            None,
            "dilation_rate: expected a positive integer or 2 of them",
        ),
        (
            lambda: layers.Conv2D(1, 7, padding="reflect"),
            (1, 3, 9, 1),
            "adds 3 before and 3 after, but spatial axis 0 has 3 elements",
        ),
        (lambda: layers.Conv1D(1, 3, dilation_rate=5), (1, 10, 1), "spans 11 elements"),
    ],
)
def test_errors(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        made = layer()
        made(np.zeros(shape, np.float32))


def test_exports():
    assert sorted(layers.__all__) == ["Conv1D", "Conv2D", "Conv3D"]
    assert all(hasattr(layers, name) for name in layers.__all__)
