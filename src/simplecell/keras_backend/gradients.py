"""Gradients of what a trace has recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from keras.src.backend.common import KerasVariable

from simplecell.graph.gradients import gradients as graph_gradients
from simplecell.graph.graph import topological
from simplecell.graph.tensor import Tensor
from simplecell.keras_backend.eager_tensor import EagerScope, value_of
from simplecell.keras_backend.tracing import current_trace
from simplecell.ops import reduction
from simplecell.ops.base import spec_of
from simplecell.ops.dtypes import is_inexact


def gradients(loss: Any, variables: Sequence[Any]) -> list[Any]:
    """Gradients of `loss` for each of `variables`, inside of `train_step` (or whatever a step calls).

    Args:
        loss: a tensor; if it is not a scalar, its sum is differentiated.
        variables: Keras variables (as the loss has read them: after an assignment, at their new value), or tensors.

    Returns:
        One tensor per variable, of its shape and dtype: zeros where the loss does not depend on it.

    Raises:
        TypeError: `variables` is no list or tuple of them.
        RuntimeError: outside of a traced step, where arrays carry no history.
        ValueError: inside of one, if the loss or one of `variables` is a plain array, which nothing was recorded for.

    Example:
        >>> def train_step(self, data):
        ...     x, y = data
        ...     loss = self.compute_loss(x, y, self(x, training=True))
        ...     self.optimizer.apply(simplecell.gradients(loss, self.trainable_weights), self.trainable_weights)
        ...     return {"loss": loss}
    """
    variables = several(variables)
    scope = current_trace()
    if scope is None and (
        any(isinstance(v, KerasVariable) for v in variables)
        or not any(isinstance(x, Tensor) for x in (loss, *variables))
    ):
        raise RuntimeError(
            "`gradients` works inside of a traced step only (`train_step` and what it calls). "
            "Elsewhere NumPy arrays carry no history: use `simplecell.value_and_gradients`, or write a `train_step` "
            "and call `fit` or `train_on_batch`."
        )
    if isinstance(loss, KerasVariable):
        loss = loss.value
    for i, v in enumerate(variables):
        if not isinstance(v, (Tensor, KerasVariable)):
            raise ValueError(
                f"`variables[{i}]` is a {type(v).__name__}, whose use is not recorded: its gradient is not known. Give "
                "variables, or tensors that the "
                "loss was computed from: the step's data (not with `run_eagerly=True`, where they are arrays), or what "
                "was computed from them."
            )
    if not isinstance(loss, Tensor) and not isinstance(scope, EagerScope):
        raise ValueError(
            f"`loss` is a {type(loss).__name__}, not a tensor: it was computed from none of the variables. Compute it "
            "from the model's outputs."
        )
    nodes = set(topological([loss])) if isinstance(loss, Tensor) else set()
    wrt = [scope.version_in(v, nodes) if scope is not None and isinstance(v, KerasVariable) else v for v in variables]
    for i, (v, t) in enumerate(zip(variables, wrt, strict=True)):
        if not isinstance(t, Tensor) and is_inexact(spec_of(t).dtype):
            raise ValueError(
                f"`variables[{i}]` is {v.path}, whose use is not recorded: only those of trainable variables are "
                "recorded with `run_eagerly=True`, "
                "and in `train_step` only."
            )
    tensors = [t for t in wrt if isinstance(t, Tensor)]
    if isinstance(loss, Tensor) and tensors:
        found = dict(
            zip(
                map(id, tensors),
                graph_gradients(reduction.sum(loss) if loss.shape != () else loss, tensors),
                strict=True,
            )
        )
    else:
        found = {}
    result = [found[id(t)] if id(t) in found else np.zeros(t.shape, t.dtype) for t in wrt]
    return [value_of(g) for g in result] if isinstance(scope, EagerScope) else result


def several(variables: Any) -> tuple[Any, ...]:
    """`variables`, which are a list of them. An only one would be taken apart into its rows, which nothing depends on.

    Raises:
        TypeError: it is one variable or array, a model, or a dict.
    """
    if isinstance(variables, (KerasVariable, Tensor, np.ndarray, dict)) or not isinstance(variables, Iterable):
        kind = type(variables).__name__
        raise TypeError(
            f"variables: must be a list or tuple of them, got one {kind}. Pass [{kind.lower()}], or, of a model, its "
            "`trainable_variables`."
        )
    return tuple(variables)
