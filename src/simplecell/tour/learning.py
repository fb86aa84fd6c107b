"""Chapter 4: random filters learn to tell clothes apart."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from simplecell.data import FASHION_CLASSES, fashion
from simplecell.plotting import Curve, enlarge, feature_maps, filter_pictures, grey, mosaic

from .story import Chapter, Check, Code, Picture, Pictures, Signals, Story, Table, Text

BATCH = 32


@dataclass(frozen=True)
class Learned:
    """What chapter 5 measures with."""

    model: Any
    images: np.ndarray
    seconds_per_epoch: float
    images_per_epoch: int


def network() -> Any:
    """32 filters, then 64 filters that look at the 32 maps, then ten classes."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, 3, activation="relu", name="first"),
            keras.layers.MaxPooling2D(name="pool_1"),
            keras.layers.Conv2D(64, 3, activation="relu", name="second"),
            keras.layers.MaxPooling2D(name="pool_2"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(10, activation="softmax", name="classes"),
        ],
        name="clothes",
    )


class Watcher(keras.callbacks.Callback):
    """A progress bar over all epochs, and the history that the page plots."""

    def __init__(self, console: Console, epochs: int, batches: int) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.epoch_seconds: list[float] = []
        self._epochs, self._batches = epochs, batches
        self._progress = Progress(
            TextColumn("  [dim]{task.description}"),
            BarColumn(bar_width=32, complete_style="#d0472f"),
            MofNCompleteColumn(),
            TextColumn("batches"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._console = console
        self._total = 0.0
        self._task = self._progress.add_task("compiling the training step", total=epochs * batches)

    def on_train_begin(self, logs: Any = None) -> None:
        self._progress.start()

    def on_train_end(self, logs: Any = None) -> None:
        self._progress.stop()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # Keras reports the mean since the epoch began; the batch's own loss is what it added to the sum
        loss = float((logs or {})["loss"])
        total = loss * (batch + 1)
        self.losses.append(total - (self._total if batch else 0.0))
        self._total = total
        self._progress.update(
            self._task, advance=1, description=f"epoch {self._epoch + 1}/{self._epochs}, loss {loss:.3f}"
        )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self._start
        self.epoch_seconds.append(seconds)
        logs = logs or {}
        self._console.print(
            f"  epoch {epoch + 1:>2}/{self._epochs}   loss {logs['loss']:.3f}   training accuracy "
            f"{logs['accuracy']:.1%}   "
            f"unseen images {logs['val_accuracy']:.1%}   {seconds:.1f} s"
        )


def tell(story: Story, console: Console, epochs: int) -> Learned:
    (x_train, y_train), (x_test, y_test) = fashion()
    train, test = (x[..., None].astype(np.float32) / np.float32(255) for x in (x_train, x_test))
    model = network()
    before = np.asarray(model.get_layer("first").kernel).copy()
    clothes = [grey(x_train[np.flatnonzero(y_train == c)[k]], 0, 255) for k in range(2) for c in range(10)]
    story.show(
        Chapter(4, "A network learns its own filters"),
        Text(
            "No more filters made by hand. This network starts with **random** ones: 32 in its first layer, and 64 in "
            "its second, each of which looks at all 32 maps of the first. "
            f"It sees {len(train):,} pictures of clothes with their names, and after every {BATCH} of them "
            "**stochastic gradient descent** moves each weight a little in the direction that makes the error smaller."
        ),
        Pictures(
            [
                Picture(
                    "clothes",
                    mosaic(clothes, 10, gap=2),
                    ", ".join(FASHION_CLASSES),
                    2,
                    small=mosaic(clothes[10:13], 3),
                )
            ]
        ),
        Code(
            "model = keras.Sequential([\n"
            "    keras.Input((28, 28, 1)),\n"
            "    keras.layers.Conv2D(32, 3, activation='relu'),\n"
            "    keras.layers.MaxPooling2D(),\n"
            "    keras.layers.Conv2D(64, 3, activation='relu'),\n"
            "    keras.layers.MaxPooling2D(),\n"
            "    keras.layers.Flatten(),\n"
            "    keras.layers.Dense(10, activation='softmax'),\n"
            "])\n"
            "model.compile(optimizer=keras.optimizers.SGD(0.03, momentum=0.9),\n"
            "              loss='sparse_categorical_crossentropy', metrics=['accuracy'])\n"
            f"model.fit(images, names, batch_size={BATCH}, epochs={epochs})"
        ),
    )
    model.compile(keras.optimizers.SGD(0.03, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    _, untrained = model.evaluate(test, y_test, verbose=0)
    watcher = Watcher(console, epochs, -(-len(train) // BATCH))
    history = model.fit(
        train, y_train, BATCH, epochs, verbose=0, validation_data=(test, y_test), callbacks=[watcher]
    ).history
    console.print()
    predicted = np.asarray(model.predict(test, verbose=0))
    accuracy = float((predicted.argmax(1) == y_test).mean())
    _learned(story, watcher, history, untrained, accuracy, epochs)
    _by_class(story, predicted, y_test)
    _filters(story, before, np.asarray(model.get_layer("first").kernel))
    _maps(story, model, test, y_test, predicted)
    seconds = float(np.median(watcher.epoch_seconds[1:] or watcher.epoch_seconds))
    return Learned(model, test, seconds, len(train))


def _learned(
    story: Story, watcher: Watcher, history: dict[str, list[float]], untrained: float, accuracy: float, epochs: int
) -> None:
    per_epoch = len(watcher.losses) // epochs
    at = np.arange(1, epochs + 1)
    kernel = np.ones(per_epoch // 10 or 1) / (per_epoch // 10 or 1)
    smooth = np.convolve(watcher.losses, kernel, "valid")
    story.show(
        Signals(
            [Curve("loss", smooth, "#2b77b6", np.arange(len(smooth)) / per_epoch)],
            "the error, falling with every batch of images",
            "epochs",
            "loss",
        ),
        Signals(
            [
                Curve("training images", history["accuracy"], "#9aa2ad", at),
                Curve("unseen images", history["val_accuracy"], "#d0472f", at),
            ],
            f"how many are named rightly: before training {untrained:.1%} of the unseen images, now {accuracy:.1%}",
            "epochs",
            "accuracy",
        ),
        Text(f"Of 1,000 images that it has **never seen**, it names **{accuracy:.1%}** rightly; guessing gives 10%."),
        Check(
            "The network does better on unseen images than before training, and far better than guessing.",
            accuracy > max(untrained, 0.1) + 0.2,
        ),
    )


def _by_class(story: Story, predicted: np.ndarray, names: np.ndarray) -> None:
    answer = predicted.argmax(1)
    rows = []
    for c, name in enumerate(FASHION_CLASSES):
        mine = answer[names == c]
        others = np.bincount(mine[mine != c], minlength=10)
        mistaken = f"{FASHION_CLASSES[int(others.argmax())]} ({others.max()})" if others.max() else "–"
        rows.append([name, f"{(mine == c).mean():.0%}", mistaken])
    story.show(Table(["unseen images of", "named rightly", "most often taken for"], rows))


def _filters(story: Story, before: np.ndarray, after: np.ndarray) -> None:
    limit = float(max(np.abs(before).max(), np.abs(after).max()))
    pictures = [
        Picture(f"filters-{name}", filter_pictures(kernel, columns=8, limit=limit), caption, 10)
        for name, kernel, caption in (
            ("before", before, "the 32 filters of the first layer before training: random"),
            ("after", after, "after training: edges and lines of many directions"),
            ("change", after - before, "what training changed"),
        )
    ]
    story.show(
        Text(
            "Nobody told it about lines. Many of its first filters have become edge and line detectors all the same, "
            "as the **simple cells** have in the visual cortex of a cat or a monkey: where this software has its name "
            "from."
        ),
        Pictures(pictures, signed=True),
    )


def _maps(story: Story, model: Any, test: np.ndarray, names: np.ndarray, predicted: np.ndarray) -> None:
    index = (
        int(np.flatnonzero((names == 9) & (predicted.argmax(1) == 9))[0])
        if ((names == 9) & (predicted.argmax(1) == 9)).any()
        else 0
    )
    image = test[index : index + 1]
    stages = ["first", "pool_1", "second", "pool_2"]
    looking_in = keras.Model(model.inputs, [model.get_layer(name).output for name in stages])
    maps = [np.asarray(m)[0] for m in looking_in.predict(image, verbose=0)]
    captions = (
        "32 filters of 3 × 3, ReLU",
        "the largest of each 2 × 2",
        "64 filters of 3 × 3 × 32, ReLU",
        "the largest of each 2 × 2",
    )
    best = predicted[index].argsort()[::-1][:3]
    story.show(
        Text(
            f"One unseen image, {_article(FASHION_CLASSES[int(names[index])])}, on its way through the layers. Each "
            "tile is what one filter sees of it. Early maps still look like the picture; "
            "late ones say that something is somewhere."
        ),
        Pictures(
            [
                Picture("image", grey(image[0, :, :, 0], 0, 1), "the image, 28 × 28", 5),
                *(
                    Picture(
                        f"maps-{name}",
                        feature_maps(m, columns=16 if m.shape[2] == 64 else 8),
                        f"`{name}`: {' × '.join(map(str, m.shape))}. {words}",
                        scale,
                        small=enlarge(
                            feature_maps(m[..., m.mean((0, 1)).argmax(keepdims=True)]), max(1, 26 // m.shape[0])
                        ),
                        small_note=" (the strongest)",
                    )
                    for name, m, words, scale in zip(stages, maps, captions, (3, 4, 4, 6))
                ),
            ]
        ),
        Table(
            ["the network says", "with probability"],
            [[FASHION_CLASSES[int(c)], f"{predicted[index, c]:.1%}"] for c in best],
        ),
    )


def _article(name: str) -> str:
    return ("an " if name[0] in "aeiou" else "a ") + name
