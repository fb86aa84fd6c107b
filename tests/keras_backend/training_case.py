"""A training run that is the same on every backend: weights, batches and order come from NumPy. Needs whatever Keras is imported."""

import keras
import numpy as np

STEPS = 100
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "momentum": lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3),
    "adam": lambda: keras.optimizers.Adam(1e-3),
}


def convnet():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Conv2D(12, 1, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )
    rng = np.random.default_rng(0)
    for w in model.weights:
        if "kernel" in w.path:
            w.assign((rng.normal(size=w.shape) / np.sqrt(np.prod(w.shape[:-1]))).astype("float32"))
    return model


def losses(optimizer):
    """The loss of each of 100 steps."""
    rng = np.random.default_rng(1)
    model = convnet()
    model.compile(OPTIMIZERS[optimizer](), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return np.array([model.train_on_batch(rng.normal(size=(16, 12, 12, 2)).astype("float32"), rng.integers(0, 5, 16)) for _ in range(STEPS)])
