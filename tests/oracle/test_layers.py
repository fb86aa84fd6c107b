"""Layers in random configurations give the values and gradients of Keras on JAX.

The first configurations of each family are recorded (record_layers.py). With JAX at hand (the extra `oracle`, in this
interpreter or in the one that SIMPLECELL_ORACLE_PYTHON names) more of them are drawn and compared live;
SIMPLECELL_ORACLE_SEED draws others.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simplecell  # noqa: F401
from tests.oracle.configurations import FAMILIES, Configuration, configurations
from tests.oracle.evaluation import on_simplecell

ROOT = Path(__file__).parents[2]
RECORDED = np.load(Path(__file__).parent / "recorded" / "layers.npz")
COUNT = 6
LIVE_COUNT = int(os.environ.get("SIMPLECELL_ORACLE_COUNT", "25"))
SEED = int(os.environ.get("SIMPLECELL_ORACLE_SEED", "1"))


def compare(configuration: Configuration, expected: dict[str, np.ndarray]) -> None:
    """The expected values are computed in float64, so what differs is float32's rounding: of some thousand terms at
    most, 2⁻²⁴ of the largest each time, and Winograd's transforms. The largest error seen in 300 configurations is
    1e-6."""
    for name, value in on_simplecell(configuration).items():
        wanted = expected[name.replace("eager", "output")]
        assert value.shape == wanted.shape, f"{configuration}: {name}"
        if wanted.dtype.kind == "f":
            scale = max(1.0, float(np.abs(wanted).max(initial=0)))
            np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-5 * scale, err_msg=f"{configuration}: {name}")


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("family", FAMILIES)
def test_as_recorded(family: str) -> None:
    compared = 0
    for i, configuration in enumerate(configurations(family, COUNT)):
        prefix = f"{family}/{i}/"
        expected = {key[len(prefix) :]: RECORDED[key] for key in RECORDED.files if key.startswith(prefix)}
        if expected:
            compare(configuration, expected)
            compared += 1
    assert compared >= COUNT - 2, "some configurations Keras on JAX refuses, but not these many"


def interpreter() -> str | None:
    named = os.environ.get("SIMPLECELL_ORACLE_PYTHON")
    return named or (sys.executable if importlib.util.find_spec("jax") else None)


@pytest.mark.skipif(
    interpreter() is None,
    reason="JAX is not installed (extra `oracle`), and SIMPLECELL_ORACLE_PYTHON names no interpreter that has it",
)
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("family", FAMILIES)
def test_live(family: str, tmp_path: Path) -> None:
    drawn = configurations(family, LIVE_COUNT, SEED)
    request, answer = tmp_path / "request", tmp_path / "answer"
    request.write_bytes(pickle.dumps(drawn))
    outer = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(
        [interpreter(), "-m", "tests.oracle.worker", request, answer],
        cwd=ROOT,
        env=outer,
        check=True,
        capture_output=True,
    )
    answers = pickle.loads(answer.read_bytes())
    refused = sum(isinstance(a, str) for a in answers)
    assert refused <= LIVE_COUNT // 3
    for configuration, expected in zip(drawn, answers, strict=True):
        if not isinstance(expected, str):
            compare(configuration, expected)
