"""Where the gradient is not what differentiation would give."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from keras.src import tree
from keras.src.backend.common import KerasVariable

from simplecell import ops
from simplecell.keras_backend.conversion import cast, convert_to_tensor, is_tensor
from simplecell.ops.base import Symbolic


def stop_gradient(variable: Any) -> Any:
    """The value, as a constant for differentiation."""
    x = convert_to_tensor(variable)
    return ops.stop_gradient(x) if isinstance(x, Symbolic) else x


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` itself: what the backward pass keeps and what it computes again is the engine's plan, not the caller's."""
    return f


def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """`fun(*args)` gives `(result, gradient)`; `gradient(*upstream)` gives one gradient per argument and replaces
    differentiation.

    `upstream` has one entry per result; a function with a parameter named `upstream` gets it by that name.
    """

    @functools.wraps(fun)
    def with_gradient(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree.map_structure(lambda x: x.value if isinstance(x, KerasVariable) else x, (args, kwargs))
        results, gradient = fun(*args, **kwargs)
        values = [convert_to_tensor(x) for x in tree.flatten(results)]
        if not any(isinstance(x, Symbolic) for x in values):
            return results
        arguments = [x for x in tree.flatten((args, kwargs)) if is_tensor(x)]

        def rule(*upstream: Any) -> list[Any]:
            by_name = "upstream" in inspect.signature(gradient).parameters
            given = (
                gradient(upstream=upstream[0] if len(upstream) == 1 else upstream) if by_name else gradient(*upstream)
            )
            stated = list(given) if isinstance(given, (list, tuple)) else [given]
            stated += [None] * (
                len(arguments) - len(stated)
            )  # keyword arguments and flags come last, and need no gradient
            return [None if g is None else cast(g, x.dtype) for g, x in zip(stated, arguments, strict=False)]

        outputs = ops.custom_gradient(values, arguments, rule)
        return tree.pack_sequence_as(results, list(outputs) if len(values) > 1 else [outputs])

    return with_gradient
