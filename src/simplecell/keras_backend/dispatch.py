"""How one function serves arrays and tensors: conversion and promotion of operands, and the call-out for what has no
op.

Most of Keras's functions are written once, in `simplecell.ops`, whose functions compute on arrays and record on
tensors.
Three things stand beside that rule: `native` (NumPy itself knows a better way on arrays), `callout` (there is no op:
the NumPy function runs inside the program) and `families` of functions that differ in the op and in the dtype rule
alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
from keras.src.backend import config
from keras.src.backend.common import dtypes
from keras.src.backend.common.variables import standardize_dtype

from simplecell.graph.tensor import as_tensor
from simplecell.graph.unknown import UnknownShape
from simplecell.keras_backend import conversion, eager
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.ops.base import Op, Spec, Symbolic, apply, spec_of
from simplecell.ops.callout import CallOut
from simplecell.ops.dtypes import to_dtype


def symbolic(*values: Any) -> bool:
    """Is any of these a tensor of a graph that is being traced?"""
    return any(type(v) is not np.ndarray and isinstance(v, Symbolic) for v in values)


@cache
def _name(dtype: Any) -> str:
    return str(standardize_dtype(dtype))


def dtype_of(x: Any) -> str:
    return _name(x.dtype)


def cast(x: Any, dtype: Any) -> Any:
    """x, which is an array or tensor, in `dtype`."""
    return x if type(dtype) is str and dtype_of(x) == dtype else conversion.cast(x, dtype)


def known(function: str, value: Any) -> np.ndarray:
    """The array behind `value`, on which the shape of `function`'s result depends. Raises ValueError where it is still
    to come."""
    array = conversion.constant(value)
    if array is None:
        raise UnknownShape(
            f"The shape of `{function}`'s result depends on values, and shapes must be known when a model is traced. "
            "Pass Python numbers or arrays, compute it outside of the model, or compile the model with "
            "`run_eagerly=True`."
        )
    return array


def constant(value: Any, like: Any) -> np.ndarray:
    """`value` as an array of the dtype of `like`: an operand that cannot change a result's dtype."""
    return np.asarray(value, dtype=like.dtype)


# --- dtype rules ------------------------------------------------------------------------------------------------------


def same(dtype: str) -> str:
    return dtype


def floating(dtype: str) -> str:
    """Integers and booleans become Keras's float type; floats and complex numbers stay."""
    return config.floatx() if "int" in dtype or dtype == "bool" else dtype


def wide_floating(dtype: str) -> str:
    """As `floating`, but an int64 becomes a float64."""
    return "float64" if dtype == "int64" else floating(dtype)


@lru_cache(maxsize=4096)
def _promotion(kinds: tuple[Any, ...], floatx: str) -> str:
    # Keras's table knows no float64, as JAX does by default. Who has nothing but float64, or made it the default, means
    # it.
    names = {getattr(k, "name", k) for k in kinds}
    floats = {k for k in names if isinstance(k, str) and "float" in k}
    if "float64" in floats and (floats == {"float64"} or floatx == "float64"):
        return "float64"
    return str(dtypes.result_type(*kinds))


def common_dtype(*operands: Any, also: Sequence[Any] = ()) -> str:
    """Keras's promotion of the operands' dtypes; Python numbers are weak."""
    return _promotion((*(x.dtype if hasattr(x, "dtype") else type(x) for x in operands), *also), config.floatx())


def convert_operand(x: Any) -> Any:
    """Python numbers stay (they promote weakly); everything else becomes an array or a tensor."""
    return x if isinstance(x, (bool, int, float)) else convert_to_tensor(x)


def promote(*operands: Any, also: Sequence[Any] = (), rule: Callable[[str], str] = same) -> list[Any]:
    """The operands as arrays or tensors of one dtype: their common one (with `also` in the vote), after `rule`."""
    converted = [convert_operand(x) for x in operands]
    dtype = rule(common_dtype(*converted, also=also))
    return [cast(x, dtype) if hasattr(x, "dtype") else np.asarray(x, to_dtype(dtype)) for x in converted]


# --- families ---------------------------------------------------------------------------------------------------------


def native(numpy_function: Callable[..., Any], composition: Callable[..., Any]) -> Callable[..., Any]:
    """`numpy_function` where all operands are arrays, else `composition` (of ops): one meaning, two ways to it."""

    @functools.wraps(composition)
    def function(*operands: Any, **options: Any) -> Any:
        if symbolic(*operands):
            return composition(*operands, **options)
        with np.errstate(all="ignore"):
            return np.asarray(numpy_function(*operands, **options))

    return function


def unary(name: str, compute: Callable[[Any], Any], result: Callable[[str], str] = floating) -> Callable[[Any], Any]:
    """The function `name(x)`: x becomes an array or tensor of dtype `result(x.dtype)`, then `compute`."""

    def function(x: Any) -> Any:
        x = convert_to_tensor(x)
        return compute(cast(x, result(dtype_of(x))))

    function.__name__ = function.__qualname__ = name
    return function


def binary(
    name: str, compute: Callable[[Any, Any], Any], also: Sequence[Any] = (), rule: Callable[[str], str] = same
) -> Callable[[Any, Any], Any]:
    """The function `name(x1, x2)`: both in their common dtype (see `promote`), then `compute`."""

    def function(x1: Any, x2: Any) -> Any:
        return compute(*promote(x1, x2, also=also, rule=rule))

    function.__name__ = function.__qualname__ = name
    return function


# --- call-outs --------------------------------------------------------------------------------------------------------


def no_gradient(inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
    """The gradient of what is constant almost everywhere (indices, counts, signs)."""
    return [None] * len(inputs)


def callout(
    function: Callable[..., Any],
    *inputs: Any,
    label: str,
    specs: Spec | tuple[Spec, ...] | None = None,
    gradient: Callable[..., Sequence[Any]] | None = None,
) -> Any:
    """`function(*inputs)` on arrays; with a tensor among the inputs, the op that calls `function` inside the program.

    The outputs' specs are found by running `function` on ones of the inputs' shapes, unless they are given. Without a
    `gradient` rule, differentiating through it is an error that names `label`.
    """
    if not symbolic(*inputs):
        return function(*inputs)
    tensors = [as_tensor(x) for x in inputs]
    if specs is None:
        with np.errstate(all="ignore"):
            outcome = function(*(np.ones(t.shape, t.dtype) for t in tensors))
        specs = tuple(map(_spec, outcome)) if isinstance(outcome, tuple) else _spec(outcome)
    return apply(CallOut(function, specs, label, gradient), *tensors)


def _spec(value: Any) -> Spec:
    return spec_of(np.asarray(value))


def run(op: Op, *operands: Any) -> Any:
    """A heavy op: recorded on tensors; on arrays run by a compiled program of this one op."""
    if symbolic(*operands):
        return apply(op, *operands)
    return eager.execute(op, *operands)
