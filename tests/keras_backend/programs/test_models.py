"""Models as people write them: Sequential, functional, subclassed, shared, nested."""

from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest
from keras import layers, ops

import simplecell

RNG = np.random.default_rng(0)
PICTURES = RNG.normal(size=(24, 8, 8, 3)).astype("float32")
LABELS = RNG.integers(0, 4, 24)


def falls(history: keras.callbacks.History) -> bool:
    loss = history.history["loss"]
    return bool(np.isfinite(loss).all() and loss[-1] < loss[0])


def test_sequential_with_input_shape() -> None:
    with pytest.warns(UserWarning, match="input_shape"):
        model = keras.Sequential(
            [
                layers.Conv2D(8, (3, 3), activation="relu", input_shape=(8, 8, 3)),
                layers.MaxPooling2D((2, 2)),
                layers.Flatten(),
                layers.Dense(4, activation="softmax"),
            ]
        )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    assert falls(model.fit(PICTURES, LABELS, epochs=4, batch_size=7, verbose=0))
    loss, accuracy = model.evaluate(PICTURES, LABELS, verbose=0)
    y = model.predict(PICTURES, verbose=0)
    assert y.shape == (24, 4) and type(y) is np.ndarray
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
    assert accuracy == pytest.approx((y.argmax(1) == LABELS).mean(), abs=1e-6)
    assert loss == pytest.approx(-np.log(y[np.arange(24), LABELS]).mean(), rel=1e-4)


def test_sequential_built_by_its_first_batch_and_changed() -> None:
    model = keras.Sequential([layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()])
    assert not model.built
    assert model(PICTURES).shape == (24, 4)
    model.add(layers.Dense(2))
    assert model(PICTURES).shape == (24, 2)
    assert model.predict(PICTURES, verbose=0).shape == (24, 2)
    model.pop()
    assert model.predict(PICTURES, verbose=0).shape == (24, 4)
    model.add(layers.ReLU())  # brings no variables
    assert model.predict(PICTURES, verbose=0).min() == 0
    model.summary(print_fn=lambda *a, **k: None)


def test_functional_with_skips() -> None:
    inputs = keras.Input((8, 8, 3), name="picture")
    x = layers.Conv2D(8, 3, padding="same")(inputs)
    for _ in range(2):
        y = layers.BatchNormalization()(x)
        y = layers.Conv2D(8, 3, padding="same", activation="relu")(y)
        x = layers.add([x, y])
    x = layers.Concatenate()([x, layers.SeparableConv2D(5, 3, padding="same")(inputs)])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    model = keras.Model(inputs, layers.Dense(4)(x), name="skips")
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert falls(model.fit(PICTURES, LABELS, epochs=5, verbose=0))
    np.testing.assert_allclose(model(PICTURES), model.predict(PICTURES, verbose=0), rtol=1e-4, atol=1e-5)
    middle = keras.Model(model.input, model.layers[3].output)
    assert middle.predict(PICTURES, verbose=0).shape[0] == 24


def test_shared_layer_gets_the_gradients_of_both_uses() -> None:
    a, b = keras.Input((5,)), keras.Input((5,))
    shared = layers.Dense(3, use_bias=False)
    model = keras.Model([a, b], shared(a) + 2 * shared(b))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    w = np.array(shared.kernel)
    x = RNG.normal(size=(2, 6, 5)).astype("float32")
    y = RNG.normal(size=(6, 3)).astype("float32")
    model.train_on_batch([x[0], x[1]], y)
    slope = 2 * ((x[0] + 2 * x[1]) @ w - y) / y.size
    np.testing.assert_allclose(shared.kernel, w - (x[0] + 2 * x[1]).T @ slope, rtol=1e-4, atol=1e-5)


