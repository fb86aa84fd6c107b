"""Labels as vectors of zeros and ones."""

from __future__ import annotations

from typing import Any

from keras.src.backend import config

from simplecell.keras_backend.conversion import cast, constant, convert_to_tensor
from simplecell.keras_backend.dispatch import dtype_of
from simplecell.keras_backend.numpy.reductions import max
from simplecell.keras_backend.numpy.shaping import moveaxis
from simplecell.ops import shaping


def one_hot(x: Any, num_classes: int | None, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """A label below 0 or from `num_classes` on gives zeros."""
    if sparse:
        raise ValueError("Unsupported value `sparse=True` with the simplecell backend. Pass `sparse=False`.")
    x = convert_to_tensor(x)
    if "int" not in dtype_of(x):
        x = cast(x, "int32")
    if num_classes is None:  # `keras.utils.to_categorical(labels)`
        labels = constant(x)
        if labels is None:
            raise ValueError(
                "`num_classes` has to be given where the labels are traced: the width of the result depends on it."
            )
        num_classes = int(labels.max(initial=-1)) + 1
    encoded = cast(shaping.one_hot(x, int(num_classes), "float32"), dtype or config.floatx())
    ndim = len(encoded.shape)
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of bounds for an encoding of {ndim} dimensions.")
    return encoded if axis % ndim == ndim - 1 else moveaxis(encoded, -1, axis)


def multi_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    x = convert_to_tensor(x)
    encoded = one_hot(x, num_classes, axis, dtype, sparse)
    return max(encoded, axis=1 if len(x.shape) > 1 else 0)
