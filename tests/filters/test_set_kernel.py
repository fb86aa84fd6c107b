import numpy as np
import pytest

import simplecell  # noqa: F401  (first: Keras then runs on it)

import keras  # isort: skip

from simplecell.filters import named, set_kernel

L = keras.layers
VERTICAL = [[0, 1, 0], [0, 1, 0], [0, 1, 0]]


def kernel_of(layer):
    return np.asarray(keras.ops.convert_to_numpy(layer.kernel))


@pytest.fixture(params=["before", "after"])
def put(request):
    """Sets a kernel before or after the layer is built, and returns what the layer then holds."""

    def put(layer, input_shape, kernel, bias=None):
        if request.param == "after":
            layer.build(input_shape)
        assert set_kernel(layer, kernel, bias) is layer
        if request.param == "before":
            layer.build(input_shape)
        return kernel_of(layer)

    return put


def test_plain_array(put):
    assert put(L.Conv2D(1, 3), (None, 8, 8, 1), VERTICAL)[..., 0, 0].tolist() == VERTICAL
    assert put(L.Conv1D(1, 3), (None, 8, 1), [0, 1, 0])[:, 0, 0].tolist() == [0, 1, 0]
    cube = np.arange(27).reshape(3, 3, 3)
    assert put(L.Conv3D(1, 3), (None, 8, 8, 8, 1), cube)[..., 0, 0].tolist() == cube.tolist()


def test_whole_kernel(put):
    whole = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(put(L.Conv2D(5, (2, 3)), (None, 8, 8, 4), whole), whole)
    np.testing.assert_array_equal(put(L.Conv1D(1, 3), (None, 8, 1), [[[0]], [[1]], [[0]]])[:, 0, 0], [0, 1, 0])