def test_several_inputs_and_outputs_by_name() -> None:
    picture, number = keras.Input((8, 8, 3), name="picture"), keras.Input((2,), name="number")
    x = layers.Flatten()(layers.Conv2D(4, 3, strides=2)(picture))
    x = layers.concatenate([x, layers.Dense(4)(number)])
    kind = layers.Dense(4, activation="softmax", name="kind")(x)
    size = layers.Dense(1, name="size")(x)
    model = keras.Model({"picture": picture, "number": number}, {"kind": kind, "size": size})
    model.compile(
        "adam",
        loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.5},
        metrics={"kind": ["accuracy"], "size": ["mae"]},
    )
    data = {"picture": PICTURES, "number": RNG.normal(size=(24, 2)).astype("float32")}
    targets = {"kind": LABELS, "size": RNG.normal(size=(24, 1)).astype("float32")}
    history = model.fit(data, targets, epochs=3, batch_size=8, verbose=0, validation_split=0.25)
    assert {"loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae", "val_loss", "val_kind_accuracy"} <= set(
        history.history
    )
    assert falls(history)
    outputs = model.predict(data, verbose=0)
    assert set(outputs) == {"kind", "size"} and outputs["kind"].shape == (24, 4) and outputs["size"].shape == (24, 1)


def test_several_outputs_as_a_list() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Flatten()(inputs)
    model = keras.Model(inputs, [layers.Dense(2)(x), layers.Dense(3)(x)])
    model.compile("sgd", ["mse", "mae"], metrics=[["mae"], ["mse"]])
    targets = [np.zeros((24, 2), "float32"), np.zeros((24, 3), "float32")]
    assert falls(model.fit(PICTURES, targets, epochs=3, verbose=0))
    first, second = model.predict(PICTURES, verbose=0)
    assert first.shape == (24, 2) and second.shape == (24, 3)
    assert len(model.evaluate(PICTURES, targets, verbose=0)) == 5


class Block(layers.Layer):
    """Sublayers in nested lists and dicts, and a weight of its own."""

    def __init__(self, filters: int, depth: int = 2, **options: object) -> None:
        super().__init__(**options)
        self.filters, self.depth = filters, depth
        self.stages = [[layers.Conv2D(filters, 3, padding="same"), layers.BatchNormalization()] for _ in range(depth)]
        self.gates = {"a": layers.Dense(filters, activation="sigmoid")}

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(self.filters,), initializer="ones", name="scale")
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False, dtype="int32", name="steps")

    def call(self, x: object, training: bool | None = None) -> object:
        for convolution, normalization in self.stages:
            x = ops.relu(normalization(convolution(x), training=training))
        if training:
            self.steps.assign_add(1)
        return x * self.gates["a"](ops.mean(x, axis=(1, 2), keepdims=True)) * self.scale

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "filters": self.filters, "depth": self.depth}


class Network(keras.Model):
    def __init__(self, classes: int = 4, **options: object) -> None:
        super().__init__(**options)
        self.classes = classes
        self.blocks = [Block(4), Block(6, depth=1)]
        self.pool = layers.GlobalMaxPooling2D()
        self.head = keras.Sequential([layers.Dense(8, activation="gelu"), layers.Dropout(0.1), layers.Dense(classes)])

    def call(self, x: object, training: bool | None = None) -> object:
        for block in self.blocks:
            x = block(x, training=training)
        return self.head(self.pool(x), training=training)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "classes": self.classes}


def network() -> Network:
    model = Network()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def test_subclassed_model_with_nested_sublayers() -> None:
    model = network()
    assert falls(model.fit(PICTURES, LABELS, epochs=4, batch_size=8, verbose=0))
    assert len(model.trainable_variables) == (2 * 4 + 2 + 1) + (4 + 2 + 1) + 4
    assert [int(block.steps.value) for block in model.blocks] == [12, 12]
    assert model.predict(PICTURES, verbose=0).shape == (24, 4)
    np.testing.assert_allclose(model(PICTURES), model.predict(PICTURES, verbose=0), rtol=1e-4, atol=1e-5)


