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

        return np.dtype(getattr(ml_dtypes, name))
