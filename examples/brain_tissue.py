"""A small three-dimensional network tells, voxel by voxel, grey from white matter.

It learns from the back of a brain and is tested on the front (left and right would not do: this brain is symmetric, so
one half is the other's mirror image). Data: the ICBM 152 template in simplecell.data.

Run it with:  python examples/brain_tissue.py [--epochs N]
"""

import argparse

import simplecell  # first: Keras then runs on it

import keras  # isort: skip
import numpy as np

SIZE = 12
"""Edge of the cubes that it learns from, in voxels."""


def cubes(volume: np.ndarray, labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cubes from random places: `(count, 12, 12, 12, 1)` and their labels."""
    rng = np.random.default_rng(seed)
    corners = [tuple(int(rng.integers(n - SIZE + 1)) for n in volume.shape) for _ in range(count)]
    windows = [tuple(slice(c, c + SIZE) for c in corner) for corner in corners]
    return np.stack([volume[w] for w in windows])[..., None], np.stack([labels[w] for w in windows])


def main(epochs: int) -> float:
    keras.utils.set_random_seed(0)
    volume, tissue = simplecell.data.brain(), simplecell.data.brain_tissue()
    middle = volume.shape[1] // 2
    front, back = slice(None, middle), slice(middle, None)
    x, y = cubes(volume[:, back], tissue[:, back], 160, seed=0)

    # `same` padding, so that it works on cubes and on a whole brain alike
    inputs = keras.Input((None, None, None, 1))
    h = keras.layers.Conv3D(8, 3, padding="same", activation="relu")(inputs)
    h = keras.layers.Conv3D(8, 3, padding="same", activation="relu")(h)
    model = keras.Model(inputs, keras.layers.Conv3D(3, 1, activation="softmax")(h))
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=8, epochs=epochs, verbose=2)

    guess = np.asarray(model.predict(volume[None, :, front, :, None], verbose=0))[0].argmax(-1)
    truth = tissue[:, front]
    inside = truth > 0
    accuracy = float((guess == truth)[inside].mean())
    print(f"in the front half, of {inside.sum():,} voxels of grey or white matter {accuracy:.1%} are named rightly")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    main(parser.parse_args().epochs)