def test_subclassed_model_saved_and_loaded(tmp_path) -> None:
    model = network()
    model.fit(PICTURES, LABELS, epochs=1, verbose=0)
    path = tmp_path / "network.keras"
    model.save(path)
    again = keras.models.load_model(path, custom_objects={"Network": Network, "Block": Block})
    np.testing.assert_array_equal(again.predict(PICTURES, verbose=0), model.predict(PICTURES, verbose=0))
    assert falls(again.fit(PICTURES, LABELS, epochs=3, verbose=0))


def test_model_in_model_and_freezing() -> None:
    backbone = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(8, 3, activation="relu"), layers.BatchNormalization()], name="backbone"
    )
    inputs = keras.Input((8, 8, 3))
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(backbone(inputs, training=False)))
    model = keras.Model(inputs, outputs)
    backbone.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    frozen = [np.array(v) for v in backbone.variables]
    head = np.array(model.layers[-1].kernel)
    model.fit(PICTURES, LABELS, epochs=2, verbose=0)
    for before, variable in zip(frozen, backbone.variables, strict=True):
        np.testing.assert_array_equal(before, variable)
    assert not np.array_equal(head, model.layers[-1].kernel)
    backbone.trainable = True
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    model.fit(PICTURES, LABELS, epochs=1, verbose=0)
    assert not np.array_equal(frozen[0], backbone.variables[0])
    backbone.layers[0].trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    now = np.array(backbone.variables[0])
    model.fit(PICTURES, LABELS, epochs=1, verbose=0)
    np.testing.assert_array_equal(now, backbone.variables[0])


def test_clone_copy_and_pickle() -> None:
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(4)]
    )
    model.compile("adam", "mse")
    targets = np.zeros((24, 4), "float32")
    model.fit(PICTURES, targets, verbose=0)
    expected = model.predict(PICTURES, verbose=0)
    clone = keras.models.clone_model(model)
    assert not np.array_equal(clone.predict(PICTURES, verbose=0), expected)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(PICTURES, verbose=0), expected)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(PICTURES, verbose=0), expected)
        other.fit(PICTURES, targets, verbose=0)
        assert not np.array_equal(other.predict(PICTURES, verbose=0), expected)
        np.testing.assert_array_equal(model.predict(PICTURES, verbose=0), expected)


