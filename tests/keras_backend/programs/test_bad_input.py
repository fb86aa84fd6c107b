"""Bad input is a clear error or gives the right answer, and the model works afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from keras import layers

import simplecell

RNG = np.random.default_rng(4)
X = RNG.normal(size=(12, 9, 9, 3)).astype("float32")
Y = RNG.integers(0, 4, 12)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    network.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def works(model: keras.Model) -> None:
    y = model.predict(X, verbose=0)
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
    assert np.isfinite(model.train_on_batch(X, Y)).all()
    assert np.isfinite(model.evaluate(X, Y, verbose=0)).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[0], "shape|rank|ndim"),
        (X[..., 0], "shape|rank|ndim"),
        (X[None], "shape|rank|ndim"),
        (X[..., :2], "shape|channels"),
        (X[:, :5], "shape"),
    ],
    ids=["no batch", "no channels", "too many axes", "other channels", "other size"],
)
def test_wrong_shapes(model: keras.Model, x: np.ndarray, message: str) -> None:
    for call in (
        model,
        lambda x: model.predict(x, verbose=0),
        lambda x: model.fit(x, Y[: len(x)], verbose=0),
        simplecell.compile(model),
    ):
        with pytest.raises(ValueError, match=message):
            call(x)
    works(model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(4, 11)(X), "negative|larger|smaller|size"),
        (lambda: layers.MaxPooling2D(10)(X), "negative|larger|smaller|size"),
        (lambda: layers.AveragePooling2D(10)(X), "negative|larger|smaller|size"),
        (lambda: layers.Conv2D(0, 3), "filters"),
        (lambda: layers.Conv2D(-2, 3), "filters"),
        (lambda: layers.Conv2D(4, 0), "kernel_size"),
        (lambda: layers.Conv2D(4, 3, strides=0), "strides"),
        (lambda: layers.Conv2D(4, 3, dilation_rate=0), "dilation_rate"),
        (lambda: layers.Conv2D(4, 3, groups=2)(X), "groups|divisible"),
        (lambda: layers.Dense(0), "units"),
        (lambda: layers.Conv2D(4, 3, padding="sideways"), "padding"),
        (lambda: layers.Conv2D(4, 3)(X[0]), "ndim"),
        (lambda: layers.Dense(3)(np.float32(1)), "ndim"),
        (lambda: layers.Concatenate()([X, X[:, :4]]), "shape"),
        (lambda: layers.Add()([X, X[:, :4]]), "shape"),
        (lambda: layers.Reshape((7,))(X), "reshape|shape"),
        (lambda: keras.ops.conv(X, np.zeros((3, 3, 2, 4), "float32")), "channels"),
        (lambda: keras.ops.matmul(X, X), "matmul|shape"),
    ],
)
def test_impossible_layers(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_nan_and_infinity_pass_through(model: keras.Model) -> None:
    bad = X.copy()
    bad[2, 4, 4, 1] = np.nan
    y = model.predict(bad, verbose=0)
    clean = model.predict(X, verbose=0)
    assert np.isnan(y[2]).all()
    np.testing.assert_allclose(np.delete(y, 2, 0), np.delete(clean, 2, 0), rtol=1e-5)
    layer = layers.Conv2D(1, 1, kernel_initializer="ones")
    assert np.isinf(np.asarray(layer(np.full((1, 2, 2, 3), np.inf, "float32")))).all()
    for pool in (layers.MaxPooling2D(), layers.AveragePooling2D(2)):
        assert np.isnan(np.asarray(pool(bad))[2, 2, 2, 1])
    works(model)


def disguises() -> Iterator[tuple[str, np.ndarray]]:
    yield "Fortran order", np.asfortranarray(X)
    yield "every second", np.repeat(X, 2, axis=1)[:, ::2]
    yield "reversed twice", np.ascontiguousarray(X[:, ::-1])[:, ::-1]
    yield "transposed", np.ascontiguousarray(X.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    yield "big-endian", X.astype(">f4")
    yield "float64", X.astype("float64")
    yield "big-endian float64", X.astype(">f8")
    unaligned = np.zeros(X.nbytes + 1, np.uint8)[1:].view("float32").reshape(X.shape)
    unaligned[...] = X
    yield "unaligned", unaligned
    frozen = X.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen


@pytest.mark.parametrize(("name", "x"), list(disguises()), ids=lambda v: v if isinstance(v, str) else "")
def test_any_array_gives_the_same(model: keras.Model, name: str, x: np.ndarray) -> None:
    expected = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    np.testing.assert_array_equal(model.predict_on_batch(x), expected)
    np.testing.assert_array_equal(simplecell.compile(model)(x), simplecell.compile(model)(X))
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-7)
    assert np.isfinite(model.evaluate(x, Y, verbose=0)).all()


def test_integers(model: keras.Model) -> None:
    pictures = RNG.integers(0, 255, X.shape)
    for dtype in ("uint8", "int32", ">i4", "int64", "uint16"):
        np.testing.assert_array_equal(
            model.predict(pictures.astype(dtype), verbose=0), model.predict(pictures.astype("float32"), verbose=0)
        )
    layer = layers.Conv2D(2, 3)
    np.testing.assert_allclose(layer(pictures), layer(pictures.astype("float32")), rtol=1e-5)


def test_empty_batch(model: keras.Model) -> None:
    assert model.predict(X[:0], verbose=0).shape == (0, 4)
    assert np.asarray(model(X[:0])).shape == (0, 4)
    for call in (lambda: model.fit(X[:0], Y[:0], verbose=0), lambda: model.evaluate(X[:0], Y[:0], verbose=0)):
        with pytest.raises(ValueError, match="sample|data|batch"):
            call()
    works(model)


@pytest.mark.parametrize("label", [4, 77, -1])
def test_labels_out_of_range(model: keras.Model, label: int) -> None:
    labels = Y.copy()
    labels[5] = label
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"label lies outside of \[0, 4\)"):
        model.fit(X, labels, verbose=0)
    with pytest.raises(ValueError, match=r"label lies outside of \[0, 4\)"):
        model.evaluate(X, labels, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    works(model)


def test_targets_that_do_not_fit(model: keras.Model) -> None:
    with pytest.raises(ValueError, match="cardinality|size"):
        model.fit(X, Y[:5], verbose=0)
    regression = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    regression.compile("sgd", "mse")
    with pytest.raises(ValueError, match="shape"):
        regression.fit(np.zeros((4, 3)), np.zeros((4, 5)), verbose=0)
    regression.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0)
    works(model)


def test_generator_that_raises(model: keras.Model) -> None:
    def generator() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(3):
            yield X[:4], Y[:4]
        raise OSError("the disk is gone")

    for call in (model.fit, model.evaluate):
        with pytest.raises(OSError, match="the disk is gone"):
            call(generator(), verbose=0, **({"shuffle": False} if call == model.fit else {}))
    with pytest.raises(OSError, match="the disk is gone"):
        model.predict(generator(), verbose=0)
    works(model)


def test_generator_that_ends_early(model: keras.Model) -> None:
    def generator(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(count):
            yield X[:4], Y[:4]

    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(generator(3), steps_per_epoch=5, verbose=0, shuffle=False)
    with pytest.raises(ValueError, match="at least one batch"):
        model.fit(generator(0), verbose=0, shuffle=False)
    works(model)


def test_generator_of_what_does_not_fit(model: keras.Model) -> None:
    def generator() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield X[:4], Y[:4]
        yield X[:4], Y[:4]
        yield X[:4, :5], Y[:4]

    with pytest.raises(ValueError, match="shape"):
        model.fit(generator(), verbose=0, shuffle=False)
    works(model)


def test_not_compiled_and_not_built() -> None:
    fresh = keras.Sequential([layers.Dense(2)])
    with pytest.raises(ValueError, match="compile"):
        fresh.fit(np.zeros((3, 2)), np.zeros((3, 2)), verbose=0)
    with pytest.raises(ValueError, match="built"):
        simplecell.compile(fresh)
    with pytest.raises(ValueError, match="precision"):
        simplecell.compile(fresh, precision="sloppy")
    assert fresh.predict(np.zeros((3, 2)), verbose=0).shape == (3, 2)


def test_out_that_does_not_fit(model: keras.Model) -> None:
    program = simplecell.compile(model)
    for out in (np.empty((12, 5), "float32"), np.empty((12, 4), "float64"), np.empty((4, 12), "float32").T):
        with pytest.raises(ValueError, match="out:"):
            program(X, out=out)
    out = np.empty((12, 4), "float32")
    assert program(X, out=out) is out
    np.testing.assert_array_equal(out, program(X))
