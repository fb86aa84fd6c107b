"""Records the losses of Keras on JAX, in float32, for `test_training.py`: KERAS_BACKEND=jax python -m
tests.oracle.record_training"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.oracle.training import RUNS, losses

if __name__ == "__main__":
    import jax
    import keras

    assert keras.backend.backend() == "jax"
    target = Path(__file__).parent / "recorded" / "training.npz"
    target.parent.mkdir(exist_ok=True)
    np.savez_compressed(target, **{name: losses(name) for name in RUNS})
    print(f"{target}: keras {keras.__version__}, jax {jax.__version__}, {target.stat().st_size} bytes")
