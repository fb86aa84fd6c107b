"""Records the oracle for `test_training_oracle.py`: run from the repository's root as

    KERAS_BACKEND=jax PYTHON tests/keras_backend/record_training.py

in an environment that has Keras and JAX, without simplecell.
"""

import json
from pathlib import Path

import keras
from training_case import OPTIMIZERS, losses  # beside this file

if __name__ == "__main__":
    assert keras.backend.backend() == "jax"
    path = Path(__file__).parent / "recorded" / "training_losses.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({name: [round(float(x), 8) for x in losses(name)] for name in OPTIMIZERS}, indent=0) + "\n")
