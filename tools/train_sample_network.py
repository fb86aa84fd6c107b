"""Trains the tour's network on all of Fashion-MNIST, and writes it to `src/simplecell/data/files/fashion.keras`.

usage: python tools/train_sample_network.py FOLDER

FOLDER holds the unpacked Debian package `dataset-fashion-mnist` (usr/share/datasets/fashion-mnist/*-ubyte.gz). Takes
about a minute on two cores. The weights depend on the CPU in their last bits, and so on nothing that matters.
"""

from __future__ import annotations

import sys
from pathlib import Path

import simplecell  # noqa: F401  isort: skip
import keras
import numpy as np
from make_samples import FILES, _idx

from simplecell.tour.learning import network

EPOCHS = 12


def main(root: Path) -> None:
    keras.utils.set_random_seed(0)
    folder = root / "usr/share/datasets/fashion-mnist"
    x, y, x_test, y_test = (
        _idx(folder / f"{part}-{what}-ubyte.gz")
        for part in ("train", "t10k")
        for what in ("images-idx3", "labels-idx1")
    )
    model = network()
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * len(x) // 128)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x[..., None] / np.float32(255), y, 128, EPOCHS, verbose=2)
    loss, accuracy = model.evaluate(x_test[..., None] / np.float32(255), y_test, verbose=0)
    print(f"test accuracy {accuracy:.4f}, loss {loss:.4f}")
    bare = network()  # without what it was trained with
    bare.set_weights(model.get_weights())
    bare.save(FILES / "fashion.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
