"""`simplecell.value_and_gradients`: a function's value and its gradients, by one program."""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable

from simplecell.graph.tensor import Node, Tensor, as_tensor
from simplecell.keras_backend.conversion import convert_to_tensor, ready
from simplecell.keras_backend.eager_tensor import EagerScope, leaf, value_of
from simplecell.keras_backend.gradients import gradients, several
from simplecell.keras_backend.identity import Same, identity
from simplecell.keras_backend.program_cache import ProgramCache
from simplecell.keras_backend.step_program import StepProgram
from simplecell.keras_backend.tracing import current_trace, trace_function
from simplecell.ops.base import Symbolic, spec_of
from simplecell.ops.dtypes import is_inexact
from simplecell.ops.shaping import Reshape
from simplecell.precision import KERAS

_programs: ProgramCache[StepProgram] = ProgramCache(lambda program: program.executable)
_dead: deque[Hashable] = deque()
"""keys of programs of functions that are gone"""


def value_and_gradients(
    function: Callable[..., Any], *arrays: Any, variables: Sequence[Any] | None = None
) -> tuple[Any, ...]:
    """`function(*arrays)`, and its gradients with respect to the arrays, and to `variables`.

    The function is traced once for each set of shapes and dtypes, and compiled; the program is kept. It is found again
    by the function's code and by what that reads from around it (closures, globals, defaults, `self`): numbers, arrays,
    lists and dicts are compared by value, models and layers by identity. Keras variables that it reads have the values
    of the moment. What it assigns to variables (moving averages, states of random generators) is assigned. What it
    prints, or draws from NumPy's random numbers, happens once, while it is traced.

    Inside of a `train_step`, or of another such function, it is recorded as part of that.

    Args:
        function: written with `keras.ops`, layers, losses, Python's operators. It returns one array, or a tuple whose
            first entry is differentiated; the others come along. What is not a scalar is summed for the gradient.
        arrays: its arguments: arrays, or numbers.
        variables: Keras variables to differentiate with respect to (as `model.trainable_variables`).

    Returns:
        `value, gradients`: what the function returns, and a tuple of one array for each of `arrays`, of its shape and
        dtype (None for integers and booleans, which have no gradient). With `variables` (be it an empty list) a third:
        the tuple of their gradients.

    Raises:
        TypeError: an argument is no array, or one of `variables` no Keras variable.
        ValueError: the function returns what cannot be differentiated.

    Example:
        >>> value, (slope,) = simplecell.value_and_gradients(lambda x: keras.ops.sin(x), np.float32(0))
        >>> loss, _, found = simplecell.value_and_gradients(
        ...     lambda x, y: keras.ops.mean((model(x) - y) ** 2), x, y, variables=model.trainable_variables)
        >>> optimizer.apply(found, model.trainable_variables)
    """
    if not callable(function):
        raise TypeError(f"function: must be callable, got {type(function).__name__}.")
    wanted = None if variables is None else several(variables)
    for i, v in enumerate(wanted or ()):
        if not isinstance(v, KerasVariable):
            raise TypeError(
                f"variables[{i}]: must be a Keras variable, got {type(v).__name__}. Pass arrays as arguments of the "
                "function."
            )
    given = [_array(i, x) for i, x in enumerate(arrays)]
    scope = current_trace()
    if scope is None and not any(isinstance(x, Symbolic) for x in given):
        found = _compiled(function, given, wanted or ())
    else:
        found = _recorded(function, wanted or (), given)
    value, diff_arrays, diff_variables = found
    floating = iter(diff_arrays)
    by_array = tuple(next(floating) if is_inexact(spec_of(x).dtype) else None for x in given)
    return (value, by_array) if wanted is None else (value, by_array, tuple(diff_variables))


def _array(position: int, x: Any) -> Any:
    if isinstance(x, KerasVariable):
        x = x.value
    if isinstance(x, Symbolic):
        return x
    try:
        if x is None or isinstance(x, (dict, str, bytes, set)):
            raise TypeError("it is not one")
        array = np.asarray(convert_to_tensor(x))
        if array.dtype.kind not in "biufcV":
            raise TypeError(f"it holds {array.dtype}")
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"arrays[{position}]: must be an array of numbers, got {type(x).__name__} ({error}). Pass each array as an "
            "argument of its own."
        ) from error
    return array


def _recorded(function: Callable[..., Any], variables: Sequence[Any], arrays: Sequence[Any]) -> tuple[Any, Any, Any]:
    """The value and the gradients of the floating arrays and of the variables, on what is being recorded."""
    scope = current_trace()
    arguments = [_apart(x) for x in arrays]
    result = function(*arguments)
    result = tree.map_structure(lambda x: x.value if isinstance(x, KerasVariable) else x, result)
    first = result[0] if isinstance(result, tuple) and result else result
    if isinstance(first, (dict, list, tuple, str)) or first is None:
        raise ValueError(
            f"function: must return one array, or a tuple whose first entry is one, got {type(first).__name__}. Return "
            "what is to be differentiated first."
        )
    first = as_tensor(convert_to_tensor(first))
    if not is_inexact(first.spec.dtype):
        raise ValueError(f"function: must return a floating value to be differentiated, got {first.spec}.")
    floating = [x for x in arguments if is_inexact(x.spec.dtype)]
    if scope is None:  # only shapes are wanted: what variables are read as is not noted
        found = [*gradients(first, floating), *(as_tensor(np.zeros(v.shape, v.dtype)) for v in variables)]
    else:
        found = gradients(first, [*floating, *variables])
    if isinstance(scope, EagerScope):
        result = tree.map_structure(lambda x: value_of(x) if isinstance(x, Symbolic) else x, result)
    return result, found[: len(floating)], found[len(floating) :]


def _apart(x: Any) -> Tensor:
    """A tensor of the same value of its own: what else is computed from `x` is not the function's doing."""
    if isinstance(current_trace(), EagerScope):
        return leaf(value_of(x))
    x = as_tensor(x)
    return Node.make(Reshape(x.shape), (x,)).outputs[0]


def _compiled(function: Callable[..., Any], arrays: Sequence[np.ndarray], variables: Sequence[Any]) -> Any:
    while _dead:
        _programs.discard(_dead.popleft())
    known, objects = identity(function)
    key = (
        known,
        tuple((Same(v), v.trainable) for v in variables),
        tuple((a.shape, a.dtype.name) for a in arrays),
    )
    program = _programs.get(key, lambda: _made(function, arrays, variables, key, [*objects, *variables]))
    return program([ready(a) for a in arrays])


def _made(
    function: Callable[..., Any], arrays: Sequence[np.ndarray], variables: Sequence[Any], key: Hashable, objects: Any
) -> StepProgram:
    network = trace_function(lambda data: _recorded(function, variables, data), list(arrays), name="function")
    program = StepProgram(network, precision=KERAS)
    program.owners = tuple(_watched(x, key) for x in objects)
    return program


def _watched(x: Any, key: Hashable) -> Any:
    """A weak reference that has the program forgotten when `x` dies."""
    try:
        return weakref.ref(x, partial(_forget, key))
    except TypeError:
        return x


def _forget(key: Hashable, reference: Any, at_exit: Callable[[], bool] = sys.is_finalizing) -> None:
    if at_exit():
        return  # this module's names may be gone
    # This may be called anywhere, also by whoever holds the cache's lock.
    _dead.append(key)
    _programs.discard(key, wait=False)
