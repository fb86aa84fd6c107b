"""The backend's core: what Keras asks every backend for besides its array functions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable
from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.backend.common.name_scope import name_scope as keras_name_scope
from keras.src.backend.common.stateless_scope import StatelessScope
from keras.src.backend.common.symbolic_scope import SymbolicScope
from keras.src.backend.common.variables import standardize_dtype

from simplecell.graph.tensor import name_scope as graph_name_scope
from simplecell.graph.tensor import placeholder
from simplecell.keras_backend import conversion
from simplecell.keras_backend.control_flow import (
    associative_scan,
    cond,
    fori_loop,
    map,
    scan,
    switch,
    vectorized_map,
    while_loop,
)
from simplecell.keras_backend.conversion import convert_to_numpy, is_tensor, shape
from simplecell.keras_backend.custom_gradient import custom_gradient, remat, stop_gradient
from simplecell.keras_backend.indexing import scatter, scatter_update, slice, slice_update, unstack
from simplecell.keras_backend.signatures import unannotated
from simplecell.keras_backend.variable import Variable
from simplecell.ops.base import Spec

__all__ = [
    "IS_THREAD_SAFE",
    "SUPPORTS_COMPLEX_DTYPES",
    "SUPPORTS_RAGGED_TENSORS",
    "SUPPORTS_SPARSE_TENSORS",
    "Variable",
    "associative_scan",
    "cast",
    "compute_output_spec",
    "cond",
    "convert_to_numpy",
    "convert_to_tensor",
    "custom_gradient",
    "device_scope",
    "fori_loop",
    "is_tensor",
    "map",
    "name_scope",
    "random_seed_dtype",
    "remat",
    "scan",
    "scatter",
    "scatter_update",
    "shape",
    "slice",
    "slice_update",
    "stop_gradient",
    "switch",
    "unstack",
    "vectorized_map",
    "while_loop",
]

SUPPORTS_SPARSE_TENSORS = False
SUPPORTS_RAGGED_TENSORS = False
SUPPORTS_COMPLEX_DTYPES = True
IS_THREAD_SAFE = True

# Sizes that stand for an unknown one. A dimension that differs between the two traces depends on it. Primes, so that no
# product or reshape hides the dependence, and far enough apart to stay different after seven halvings; small, because
# constants of this size are made.
_UNKNOWN = (131, 521)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """As `conversion.convert_to_tensor`, but never the caller's own array: code that goes on with `x += 1` must not
    write to it."""
    return _own(conversion.convert_to_tensor(x, dtype, sparse, ragged), x)


def cast(x: Any, dtype: Any) -> Any:
    """As `conversion.cast`, but never the caller's own array."""
    return _own(conversion.cast(x, dtype), x)


def _own(result: Any, x: Any) -> Any:
    if isinstance(x, KerasVariable):
        x = x.value
    if isinstance(result, np.ndarray) and isinstance(x, np.ndarray) and np.may_share_memory(result, x):
        return np.array(result)
    return result


def compute_output_spec(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`fn`'s outputs as KerasTensors, found by tracing it on tensors without values; None where a size depends on an
    unknown one."""
    symbolic = [x for x in tree.flatten((args, kwargs)) if isinstance(x, KerasTensor)]
    unknown = any(None in x.shape for x in symbolic)
    with StatelessScope(), SymbolicScope():
        first = _trace_shapes(fn, args, kwargs, _UNKNOWN[0])
        second = _trace_shapes(fn, args, kwargs, _UNKNOWN[1]) if unknown else first
    return tree.map_structure(_merge, first, second)


def _trace_shapes(fn: Callable[..., Any], args: Any, kwargs: Any, unknown: int) -> Any:
    def stand_in(x: Any) -> Any:
        if not isinstance(x, KerasTensor):
            return x
        return placeholder(
            Spec(tuple(unknown if size is None else size for size in x.shape), standardize_dtype(x.dtype)), x.name
        )

    args, kwargs = tree.map_structure(stand_in, (args, kwargs))
    with StatelessScope():
        return fn(*args, **kwargs)


def _merge(a: Any, b: Any) -> Any:
    if isinstance(a, KerasVariable):
        a, b = a.value, b.value
    if not is_tensor(a):
        return a
    if len(a.shape) != len(b.shape):
        raise ValueError(f"The output's rank depends on an unknown size: it came as {a.shape} and as {b.shape}.")
    return KerasTensor(
        tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True)), standardize_dtype(a.dtype)
    )


class name_scope(keras_name_scope):
    """Keras's scope of variable paths, which also names the steps of a program after their layer."""

    def __enter__(self) -> Any:
        result = super().__enter__()
        self._graph_scope = graph_name_scope(self.name) if self._pop_on_exit else contextlib.nullcontext()
        self._graph_scope.__enter__()
        return result

    def __exit__(self, *args: Any, **kwargs: Any) -> None:
        self._graph_scope.__exit__(None, None, None)
        super().__exit__(*args, **kwargs)


@contextlib.contextmanager
def device_scope(device_name: str) -> Iterator[None]:
    """`with keras.device("cpu")`: there is one device.

    Raises:
        ValueError: another device is asked for.
    """
    kind = str(device_name).lower().split(":")[0]
    if kind != "cpu":
        raise ValueError(
            f"simplecell runs on the CPU. Received: device_name={device_name!r}. Pass 'cpu', or leave the scope out."
        )
    yield


def random_seed_dtype() -> str:
    return "uint32"


unannotated(globals(), __all__)