def test_list_of_filters_and_names(put):
    kernel = put(L.Conv2D(3, 3), (None, 8, 8, 1), ["vertical", np.eye(3), [[1] * 3] * 3], bias=[1, 2, 3])
    np.testing.assert_array_equal(kernel[..., 0, 0], VERTICAL)
    np.testing.assert_array_equal(kernel[..., 0, 1], np.eye(3))
    np.testing.assert_array_equal(kernel[..., 0, 2], np.ones((3, 3)))
    stacked = np.random.default_rng(0).standard_normal((2, 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(put(L.Conv2D(2, 3), (None, 8, 8, 1), stacked)[..., 0, :], np.moveaxis(stacked, 0, -1))


def test_one_name(put):
    np.testing.assert_array_equal(put(L.Conv3D(1, 3), (None, 5, 5, 5, 1), "sobel_z")[..., 0, 0], named("sobel_z", 3))


def test_on_every_channel(put):
    kernel = put(L.Conv2D(2, 3), (None, 8, 8, 3), ["sobel_x", "sobel_y"])
    for channel in range(3):
        np.testing.assert_array_equal(kernel[..., channel, 1], named("sobel_y"))


def test_own_slice_per_channel(put):
    one = np.random.default_rng(0).standard_normal((3, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(put(L.Conv2D(1, 3), (None, 8, 8, 4), one)[..., 0], one)
    mixed = put(L.Conv2D(2, 3), (None, 8, 8, 4), [one, "bump"])
    np.testing.assert_array_equal(mixed[..., 0], one)
    np.testing.assert_array_equal(mixed[..., 2, 1], named("bump"))


def test_list_of_arrays_wins_over_whole_kernel(put):
    """Three filters of 3×3×3 have the size of a whole kernel too; a list of arrays is a list of filters."""
    filters = [np.full((3, 3, 3), i, np.float32) for i in range(3)]
    assert put(L.Conv2D(3, 3), (None, 8, 8, 3), filters)[0, 0].tolist() == [[0, 1, 2]] * 3


def test_groups(put):
    assert put(L.Conv2D(2, 3, groups=2), (None, 8, 8, 4), ["bump", "vertical"]).shape == (3, 3, 2, 2)


def test_depthwise(put):
    kernel = put(L.DepthwiseConv2D(3, depth_multiplier=2), (None, 8, 8, 5), ["sobel_x", "sobel_y"], bias=1)
    assert kernel.shape == (3, 3, 5, 2)
    np.testing.assert_array_equal(kernel[:, :, 4, 1], named("sobel_y"))
    assert put(L.DepthwiseConv1D(3), (None, 8, 5), "line_1d").shape == (3, 5, 1)


def test_transposed(put):
    kernel = put(L.Conv2DTranspose(2, 3), (None, 8, 8, 5), ["vertical", "horizontal"])
    assert kernel.shape == (3, 3, 2, 5)
    np.testing.assert_array_equal(kernel[:, :, 0, 3], VERTICAL)


def test_bias(put):
    layer = L.Conv1D(2, 3)
    put(layer, (None, 8, 1), ["line_1d", "bump"], bias=[0.5, -1])
    assert np.asarray(layer.bias).tolist() == [0.5, -1]
    put(layer := L.Conv1D(2, 3), (None, 8, 1), ["line_1d", "bump"], bias=2)
    assert np.asarray(layer.bias).tolist() == [2, 2]


def test_bias_untouched():
    layer = L.Conv1D(1, 3, bias_initializer="ones")
    layer.build((None, 8, 1))
    set_kernel(layer, "line_1d")
    assert np.asarray(layer.bias).tolist() == [1]


def test_computes():
    layer = set_kernel(L.Conv1D(1, 3), [0, 1, 0])
    y = layer(np.array([0, 0, 0, 1, 1, 0, 0, 0], np.float32)[None, :, None])
    assert np.asarray(y)[0, :, 0].tolist() == [0, 0, 1, 1, 0, 0]


def test_model_saved_after_building_is_plain_keras(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), set_kernel(L.Conv2D(2, 3), ["vertical", "horizontal"], bias=1)])
    text = model.to_json()
    assert "Given" not in text and "simplecell" not in text
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(kernel_of(again.layers[0]), kernel_of(model.layers[0]))


def test_set_twice_before_building():
    layer = set_kernel(set_kernel(L.Conv2D(1, 3), "vertical"), "horizontal")
    layer.build((None, 8, 8, 1))
    np.testing.assert_array_equal(kernel_of(layer)[..., 0, 0], named("horizontal"))
    assert type(layer.kernel_initializer).__name__ == "GlorotUniform"


def test_unbuilt_layer_keeps_its_filters_through_its_configuration():
    layer = set_kernel(L.Conv2DTranspose(2, 3), ["vertical", "horizontal"], bias=3)
    again = L.Conv2DTranspose.from_config(layer.get_config())
    again.build((None, 8, 8, 4))
    np.testing.assert_array_equal(kernel_of(again)[:, :, 1, 2], named("horizontal"))
    assert np.asarray(again.bias).tolist() == [3, 3]


@pytest.mark.parametrize(
    "layer, kernel, error, message",
    [
        (
            lambda: L.Conv2D(1, 3),
            np.zeros((5, 5)),
            ValueError,
            r"expects one filter of 3 × 3 \(or 3 × 3 × channels\), or a name, or a whole kernel of shape \(3, 3, "
            r"channels, 1\); received shape \(5, 5\)",
        ),
        (
            lambda: L.Conv2D(2, 3),
            np.zeros((3, 3)),
            ValueError,
            r"expects a list of 2 filters of 3 × 3 .*, or names, .*; received 1 filter",
        ),
        (lambda: L.Conv2D(2, 3), ["bump"] * 3, ValueError, "a list of 2 filters .* received 3 filters"),
        (
            lambda: L.Conv2D(1, 5),
            "bump",
            ValueError,
            r"the filter 'bump' is 3 × 3, and Conv2D .* has kernel_size \(5, 5\)",
        ),
        (lambda: L.Conv2D(1, 3), "wombat", ValueError, "expected one of the 2-dimensional filters vertical"),
        (lambda: L.Conv2D(1, 3), [[1, 2], [3]], ValueError, "rows of different lengths"),
        (lambda: L.Conv2D(1, 3), [[np.nan] * 3] * 3, ValueError, "expected finite numbers, received nan"),
        (lambda: L.Conv2D(1, 3), np.full((3, 3), 1j), TypeError, "which holds no real numbers"),
        (
            lambda: L.Conv2D(2, 3),
            [np.zeros((3, 3, 2)), np.zeros((3, 3, 4))],
            ValueError,
            "received filters for 2 and for 4 channels",
        ),
        (
            lambda: L.Conv2DTranspose(2, 3),
            np.zeros((3, 3, 4, 3)),
            ValueError,
            r"a whole kernel of shape \(3, 3, 2, channels\)",
        ),
        (
            lambda: L.SeparableConv2D(2, 3),
            "bump",
            TypeError,
            "received SeparableConv2D; its two kernels are set with set_weights",
        ),
        (lambda: L.Dense(2), [1], TypeError, "layer: expected a Conv1D, .* received Dense"),
    ],
)
def test_refusals(layer, kernel, error, message):
    with pytest.raises(error, match=message):
        set_kernel(layer(), kernel)


def test_refusals_when_built():
    layer = L.Conv2D(1, 3)
    layer.build((None, 8, 8, 3))
    with pytest.raises(
        ValueError,
        match=r"one filter of 3 × 3 \(or 3 × 3 × 3\), or a name, or a whole kernel of shape \(3, 3, 3, 1\); "
        r"received shape \(3, 3, 2\)",
    ):
        set_kernel(layer, np.zeros((3, 3, 2)))
    layer = set_kernel(L.Conv2D(1, 3), np.zeros((3, 3, 2)))
    with pytest.raises(
        ValueError, match=r"given a kernel of shape \(3, 3, 2, 1\), and the layer's input asks for \(3, 3, 3, 1\)"
    ):
        layer.build((None, 8, 8, 3))


def test_bias_refusals():
    with pytest.raises(ValueError, match="use_bias=False"):
        set_kernel(L.Conv1D(1, 3, use_bias=False), "bump", bias=0)
    with pytest.raises(ValueError, match=r"expects a number or 2 of them, one per filter; received shape \(3,\)"):
        set_kernel(L.Conv1D(2, 3), ["bump", "line_1d"], bias=[1, 2, 3])
    with pytest.raises(TypeError, match="bias: expected a number"):
        set_kernel(L.Conv1D(1, 3), "bump", bias="much")
