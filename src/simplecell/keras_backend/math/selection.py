"""The largest values, and whether a target is among them."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import callout, cast, constant, no_gradient
from simplecell.keras_backend.numpy.indexing import take_along_axis
from simplecell.keras_backend.numpy.reductions import reduce
from simplecell.keras_backend.numpy.shaping import expand_dims


def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """Equal values in the order in which they stand."""
    x = convert_to_tensor(x)
    k = int(k)
    if not 0 <= k <= x.shape[-1]:
        raise ValueError(f"`k` must not exceed the size of the last axis, {x.shape[-1]}. Received: k={k}")

    def largest(a: np.ndarray) -> np.ndarray:
        n = a.shape[-1]
        ascending = n - 1 - np.argsort(a[..., ::-1], -1, kind="stable")
        return np.ascontiguousarray(ascending[..., ::-1][..., :k]).astype("int32")

    indices = callout(largest, x, label="top_k", gradient=no_gradient)
    return take_along_axis(x, indices, -1), indices


def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Fewer than k predictions are larger than the target's; no prediction that is not finite is in."""
    targets, predictions = cast(convert_to_tensor(targets), "int32"), convert_to_tensor(predictions)
    classes = predictions.shape[-1]
    inside = ops.logical_and(
        ops.greater_equal(targets, constant(0, targets)), ops.less(targets, constant(classes, targets))
    )
    index = ops.minimum(ops.maximum(targets, constant(0, targets)), constant(classes - 1, targets))
    own = take_along_axis(predictions, expand_dims(index, -1), -1)
    larger = reduce("sum", cast(ops.greater(predictions, own), "int32"), -1, False)
    finite = reduce("all", ops.isfinite(own), -1, False)
    return ops.logical_and(ops.logical_and(inside, finite), ops.less(larger, constant(k, larger)))
