import keras
import numpy as np
import pytest

from simplecell.keras_backend import core
from tests.keras_backend.traced import traced


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1.5, "float32"),
        (3, "int32"),
        (True, "bool"),
        ([1.0, 2], "float32"),
        ([[1, 2], [3, 4]], "int32"),
        ([True, 2], "int32"),
        (np.float64(2), "float64"),
        (np.arange(3, dtype="int8"), "int8"),
        ([np.float16(1), np.float16(2)], "float16"),
        ([], "float32"),
    ],
)
def test_dtypes_of_values(value, dtype):
    assert core.convert_to_tensor(value).dtype.name == dtype


@pytest.mark.parametrize("convert", [core.convert_to_tensor, core.convert_to_numpy, lambda x: core.cast(x, "float32")])
def test_what_the_backend_gives_can_be_written_to(convert):
    x = np.ones(3, "float32")
    y = convert(x)
    y += 1
    assert x.max() == 1
    v = keras.Variable(x)
    w = convert(v)
    w += 1
    assert v.numpy().max() == 1


def test_layers_leave_their_input_alone():
    x = np.full((4, 4, 3), 100, "float32")
    keras.layers.RandomBrightness(0.5)(x, training=True)  # says `images += …`
    assert (x == 100).all()


def test_foreign_byte_order_becomes_native():
    x = np.arange(3, dtype=">f4")
    y = core.convert_to_tensor(x, "float32")
    assert y.dtype.isnative
    np.testing.assert_array_equal(x, y)


def test_ragged_lists_and_nones_are_errors():
    with pytest.raises(ValueError, match="different lengths"):
        core.convert_to_tensor([[1, 2], [3]], "float32")
    with pytest.raises(ValueError, match="`sparse=True` is not supported"):
        core.convert_to_tensor([1], sparse=True)


def test_lists_of_tensors_are_stacked():
    x = np.arange(6, dtype="float32").reshape(2, 3)
    y = traced(lambda x: core.convert_to_tensor([[x[0, 0], 5], [x[1, 2], 1.5]]), x)
    np.testing.assert_array_equal(y, [[0, 5], [5, 1.5]])


def test_casts_follow_numpy():
    x = np.array([-1.7, 0.2, 2.9], "float32")
    np.testing.assert_array_equal(core.cast(x, "int32"), [-1, 0, 2])
    np.testing.assert_array_equal(traced(lambda x: core.cast(x, "int32"), x), [-1, 0, 2])
    assert core.cast(np.array([1 + 2j]), "float32").tolist() == [1]
    core.cast(np.array([np.nan, np.inf]), "int32")  # no warning


def test_numpy_functions_record_on_tensors():
    x = np.linspace(0.1, 2, 5).astype("float32")
    y = traced(lambda t: np.exp(t) + np.ones(5, "float32") * t, x)
    np.testing.assert_allclose(y, np.exp(x) + x, rtol=1e-6)

    def in_place(t):
        total = np.zeros(5, "float32")
        total += t
        return total

    np.testing.assert_array_equal(traced(in_place, x), x)


def test_values_of_traced_tensors_are_not_there():
    with pytest.raises(TypeError, match="run_eagerly=True"):
        traced(lambda t: t if t[0] > 0 else -t, np.ones(3, "float32"))
    with pytest.raises(TypeError, match="keras.ops.while_loop"):
        traced(lambda t: float(t[0]), np.ones(3, "float32"))


def test_device_scope_knows_the_cpu_only():
    with keras.device("cpu:0"):
        pass
    with pytest.raises(ValueError, match="simplecell runs on the CPU"), keras.device("gpu:0"):
        pass


def test_shapes_without_computing():
    big = keras.KerasTensor((None, 100_000, 100_000))  # 40 GB per sample, if it were there
    out = core.compute_output_spec(lambda x: (x @ x, x[:, :1], core.convert_to_tensor(3)), big)
    assert [t.shape for t in out] == [(None, 100_000, 100_000), (None, 1, 100_000), ()]


@pytest.mark.parametrize("halvings", [0, 1, 5])
def test_unknown_sizes_stay_unknown(halvings):
    def shrink(x):
        for _ in range(halvings):
            x = x[:, ::2]
        return x

    assert core.compute_output_spec(shrink, keras.KerasTensor((None, None, 3))).shape == (None, None, 3)
