"""The same bits for one thread and two, run after run and process after process, on each instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simplecell.engine.host import target

ROOT = Path(__file__).parents[3]
TRAIN = """
import hashlib
import simplecell, keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(3)
x = inputs = keras.Input((19, 17, 3))
x = layers.Conv2D(17, 3, padding="same", activation="relu")(x)
x = layers.BatchNormalization()(x)
x = layers.Conv2D(32, 3, padding="same")(x)
x = layers.MaxPooling2D()(x)
x = layers.DepthwiseConv2D(3, strides=2, activation="silu")(x)
x = layers.Conv2D(16, 1)(x)
x = layers.Conv2DTranspose(8, 3, strides=2)(x)
x = layers.Dropout(0.2)(layers.Flatten()(x))
model = keras.Model(inputs, layers.Dense(5, activation="softmax")(x))
model.compile("adam", "sparse_categorical_crossentropy")
rng = np.random.default_rng(0)
pictures, labels = rng.normal(size=(13, 19, 17, 3)).astype("float32"), rng.integers(0, 5, 13)
model.fit(pictures, labels, epochs=2, batch_size=5, verbose=0)
digest = hashlib.sha256()
for array in (*model.get_weights(), model.predict(pictures, verbose=0), simplecell.compile(model)(pictures)):
    digest.update(np.ascontiguousarray(array).tobytes())
print(digest.hexdigest())
"""


def digest(level: str, threads: int) -> str:
    environment = {**os.environ, "SIMPLECELL_TARGET": level, "SIMPLECELL_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("level", ["avx512", "avx2", "x86-64", "neon"])
def test_training_has_the_same_bits(level: str) -> None:
    try:
        target(level)
    except ValueError as missing:
        pytest.skip(str(missing))
    assert digest(level, 1) == digest(level, 2) == digest(level, 2)
