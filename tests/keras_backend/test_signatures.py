"""Every function that Keras's own NumPy backend has is there, under Keras's signature."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import keras
import pytest
from keras.src import backend, ops

from tests.keras_backend.versions import since_3_15

MODULES = ["numpy", "nn", "math", "image", "linalg", "core"]


@since_3_15
@pytest.mark.parametrize("module", MODULES)
def test_all_functions_are_there(module: str) -> None:
    stock = Path(keras.__file__).parent / "src" / "backend" / "numpy" / f"{module}.py"
    names = {
        n.name
        for n in ast.parse(stock.read_text()).body
        if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")
    }
    assert names <= set(getattr(backend, module).__all__)


@since_3_15
@pytest.mark.parametrize("module", MODULES)
def test_signatures_are_those_of_keras_ops(module: str) -> None:
    ours, theirs = getattr(backend, module), getattr(ops, module)
    shared = [
        n
        for n in ours.__all__
        if hasattr(theirs, n) and not hasattr(theirs, f"_{n}") and n not in ("multi_hot", "custom_gradient")
    ]
    assert len(shared) > 5
    assert {n: inspect.signature(getattr(ours, n)) for n in shared} == {
        n: inspect.signature(getattr(theirs, n)) for n in shared
    }
