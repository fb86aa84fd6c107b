"""6,000 images of Fashion-MNIST."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._files import open_sample

FASHION_CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
"""The names of the ten classes, in the order of the labels."""

_TRAIN = 5000
_PER_ROW = 100
_SIZE = 28

Split = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def fashion() -> tuple[Split, Split]:
    """A balanced part of Fashion-MNIST: 500 training and 100 test images of each of ten kinds of clothes.

    The same structure as `keras.datasets.fashion_mnist.load_data()`, which downloads all 70,000.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `(5000, 28, 28)` and `(1000, 28, 28)` uint8, 0 is background and
        255 the brightest cloth, in steps of 17; labels `(5000,)` and `(1000,)` uint8 from 0 to 9, named by
        `FASHION_CLASSES`.

    Source: Zalando SE's Fashion-MNIST, MIT licence. The test images are of the original's test set.

    >>> from simplecell.data import fashion
    >>> (x_train, y_train), (x_test, y_test) = fashion()
    >>> x_train.shape, y_test.shape
    ((5000, 28, 28), (1000,))
    """
    from PIL import Image

    with open_sample("fashion.png") as file, Image.open(file) as picture:
        mosaic = np.asarray(picture)
    rows = mosaic.shape[0] // _SIZE
    images = mosaic.reshape(rows, _SIZE, _PER_ROW, _SIZE).transpose(0, 2, 1, 3).reshape(rows * _PER_ROW, _SIZE, _SIZE)
    with open_sample("fashion_labels.npy") as file:
        labels: NDArray[np.uint8] = np.load(file, allow_pickle=False)
    return (images[:_TRAIN], labels[:_TRAIN]), (images[_TRAIN:], labels[_TRAIN:])


def fashion_network() -> Any:
    """A trained network of 34,826 weights: 91% of Fashion-MNIST's 10,000 test images are named right.

    Layers: `first` (32 filters of 3 × 3, ReLU), `pool_1`, `second` (64 of 3 × 3, ReLU), `pool_2`, `flatten`, `classes`
    (softmax). It is the tour's network, trained for 12 epochs on all 60,000 training images.

    Returns:
        A Keras model, a new one each time. It takes images `(n, 28, 28, 1)` between 0 and 1, and gives ten
        probabilities for each, of `FASHION_CLASSES`.

    >>> from simplecell.data import fashion, fashion_network
    >>> _, (x, y) = fashion()
    >>> model = fashion_network()
    >>> model.predict(x[..., None] / 255.0, verbose=0).argmax(1)[:5], y[:5]  # doctest: +SKIP
    """
    import keras

    with as_file(files("simplecell.data") / "files" / "fashion.keras") as path:
        return keras.saving.load_model(path)
