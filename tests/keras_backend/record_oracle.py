"""Records what Keras on JAX answers to the calls of `cases.py`, for `test_functions_oracle.py`. Run where JAX is
installed:

KERAS_BACKEND=jax python tests/keras_backend/record_oracle.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from cases import Arg, Case, numbered  # noqa: E402


def answer(case: Case) -> list[np.ndarray]:
    from keras.src import backend, tree

    rng = np.random.default_rng(7)

    def fill(x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return type(x)(fill(v) for v in x)
        return backend.convert_to_tensor(x.draw(rng, "float32")) if isinstance(x, Arg) else x

    module, name = case.function.split(".")
    args, kwargs = fill(case.args), {k: fill(v) for k, v in case.kwargs.items()}
    return [np.asarray(y) for y in tree.flatten(getattr(getattr(backend, module), name)(*args, **kwargs))]


def main() -> None:
    """Asks for what is not recorded yet, forgets what is no case any more."""
    target = Path(__file__).parent / "recorded" / "functions.npz"
    known = dict(np.load(target)) if target.exists() else {}
    recorded: dict[str, np.ndarray] = {}
    for name, case in numbered():
        old = {key: known[key] for key in known if key.rpartition("/")[0] == name}
        if not old:
            try:
                old = {f"{name}/{i}": result for i, result in enumerate(answer(case))}
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {str(error)[:150]}")
        recorded.update(old)
    np.savez_compressed(target, **recorded)


if __name__ == "__main__":
    main()
