"""Shared by the matrix functions: operands in a float type, batches of matrices in NumPy, transposition."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, dtype_of, floating
from simplecell.keras_backend.numpy.linear import product
from simplecell.keras_backend.numpy.shaping import swapaxes
from simplecell.ops.base import Spec, spec_of


def matrix(x: Any) -> Any:
    """x as an array or tensor of a float (or complex) dtype."""
    x = convert_to_tensor(x)
    return cast(x, floating(dtype_of(x)))


def transposed(x: Any) -> Any:
    return swapaxes(x, -1, -2)


def matmul(*factors: Any) -> Any:
    result = factors[0]
    for factor in factors[1:]:
        result = product(result, factor)
    return result


def spec_like(x: Any, *shape: int) -> Spec:
    """The spec of a result of the dtype of x."""
    return Spec(tuple(shape), spec_of(x).dtype)


def in_dtype(a: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.asarray(a, like.dtype)


def wide(a: np.ndarray) -> np.ndarray:
    """LAPACK has no 16-bit floats."""
    return a.astype("float32") if a.dtype.itemsize == 2 else a
