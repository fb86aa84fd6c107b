"""Evaluates configurations on JAX: KERAS_BACKEND=jax python -m tests.oracle.worker REQUEST ANSWER

REQUEST is a pickled list of configurations, ANSWER becomes a pickled list of dicts of arrays, or of the errors' texts.
Computed in float64: what is left of the difference is this side's rounding.
"""

from __future__ import annotations

import os
import pickle
import sys

import numpy as np

from tests.oracle.configurations import Configuration

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
# each of the many small programs runs once: compiling is all the time that there is
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def evaluate(configurations: list[Configuration]) -> list[dict[str, np.ndarray] | str]:
    """For each configuration its arrays, or the text of the error."""
    import keras

    from tests.oracle.evaluation import on_jax

    keras.config.set_floatx("float64")
    results: list[dict[str, np.ndarray] | str] = []
    for configuration in configurations:
        try:
            results.append(on_jax(configuration, "float64"))
        except Exception as error:
            results.append(f"{type(error).__name__}: {error}")
    return results


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as request:
        answers = evaluate(pickle.load(request))
    with open(sys.argv[2], "wb") as answer:
        pickle.dump(answers, answer)
