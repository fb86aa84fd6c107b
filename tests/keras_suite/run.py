"""Runs the tests that Keras ships in its wheel, on simplecell.

    python tests/keras_suite/run.py                            the groups below
    python tests/keras_suite/run.py layers/pooling -k max -q   paths below keras/src, then pytest's options

Training checks, which Keras leaves out on its own NumPy backend, are on. What is skipped or fails is in
`expected.toml`, with the reason.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

GROUPS = [
    "layers/convolutional",
    "layers/pooling",
    "layers/normalization",
    "layers/activations",
    "layers/core",
    "layers/reshaping",
    "layers/merging",
    "layers/regularization",
    "trainers/trainer_test.py",
    "models",
]


def main(arguments: list[str]) -> int:
    here = Path(__file__).parent
    spec = importlib.util.find_spec("keras")
    if spec is None or spec.origin is None:
        raise SystemExit("Keras is not installed.")
    source = Path(spec.origin).parent / "src"
    groups = [a for a in arguments if (source / a.split("::")[0]).exists() and not a.startswith("-")]
    options = [a for a in arguments if a not in groups]
    sys.path.insert(0, str(here))
    return pytest.main(
        [
            "-c",
            str(here / "pytest.ini"),
            "--rootdir",
            str(source),
            "-p",
            "plugin",
            *options,
            *(str(source / g) for g in groups or GROUPS),
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
