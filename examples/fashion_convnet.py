"""A convolutional network learns Fashion-MNIST (5,000 images) and is saved and loaded.

Run it with:  python examples/fashion_convnet.py [--epochs N]
"""

import argparse
import tempfile
from pathlib import Path

import simplecell  # first: Keras then runs on it

import keras  # isort: skip
import numpy as np


def build() -> keras.Model:
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(32, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.MaxPooling2D()(x)
    # a residual block: what the two convolutions add to their input
    y = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    y = keras.layers.Conv2D(32, 3, padding="same")(y)
    x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.Conv2D(64, 3, activation="relu")(x)
    x = keras.layers.AveragePooling2D(2)(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def main(epochs: int) -> float:
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = simplecell.data.fashion()
    x_train, x_test = (x[..., None].astype("float32") / 255 for x in (x_train, x_test))

    model = build()
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        x_train,
        y_train,
        batch_size=32,
        epochs=epochs,
        validation_split=0.1,
        callbacks=[keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.5)],
        verbose=2,
    )
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on 1,000 unseen images: {accuracy:.1%}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fashion.keras"
        model.save(path)
        again = keras.models.load_model(path)
    assert np.array_equal(again.predict(x_test[:10], verbose=0), model.predict(x_test[:10], verbose=0))
    print("saved, loaded, and the same to the last bit")
    print(simplecell.compile(model).describe())
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    main(parser.parse_args().epochs)
