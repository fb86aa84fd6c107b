"""simplecell: convolutional networks you can see through.

Import it before Keras; Keras then computes, differentiates and trains on simplecell:

    import simplecell
    import keras

This file stays light: everything else is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from simplecell.keras_backend.install import install as _install

__version__ = "0.1.0"

_install()

# Public name → module that defines it (`""`: the name is a submodule).
_LAZY = {
    "compile": "simplecell.program",
    "gradients": "simplecell.keras_backend.gradients",
    "Network": "simplecell.graph.network",
    "trace": "simplecell.keras_backend.model_trace",
    "value_and_gradients": "simplecell.keras_backend.value_and_gradients",
    "data": "",
    "filters": "",
    "inspection": "",
    "layers": "",
    "plotting": "",
}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'simplecell' has no attribute {name!r}")
    module = _LAZY[name]
    value = getattr(importlib.import_module(module), name) if module else importlib.import_module(f"simplecell.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
