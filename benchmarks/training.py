"""`python -m benchmarks.training`: one training step of keras.io's mnist_convnet, batch 128, against PyTorch
channels_last.

Both sides run forward, loss, backward and Adam on the same arrays; simplecell through the program that `fit` uses,
PyTorch in eager mode (and compiled, where its compiler finds a C++ toolchain: `--compile`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.measure import alternate


def mnist_convnet() -> object:
    """keras.io/examples/vision/mnist_convnet."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def simplecell_step(x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    model = mnist_convnet()
    return lambda: model.train_on_batch(x, y)  # type: ignore[attr-defined]


def torch_step(x: np.ndarray, y: np.ndarray, threads: int, compiled: bool) -> Callable[[], object]:
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10)
    ).to(memory_format=torch.channels_last)  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss = nn.CrossEntropyLoss()
    images = torch.from_numpy(np.moveaxis(x, -1, 1).copy()).to(memory_format=torch.channels_last)
    labels = torch.from_numpy(y.argmax(1))
    forward = torch.compile(model) if compiled else model

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(forward(images), labels).backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    import os

    os.environ["SIMPLECELL_THREADS"] = str(options.threads)
    import simplecell  # noqa: F401

    rng = np.random.default_rng(0)
    x = rng.random((options.batch, 28, 28, 1), np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, options.batch)]
    runs = {"simplecell": simplecell_step(x, y)}
    try:
        runs["torch"] = torch_step(x, y, options.threads, options.compile)
    except ImportError:
        print("PyTorch is not installed: its column is empty")
    seconds = alternate(runs, options.seconds)
    own = seconds["simplecell"]
    for name, t in seconds.items():
        print(
            f"mnist_convnet step, batch {options.batch}, {options.threads} thread(s): {name:12}{t * 1e3:8.2f} ms  "
            f"{t / own:5.2f}×"
        )


if __name__ == "__main__":
    main()
