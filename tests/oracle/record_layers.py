"""Records what Keras on JAX gives for the first configurations of each family, for `test_layers.py`: python -m
tests.oracle.record_layers

Needs the extra `oracle` (jax) in this interpreter.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tests.oracle import worker  # sets the environment for JAX
from tests.oracle.configurations import FAMILIES, configurations

RECORDED = Path(__file__).parent / "recorded" / "layers.npz"
COUNT = 6


def main() -> None:
    arrays: dict[str, np.ndarray] = {}
    for family in FAMILIES:
        cases = configurations(family, COUNT)
        for i, answer in enumerate(worker.evaluate(cases)):
            if isinstance(answer, str):
                print(f"{cases[i]}: {answer[:200]}")
                continue
            for name, array in answer.items():
                arrays[f"{family}/{i}/{name}"] = array.astype("float32") if array.dtype.kind == "f" else array
        print(family, flush=True)
    np.savez_compressed(RECORDED, **arrays)
    print(f"{RECORDED.name}: {os.path.getsize(RECORDED)} bytes")


if __name__ == "__main__":
    main()
