"""Evaluates configurations on JAX: KERAS_BACKEND=jax python -m tests.oracle.worker REQUEST ANSWER

REQUEST is a pickled list of configurations, ANSWER becomes a pickled list of dicts of arrays, or of the errors' texts. Computed in float64: what
is left of the difference is this side's rounding.
"""

from __future__ import annotations

import os
import pickle
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
# each of the many small programs runs once: compiling is all the time that there is
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def main(request: str, answer: str) -> None:
    import keras

    from tests.oracle.evaluation import on_jax

    keras.config.set_floatx("float64")
    with open(request, "rb") as file:
        configurations = pickle.load(file)
    results = []
    for configuration in configurations:
        try:
            results.append(on_jax(configuration, "float64"))
        except Exception as error:
            results.append(f"{type(error).__name__}: {error}")
    with open(answer, "wb") as file:
        pickle.dump(results, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
