"""Names of dtypes, to NumPy dtypes: NumPy's own, and bfloat16 and the float8 family from ml_dtypes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


@cache
def to_dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes  # Keras depends on it

        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return dtype


@cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """`dtype.name`, which NumPy works out anew each time it is asked."""
    return dtype.name


@cache
def is_floating(name: str) -> bool:
    """Real floating types, bfloat16 and float8 included: those that gradients flow through."""
    return name.startswith(("float", "bfloat"))


@cache
def is_inexact(name: str) -> bool:
    """Floating or complex."""
    return is_floating(name) or name.startswith("complex")


@cache
def is_integer(name: str) -> bool:
    return name.startswith(("int", "uint"))


@cache
def accumulator(name: str) -> str:
    """The dtype in which sums of `name` are formed: float16 and its like lose digits after a few terms."""
    return "float32" if is_floating(name) and to_dtype(name).itemsize < 4 else name
