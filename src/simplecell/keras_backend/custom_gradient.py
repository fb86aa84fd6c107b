"""Where the gradient is not what differentiation would give."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras.src import tree
from keras.src.backend.common.variables import KerasVariable

from simplecell.keras_backend.conversion import cast, convert_to_tensor, is_tensor
from simplecell.ops import elementwise, shaping
from simplecell.ops.base import Op, Spec, Symbolic, apply


def stop_gradient(variable: Any) -> Any:
    """The value, as a constant for differentiation."""
    x = convert_to_tensor(variable)
    return elementwise.stop_gradient(x) if isinstance(x, Symbolic) else x


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` itself: what the backward pass keeps and what it computes again is the engine's plan, not the caller's."""
    return f


@dataclass(frozen=True, eq=False)
class CustomGradient(Op):
    """(arguments…, results…) → results, with `rule(diff_results)` as the gradients of the arguments."""

    arguments: int
    rule: Callable[..., Sequence[Any]]

    @property
    def name(self) -> str:
        return "custom_gradient"

    def output_spec(self, *inputs: Spec) -> tuple[Spec, ...]:
        return inputs[self.arguments :]

    def reference(self, *arrays: Any) -> Any:
        return arrays[self.arguments :]

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        upstream = [shaping.full(o.shape, 0, o.dtype.name) if d is None else d for o, d in zip(outputs, diff_outputs, strict=True)]
        return [*self.rule(upstream), *[None] * len(outputs)]


def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """`fun(*args)` gives `(result, gradient)`; `gradient(*upstream)` gives one gradient per argument and replaces differentiation.

    `upstream` has one entry per result; a function with a parameter named `upstream` gets it by that name.
    """

    @functools.wraps(fun)
    def with_gradient(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree.map_structure(lambda x: x.value if isinstance(x, KerasVariable) else x, (args, kwargs))
        results, gradient = fun(*args, **kwargs)
        arguments = [x for x in tree.flatten((args, kwargs)) if is_tensor(x)]
        flat = [convert_to_tensor(x) for x in tree.flatten(results)]
        if not any(isinstance(x, Symbolic) for x in flat):
            return results

        def rule(upstream: list[Any]) -> list[Any]:
            parameters = inspect.signature(gradient).parameters
            given = gradient(upstream=upstream[0]) if "upstream" in parameters and len(upstream) == 1 else gradient(*upstream)
            given = list(given) if isinstance(given, (list, tuple)) else [given]
            if len(given) < len(arguments):
                given += [None] * (len(arguments) - len(given))
            return [None if g is None else cast(g, x.dtype) for g, x in zip(given, arguments, strict=False)]

        outputs = apply(CustomGradient(len(arguments), rule), *arguments, *flat)
        return tree.pack_sequence_as(results, list(outputs))

    return with_gradient
