"""The arrays of a case, and its function on arrays or tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import backend, tree

from simplecell.graph.tensor import Tensor, as_tensor, placeholder
from simplecell.ops.base import spec_of
from tests.keras_backend.cases import Arg, Case


class _Slot:
    def __init__(self, index: int) -> None:
        self.index = index


def drawn(case: Case, dtype: str) -> tuple[list[np.ndarray], Callable[..., Any]]:
    """The arrays among the case's arguments, and its function of them."""
    rng = np.random.default_rng(7)
    arrays: list[np.ndarray] = []

    def fill(x: Any) -> Any:
        if isinstance(x, Arg):
            arrays.append(x.draw(rng, dtype))
            return len(arrays) - 1, None
        return x

    def mark(x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return type(x)(mark(v) for v in x)
        return _Slot(fill(x)[0]) if isinstance(x, Arg) else x

    args, kwargs = mark(case.args), {k: mark(v) for k, v in case.kwargs.items()}
    module, name = case.function.split(".")
    function = getattr(getattr(backend, module), name)

    def call(*values: Any) -> Any:
        def put(x: Any) -> Any:
            if isinstance(x, (list, tuple)):
                return type(x)(put(v) for v in x)
            return values[x.index] if isinstance(x, _Slot) else x

        return function(*put(args), **{k: put(v) for k, v in kwargs.items()})

    return arrays, call


def traced(arrays: list[np.ndarray], call: Callable[..., Any]) -> tuple[list[Tensor], list[Tensor]]:
    inputs = [placeholder(spec_of(a)) for a in arrays]
    return inputs, [as_tensor(y) for y in tree.flatten(call(*inputs))]
