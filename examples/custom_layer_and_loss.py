"""A layer, a loss and a training step of one's own. They are traced like the built-in ones, so they are differentiated
and compiled too.

The task: take the noise off photographs, with a network that predicts what to add.

Run it with:  python examples/custom_layer_and_loss.py [--epochs N]
"""

import argparse

import simplecell  # first: Keras then runs on it

import keras  # isort: skip
import numpy as np
from keras import ops


class ScaledResidual(keras.layers.Layer):
    """Two convolutions whose answer is scaled by one learned number and added to the input; at first that number is
    0."""

    def __init__(self, filters: int, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.first = simplecell.layers.Conv2D(filters, 3, padding="reflect", activation="relu")

    def build(self, input_shape):
        self.second = simplecell.layers.Conv2D(input_shape[-1], 3, padding="reflect")
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], self.filters))
        self.scale = self.add_weight(name="scale", shape=(), initializer="zeros")

    def call(self, x):
        return x + self.scale * self.second(self.first(x))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def charbonnier(y_true, y_pred):
    """A smooth absolute error: edges cost less than with squares, so they stay sharper."""
    return ops.mean(ops.sqrt(ops.square(y_true - y_pred) + 1e-6), axis=(1, 2, 3))


class Denoiser(keras.Model):
    """Makes the noise itself, anew for every batch, and clips its gradients by their common length."""

    def __init__(self, noise: float = 0.1):
        super().__init__()
        self.noise = noise
        self.seeds = keras.random.SeedGenerator(0)
        self.blocks = [ScaledResidual(16) for _ in range(2)]
        self.error = keras.metrics.Mean(name="loss")

    def build(self, input_shape):
        for block in self.blocks:
            block.build(input_shape)
        self.built = True

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x

    @property
    def metrics(self):
        return [self.error]

    def train_step(self, data):
        clean = data[0] if isinstance(data, (tuple, list)) else data
        noisy = clean + self.noise * keras.random.normal(ops.shape(clean), seed=self.seeds)
        loss = ops.mean(charbonnier(clean, self(noisy, training=True)))
        gradients = simplecell.gradients(loss, self.trainable_weights)
        length = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
        factor = 1 / ops.maximum(length, 1.0)
        self.optimizer.apply([g * factor for g in gradients], self.trainable_weights)
        self.error.update_state(loss)
        return {"loss": self.error.result()}


def patches(picture: np.ndarray, size: int = 32) -> np.ndarray:
    n = picture.shape[0] // size
    return picture.reshape(n, size, n, size, 1).swapaxes(1, 2).reshape(-1, size, size, 1)


def main(epochs: int) -> float:
    keras.utils.set_random_seed(0)
    train, test = (simplecell.data.photograph(name, grey=True) for name in ("cat", "coffee"))
    model = Denoiser()
    model.build((None, None, None, 1))
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    model.fit(patches(train), batch_size=16, epochs=epochs, verbose=0)

    noisy = test + 0.1 * np.random.default_rng(0).standard_normal(test.shape).astype("float32")
    cleaned = np.asarray(model(noisy[None, :, :, None]))[0, :, :, 0]
    before, after = (10 * np.log10(1 / np.mean((image - test) ** 2)) for image in (noisy, cleaned))
    print(f"another photograph: {before:.1f} dB with the noise, {after:.1f} dB after the network")

    # the same loss, used in Keras's own way
    plain = keras.Sequential([keras.Input((32, 32, 1)), ScaledResidual(8)])
    plain.compile(optimizer="sgd", loss=charbonnier)
    clean = patches(train)
    print("compile(loss=charbonnier) starts at", round(float(plain.evaluate(clean + 0.1, clean, verbose=0)), 3))
    return float(after - before)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    main(parser.parse_args().epochs)
