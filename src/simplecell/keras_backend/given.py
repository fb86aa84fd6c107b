"""Data as users give it, made such that Keras's adapters take it, or an error that says why not."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src import tree

from simplecell.calling import converted


def given(name: str, data: Any, model: Any = None) -> Any:
    """`data` with arrays of numbers where it has arrays of Python objects or of extended precision; the rest as it is.

    Args:
        name: of the argument, for errors.
        model: the model that `data` goes into as its inputs, of which it may say that it takes real numbers only.

    Raises:
        ValueError: for arrays of strings, other objects or complex numbers, where the model takes real ones.
    """
    if not isinstance(data, (np.ndarray, list, tuple, dict)):
        return data
    real = _takes_real_numbers(model)

    def leaf(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        if real and (x.dtype.kind in "OSUMmc" or x.dtype.names):
            return converted(name, x, np.dtype("float64"))  # or its error
        if x.dtype.kind == "O" and all(isinstance(value, (bool, int, float, np.number, np.bool_)) for value in x.flat):
            return np.array(x.tolist())
        if x.dtype.char in "gG":
            return x.astype("complex128" if x.dtype.kind == "c" else "float64")
        return x

    return tree.map_structure(leaf, data)


def _takes_real_numbers(model: Any) -> bool:
    """Is it known that it does, and nothing else?"""
    try:
        inputs = model.inputs
    except AttributeError:
        return False
    return bool(inputs) and not any(str(t.dtype).startswith(("complex", "string")) for t in inputs)


def is_there(x: Any) -> Any:
    """`x`, which is not None. Raises ValueError if it is."""
    if x is None:
        raise ValueError("x: is None, so that there is no data. Pass arrays, a generator or a dataset.")
    return x
