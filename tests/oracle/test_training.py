"""Training from equal weights on equal batches follows Keras on JAX, which is recorded (record_training.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import simplecell  # noqa: F401
from tests.oracle.training import RUNS, losses

RECORDED = Path(__file__).parent / "recorded" / "training.npz"


@pytest.mark.parametrize("run", RUNS)
def test_losses_follow_keras_on_jax(run: str) -> None:
    # Both sides round float32 sums in their own order: 1e-7 of the activations, which a hundred steps amplify.
    np.testing.assert_allclose(losses(run), np.load(RECORDED)[run], rtol=0, atol=1e-4)
