"""Values into arrays and tensors, and back. Arrays are NumPy's; a tensor (`simplecell.graph.tensor.Tensor`) is a value
still to come."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable
from keras.src.backend.common.dtypes import result_type
from keras.src.backend.common.variables import standardize_dtype
from keras.src.backend.config import floatx

from simplecell.ops.base import Symbolic, apply
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.elementwise import Cast
from simplecell.ops.shaping import stack


def is_tensor(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic, Symbolic))


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """An array (or a tensor, where `x` is or holds one) of `dtype`; without `dtype`, of the dtype that Keras's
    promotion gives.

    An array that has the right dtype already is returned as it is, not copied.
    """
    if sparse:
        raise ValueError("`sparse=True` is not supported: simplecell computes on dense arrays. Pass `sparse=False`.")
    if ragged:
        raise ValueError(
            "`ragged=True` is not supported: simplecell computes on dense arrays. Pad the rows to one length."
        )
    if dtype is not None:
        dtype = standardize_dtype(dtype)
    if isinstance(x, KerasVariable):
        x = x.value
    if isinstance(x, (np.ndarray, Symbolic)):
        return x if dtype is None else cast(x, dtype)
    if isinstance(x, np.generic):
        return np.asarray(x) if dtype is None else cast(np.asarray(x), dtype)
    if isinstance(x, (list, tuple)):
        leaves = tree.flatten(x)
        if any(isinstance(leaf, (Symbolic, KerasVariable)) for leaf in leaves):
            return _stack(x, dtype or _promoted(leaves))
        if dtype is None:
            dtype = _promoted(leaves) if leaves else floatx()
    elif dtype is None and isinstance(x, (bool, int, float, complex)):
        dtype = result_type(type(x))
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(
            f"Cannot convert a nested list to an array: its rows have different lengths ({error}). Give all rows one "
            "length, for "
            "instance with `keras.utils.pad_sequences`."
        ) from error
    if array.dtype == object and any(isinstance(leaf, type(None)) for leaf in array.flat):
        raise ValueError(f"Cannot convert a value that holds None to an array. Received: {x!r}")
    return array if dtype is None else cast(array, dtype)


def _promoted(leaves: list[Any]) -> str:
    return str(result_type(*{getattr(leaf, "dtype", type(leaf)) for leaf in leaves}))


def _stack(x: Any, dtype: str) -> Any:
    """Nested lists in which some leaves are tensors, as one tensor."""
    if isinstance(x, (list, tuple)):
        return stack([_stack(item, dtype) for item in x], 0)
    return convert_to_tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """A copy that is the caller's own to write to."""
    if isinstance(x, KerasVariable):
        x = x.value
    if isinstance(x, (list, tuple)):
        x = convert_to_tensor(x)
    return np.array(x)


def shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape)


def cast(x: Any, dtype: Any) -> Any:
    """`x` in `dtype`; floats are cut towards zero on their way to integers; complex numbers lose their imaginary
    part."""
    dtype = standardize_dtype(dtype)
    if isinstance(x, KerasVariable):
        x = x.value
    if isinstance(x, Symbolic):
        return x if x.spec.dtype == dtype else apply(Cast(dtype), x)
    if not isinstance(x, np.ndarray):
        return convert_to_tensor(x, dtype)
    wanted = to_dtype(dtype)
    if x.dtype == wanted and x.dtype.isnative:
        return x
    if x.dtype.kind == "c" and wanted.kind != "c":
        x = x.real
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # NaN and infinity to integers: whatever the CPU gives, as everywhere in Keras
        return x.astype(wanted)


def constant(x: Any) -> np.ndarray | None:
    """The array behind `x`, if it is known now: an array, a number, or a tensor that carries its value. Else None."""
    if isinstance(x, KerasVariable):
        x = x.value
    if isinstance(x, Symbolic):
        value = getattr(x, "value", None)  # an EagerTensor's
        return x.constant if value is None else value
    return np.asarray(x)


def ready(x: Any) -> np.ndarray:
    """`x` as a program takes it: C-contiguous, aligned, in the machine's byte order."""
    array = np.asarray(x)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = np.array(array, order="C")
    return array
