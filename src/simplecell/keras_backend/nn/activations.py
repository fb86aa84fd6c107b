"""Activation functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import cast, constant, dtype_of, floating, same, unary
from simplecell.keras_backend.numpy.ordering import sort
from simplecell.keras_backend.numpy.reductions import cumsum, max, reduce
from simplecell.ops import activation, shaping


def _float(x: Any) -> Any:
    x = convert_to_tensor(x)
    return cast(x, floating(dtype_of(x)))


relu = unary("relu", activation.relu, same)
relu6 = unary("relu6", activation.relu6, same)
sigmoid = unary("sigmoid", ops.sigmoid)
tanh = unary("tanh", ops.tanh)
softplus = unary("softplus", ops.softplus)
softsign = unary("softsign", activation.softsign)
silu = unary("silu", activation.silu)
log_sigmoid = unary("log_sigmoid", activation.log_sigmoid)
hard_sigmoid = unary("hard_sigmoid", activation.hard_sigmoid)
hard_silu = unary("hard_silu", activation.hard_silu)
hard_tanh = unary("hard_tanh", activation.hard_tanh)
selu = unary("selu", activation.selu)
tanh_shrink = unary("tanh_shrink", activation.tanh_shrink)
sparse_sigmoid = unary("sparse_sigmoid", activation.sparse_sigmoid)
sparse_plus = unary("sparse_plus", activation.sparse_plus)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    return activation.leaky_relu(_float(x), negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    return activation.elu(_float(x), alpha)


def celu(x: Any, alpha: float = 1.0) -> Any:
    return activation.celu(_float(x), alpha)


def gelu(x: Any, approximate: bool = True) -> Any:
    return activation.gelu(_float(x), approximate)


def squareplus(x: Any, b: float = 4) -> Any:
    return activation.squareplus(_float(x), b)


def glu(x: Any, axis: int = -1) -> Any:
    return activation.glu(_float(x), axis)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    return activation.soft_shrink(_float(x), threshold)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    return activation.hard_shrink(_float(x), threshold)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    return activation.threshold(_float(x), threshold, default_value)


# --- distributions over an axis ---------------------------------------------------------------------------------------


def _over_axis(function: Callable[[Any, int], Any], x: Any, axis: Any) -> Any:
    """`function` over one axis, or over all values when `axis` is None."""
    x = _float(x)
    if axis is None:
        return shaping.reshape(function(shaping.reshape(x, (math.prod(x.shape),)), 0), x.shape)
    if isinstance(axis, (tuple, list)):
        kept = [a for a in range(len(x.shape)) if a not in {b % len(x.shape) for b in axis}]
        order = (*kept, *(a for a in range(len(x.shape)) if a not in kept))
        moved = shaping.transpose(x, order)
        flat = shaping.reshape(moved, (*moved.shape[: len(kept)], math.prod(moved.shape[len(kept) :])))
        back = tuple(order.index(a) for a in range(len(order)))
        return shaping.transpose(shaping.reshape(function(flat, len(kept)), moved.shape), back)
    if not -len(x.shape) <= axis < len(x.shape):
        raise ValueError(f"axis {axis} is out of bounds for an array of {len(x.shape)} dimensions.")
    return function(x, axis % len(x.shape))


def softmax(x: Any, axis: Any = -1) -> Any:
    return _over_axis(activation.softmax, x, axis)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    return _over_axis(activation.log_softmax, x, axis)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """The nearest point of the probability simplex: max(x − τ, 0) with τ so that the sum is 1."""
    return _over_axis(_sparsemax, x, axis)


def _sparsemax(x: Any, axis: int) -> Any:
    n = x.shape[axis]
    line = [1] * len(x.shape)
    line[axis] = n
    descending = ops.negative(sort(ops.negative(x), axis))
    rank = constant(np.arange(1, n + 1).reshape(line), x)
    running = cumsum(descending, axis)
    # The support is made of the k largest values, k being the last rank for which 1 + k·xₖ > x₁ + … + xₖ.
    in_support = ops.greater(constant(1, x) + rank * descending, running)
    k = max(ops.select(in_support, rank, constant(0, x)), axis, keepdims=True)
    last = ops.cast(ops.equal(rank, k), dtype_of(x))
    tau = (reduce("sum", running * last, axis, True) - constant(1, x)) / k
    return ops.maximum(x - tau, constant(0, x))
