"""Training follows Keras on JAX, step by step (recorded by `record_training.py`)."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.keras_backend.training_case import OPTIMIZERS, losses

RECORDED = json.loads((Path(__file__).parent / "recorded" / "training_losses.json").read_text())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_losses_follow_jax(optimizer):
    # float32 sums in another order differ by 1e-7 of the loss; a hundred steps of a smooth loss amplify that little. RMSprop divides
    # by gradients that are near zero in its first steps, and amplifies it to 1e-5.
    np.testing.assert_allclose(losses(optimizer), RECORDED[optimizer], rtol=0, atol=1e-4)
