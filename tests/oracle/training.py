"""A hundred training steps from given weights on given batches, on whatever backend this process has."""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS, BATCH, CLASSES = 100, 16, 5

# name: optimizer, its arguments, the network
RUNS: dict[str, tuple[str, dict[str, Any], str]] = {
    "sgd": ("SGD", dict(learning_rate=0.01), "kinked"),
    "momentum": ("SGD", dict(learning_rate=0.01, momentum=0.9), "kinked"),
    "rmsprop": ("RMSprop", dict(learning_rate=0.001), "kinked"),
    "adam": ("Adam", dict(learning_rate=0.001), "kinked"),
    "fast sgd": ("SGD", dict(learning_rate=0.05), "smooth"),
    "fast nesterov": ("SGD", dict(learning_rate=0.02, momentum=0.9, nesterov=True, clipnorm=1.0), "smooth"),
    "adamw": ("AdamW", dict(learning_rate=0.001, weight_decay=0.01), "smooth"),
    "nadam": ("Nadam", dict(learning_rate=0.001), "smooth"),
    "amsgrad": ("Adam", dict(learning_rate=0.001, amsgrad=True, global_clipnorm=1.0), "smooth"),
    "centered rmsprop": ("RMSprop", dict(learning_rate=0.001, momentum=0.5, centered=True), "smooth"),
    "adamax": ("Adamax", dict(learning_rate=0.002), "smooth"),
    "adagrad": ("Adagrad", dict(learning_rate=0.02), "smooth"),
    "adadelta": ("Adadelta", dict(learning_rate=1.0), "smooth"),
    "adafactor": ("Adafactor", dict(learning_rate=0.01), "smooth"),
    "lion": ("Lion", dict(learning_rate=0.0002), "smooth"),
    "ftrl": ("Ftrl", dict(learning_rate=0.1), "smooth"),
    "lamb": ("Lamb", dict(learning_rate=0.002), "smooth"),
    "averaged adam": ("Adam", dict(learning_rate=0.001, use_ema=True, ema_overwrite_frequency=25), "smooth"),
    "accumulating adam": ("Adam", dict(learning_rate=0.001, gradient_accumulation_steps=3), "smooth"),
}


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of `CLASSES` kinds: a pattern each, in noise of its own strength."""
    rng = np.random.default_rng(20)
    patterns = rng.normal(size=(CLASSES, 11, 11, 3))
    found = []
    for _ in range(STEPS):
        labels = rng.integers(0, CLASSES, BATCH)
        pictures = 0.5 * patterns[labels] + rng.normal(size=(BATCH, 11, 11, 3))
        found.append((pictures.astype("float32"), labels.astype("int32")))
    return found


def model(kind: str) -> Any:
    """Odd sizes, batch-norm, a skip, and as many channels as Winograd asks for; with ReLU and max-pooling, or with
    neither."""
    import keras
    from keras import layers

    x = inputs = keras.Input((11, 11, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    nonlinearity, pooling = ("relu", layers.MaxPooling2D) if kind == "kinked" else ("silu", layers.AveragePooling2D)
    x = skip = layers.Activation(nonlinearity)(x)
    x = layers.Conv2D(16, 3, padding="same", activation=nonlinearity)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.Add()([x, skip])
    x = pooling(2)(x)
    x = layers.Conv2D(24, 3, strides=2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("tanh")(x)
    x = layers.Flatten()(x)
    outputs = layers.Dense(CLASSES)(x)
    network = keras.Model(inputs, outputs)
    rng = np.random.default_rng(21)
    for variable in network.variables:
        if len(variable.shape) > 1:
            shape = tuple(variable.shape)
            variable.assign((rng.normal(size=shape) * np.sqrt(1.5 / np.prod(shape[:-1]))).astype("float32"))
    return network


def losses(name: str) -> np.ndarray:
    """The loss of each step."""
    import keras

    optimizer, arguments, kind = RUNS[name]
    network = model(kind)
    network.compile(
        optimizer=getattr(keras.optimizers, optimizer)(**arguments),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return np.array([network.train_on_batch(x, y) for x, y in batches()], "float64")
