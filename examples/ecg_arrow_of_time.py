"""Which way does time run in an electrocardiogram?

A one-dimensional network sees a second and a half of a heart's activity, as it was recorded or backwards, and says
which. The labels are exact, the signal is real, with disturbances and ventricular beats, and the network is tested on
the last minute after it has learnt from the first four.
Data: record 208 of the MIT-BIH Arrhythmia Database, in simplecell.data.

Run it with:  python examples/ecg_arrow_of_time.py [--epochs N]
"""

import argparse

import simplecell  # first: Keras then runs on it

import keras  # isort: skip
import numpy as np

RATE = simplecell.data.ECG_RATE
LENGTH = 3 * RATE // 2


def windows(signal: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Pieces `(n, 540, 1)` without their mean, half of them backwards, and 1 for those that run forwards."""
    starts = range(0, len(signal) - LENGTH, step)
    pieces = np.stack([signal[s : s + LENGTH] for s in starts])
    pieces = pieces - pieces.mean(1, keepdims=True)
    x = np.concatenate([pieces, pieces[:, ::-1]])[..., None].astype("float32")
    return x, np.repeat([1.0, 0.0], len(pieces)).astype("float32")


def main(epochs: int) -> float:
    keras.utils.set_random_seed(0)
    x_train, y_train = windows(simplecell.data.ecg(seconds=240), step=60)
    x_test, y_test = windows(simplecell.data.ecg(start=240), step=RATE)
    print(f"{len(x_train)} pieces to learn from, {len(x_test)} of the last minute to be tested on")

    model = keras.Sequential(
        [
            keras.Input((LENGTH, 1)),
            keras.layers.Conv1D(16, 9, strides=2, activation="relu"),
            keras.layers.MaxPooling1D(2),
            keras.layers.Conv1D(32, 7, activation="relu"),
            keras.layers.MaxPooling1D(2),
            keras.layers.SeparableConv1D(32, 5, dilation_rate=2, activation="relu"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(3e-3),
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
    )
    model.fit(x_train, y_train, batch_size=32, epochs=epochs, verbose=2)
    _, accuracy, auc = model.evaluate(x_test, y_test, verbose=0)
    print(f"on the last minute: accuracy {accuracy:.1%}, area under the curve {auc:.3f} (0.5 is guessing)")
    return float(accuracy)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    main(parser.parse_args().epochs)
