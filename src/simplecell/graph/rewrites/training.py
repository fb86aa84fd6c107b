"""Rewrites of what `gradients` leaves behind: whole passes over feature maps that need not be."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from simplecell.graph.rewrites.facts import Facts, is_uniform, produced_by, uniform
from simplecell.graph.tensor import Tensor, absolute_scope, as_tensor
from simplecell.ops import elementwise as ew
from simplecell.ops import shaping
from simplecell.ops.base import apply
from simplecell.ops.elementwise import Binary, Select, Unary
from simplecell.ops.pooling import MaxPoolGradient
from simplecell.ops.reduction import Reduce
from simplecell.ops.shaping import Reshape

Inputs = Sequence[Tensor]


def relu_mask_before_pooling_gradient(op: Select, inputs: Inputs, facts: Facts) -> Tensor | None:
    """src > 0 ? max_pool_gradient(src, dst, d) : 0 → max_pool_gradient(src, dst, dst > 0 ? d : 0): the gradient goes
    where src equals dst, so that the mask can be taken on the smaller side (relu followed by max-pooling)."""
    condition, pooled, zero = inputs
    test, gradient = produced_by(condition, Binary), produced_by(pooled, MaxPoolGradient)
    if (
        test is None
        or gradient is None
        or test.function != "greater"
        or not is_uniform(zero, 0)
        or not facts.used_once(pooled)
    ):
        return None
    src, dst, d = pooled.node.inputs
    if condition.node.inputs[0] is not src or not is_uniform(condition.node.inputs[1], 0):
        return None
    masked = ew.select(ew.greater(dst, 0), d, 0)
    with absolute_scope(pooled.node.scope):
        return apply(gradient, src, dst, masked)  # type: ignore[no-any-return]


def sum_of_deviations(op: Reduce, inputs: Inputs, facts: Facts) -> Tensor | None:
    """Σ (x - mean(x)) · c = 0 for every c that is the same along the summed axes: the way back through the mean within
    a variance, which batch and layer normalization would otherwise spend a pass over the feature map on."""
    (t,) = inputs
    if op.function != "sum":
        return None
    while True:
        unary, binary = produced_by(t, Unary), produced_by(t, Binary)
        if unary is not None and unary.function == "negative":
            t = t.node.inputs[0]
        elif binary is not None and binary.function in ("multiply", "divide"):
            a, b = t.node.inputs
            if _same_along(b, op.axes, inputs[0].ndim) and a.shape == inputs[0].shape:
                t = a
            elif (
                binary.function == "multiply" and _same_along(a, op.axes, inputs[0].ndim) and b.shape == inputs[0].shape
            ):
                t = b
            else:
                return None
        elif binary is not None and binary.function == "subtract":
            x, m = t.node.inputs
            if x.shape != inputs[0].shape or not _same_along(m, op.axes, x.ndim) or not _is_mean(m, x, op.axes):
                return None
            spec = op.output_spec(inputs[0].spec)
            return as_tensor(shaping.full(spec.shape, 0, spec.dtype))
        else:
            return None


def _same_along(t: Tensor, axes: tuple[int, ...], rank: int) -> bool:
    """Is t, broadcast to `rank`, constant along `axes`?"""
    padded = (1,) * (rank - t.ndim) + t.shape
    return all(padded[a] == 1 for a in axes)


def _is_mean(m: Tensor, x: Tensor, axes: tuple[int, ...]) -> bool:
    """Is m, up to its shape, the sum of x over `axes` divided by the number of elements summed?"""
    m = _unshaped(m)
    op = produced_by(m, Binary)
    if op is None or op.function not in ("divide", "multiply"):
        return False
    count = prod(x.shape[a] for a in axes)
    number = uniform(m.node.inputs[1])
    if number is None or number != (count if op.function == "divide" else m.dtype.type(1 / count)):
        return False
    total = _unshaped(m.node.inputs[0])
    reduce = produced_by(total, Reduce)
    return reduce is not None and reduce.function == "sum" and reduce.axes == axes and total.node.inputs[0] is x


def _unshaped(t: Tensor) -> Tensor:
    while produced_by(t, Reshape) is not None:
        t = t.node.inputs[0]
    return t
