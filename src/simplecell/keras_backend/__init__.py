"""The package that Keras takes for its NumPy backend (see `install`). Names are loaded on first use.

`core` (Variable, conversion, tracing of shapes), `numpy`, `nn`, `math`, `image`, `linalg`, `random`, `rnn`: Keras's
functions, eager on NumPy arrays and symbolic on tensors of a graph. `trainer`: `fit` and its relatives. `layer`,
`export`: the slot's other classes.
"""

from __future__ import annotations

import importlib
from typing import Any

_CORE = [
    "IS_THREAD_SAFE",
    "SUPPORTS_COMPLEX_DTYPES",
    "SUPPORTS_RAGGED_TENSORS",
    "SUPPORTS_SPARSE_TENSORS",
    "Variable",
    "cast",
    "compute_output_spec",
    "cond",
    "convert_to_numpy",
    "convert_to_tensor",
    "device_scope",
    "is_tensor",
    "name_scope",
    "random_seed_dtype",
    "shape",
    "vectorized_map",
]
_RNN = ["bidirectional_gru", "bidirectional_lstm", "cudnn_ok", "gru", "lstm", "rnn"]
_MODULES = ["core", "image", "linalg", "math", "nn", "numpy", "random"]

__all__ = [*_MODULES, *_CORE, *_RNN]  # what `from … import *` gives Keras


def __getattr__(name: str) -> Any:
    # Lazy, so that `import simplecell` (which needs `install` from this package) does not import Keras.
    if name in _CORE:
        return getattr(importlib.import_module(f"{__name__}.core"), name)
    if name in _RNN:
        module = importlib.import_module(f"{__name__}.rnn")
        globals().update(
            {n: getattr(module, n) for n in _RNN}
        )  # `rnn` is the function to Keras: the import has just bound the module
        return globals()[name]
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute {name!r}")