def test_user_code_with_keras_ops() -> None:
    class Attention(layers.Layer):
        def build(self, shape: tuple[int | None, ...]) -> None:
            self.w = self.add_weight(shape=(shape[-1], shape[-1]))

        def call(self, x: object) -> object:
            flat = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
            scores = ops.softmax(ops.einsum("bic,cd,bjd->bij", flat, self.w, flat) / ops.sqrt(float(x.shape[-1])))
            mixed = ops.matmul(scores, flat)
            top, _ = ops.top_k(ops.transpose(mixed, (0, 2, 1)), k=3)
            kept = ops.where(top > 0, top, 0.1 * top)
            total = ops.sum(ops.stack(ops.unstack(kept, axis=-1), axis=-1), axis=-1)
            return ops.concatenate([total, ops.max(flat, axis=1)], axis=-1)

    model = keras.Sequential([layers.Conv2D(6, 3, strides=2), Attention(), layers.Dense(4)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert falls(model.fit(PICTURES, LABELS, epochs=4, verbose=0))
    np.testing.assert_allclose(model(PICTURES), model.predict(PICTURES, verbose=0), rtol=1e-4, atol=1e-5)


def test_lambda_and_operators_on_symbolic_tensors() -> None:
    inputs = keras.Input((6, 4))
    x = layers.Lambda(lambda t: ops.abs(t) + 1.0)(inputs)
    x = (x[:, 1:, ::2] * 2 - 1) / 3 + x[:, :5, 1:2] ** 2
    x = ops.mean(-x, axis=1)
    model = keras.Model(inputs, x)
    data = RNG.normal(size=(3, 6, 4)).astype("float32")
    a = np.abs(data) + 1
    np.testing.assert_allclose(
        model.predict(data, verbose=0), -((a[:, 1:, ::2] * 2 - 1) / 3 + a[:, :5, 1:2] ** 2).mean(1), rtol=1e-5
    )


def test_several_shapes_of_one_fully_convolutional_model() -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(
        inputs, layers.Conv2D(2, 3, padding="same")(layers.UpSampling2D()(layers.MaxPooling2D()(inputs)))
    )
    for height, width in ((8, 8), (6, 10), (4, 2)):
        pictures = PICTURES[:2, :height, :width] if width <= 8 else np.zeros((2, height, width, 3))
        assert model.predict(pictures, verbose=0).shape == (2, height, width, 2)
    program = simplecell.compile(model)
    assert program(np.zeros((1, 6, 4, 3), "float32")).shape == (1, 6, 4, 2)


def test_recurrent_text_classifier_with_mask() -> None:
    tokens = RNG.integers(1, 20, (24, 9))
    tokens[:, 6:] = 0
    inputs = keras.Input((9,), dtype="int32")
    x = layers.Embedding(20, 6, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    x = layers.GRU(5)(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert falls(model.fit(tokens, LABELS, epochs=4, verbose=0))
    short = model.predict(tokens, verbose=0)
    other = tokens.copy()
    np.testing.assert_array_equal(short, model.predict(other, verbose=0))
    longer = keras.Model(inputs, model.output)
    np.testing.assert_allclose(short, longer.predict(tokens.astype("int64"), verbose=0), rtol=1e-5)


def test_masking_skips_the_masked_steps() -> None:
    model = keras.Sequential([keras.Input((5, 3)), layers.Masking(0.0), layers.LSTM(4)])
    x = RNG.normal(size=(2, 5, 3)).astype("float32")
    x[:, 3:] = 0
    open_ended = keras.Sequential([keras.Input((None, 3)), layers.LSTM(4)])
    open_ended.set_weights(model.get_weights())
    np.testing.assert_allclose(
        model.predict(x, verbose=0), open_ended.predict(x[:, :3], verbose=0), rtol=1e-5, atol=1e-6
    )


def test_stateful_recurrence_carries_on() -> None:
    layer = layers.GRU(4, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(2, 3, 2)), layer])
    x = RNG.normal(size=(2, 6, 2)).astype("float32")
    model.predict(x[:, :3], verbose=0)
    second = model.predict(x[:, 3:], verbose=0)
    whole = layers.GRU(4)
    whole.build((2, 6, 2))
    whole.set_weights(layer.get_weights()[: len(whole.weights)])
    np.testing.assert_allclose(second, whole(x), rtol=1e-4, atol=1e-6)
    layer.reset_states()
    assert not np.asarray(layer.states[0]).any()


def test_variational_autoencoder() -> None:
    class Sampling(layers.Layer):
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            self.seeds = keras.random.SeedGenerator(1337)

        def call(self, inputs: tuple[object, object]) -> object:
            mean, log_variance = inputs
            noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
            self.add_loss(-0.5 * ops.mean(1 + log_variance - mean**2 - ops.exp(log_variance)))
            return mean + ops.exp(0.5 * log_variance) * noise

    inputs = keras.Input((8, 8, 3))
    x = layers.Flatten()(layers.Conv2D(4, 3, strides=2, activation="relu")(inputs))
    z = Sampling()([layers.Dense(2)(x), layers.Dense(2)(x)])
    x = layers.Reshape((4, 4, 2))(layers.Dense(32, activation="relu")(z))
    outputs = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(x)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")
    assert falls(model.fit(PICTURES, PICTURES, epochs=4, verbose=0))
    assert not np.array_equal(model.predict(PICTURES, verbose=0), model.predict(PICTURES, verbose=0))


def test_quantized_model() -> None:
    model = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(4)])
    x = RNG.normal(size=(10, 16)).astype("float32")
    before = model.predict(x, verbose=0)
    with pytest.warns(UserWarning, match="InputLayer"):  # which has nothing to quantize, says Keras
        model.quantize("int8")
    after = model.predict(x, verbose=0)
    assert np.abs(after - before).max() < 0.1 * np.abs(before).max()
