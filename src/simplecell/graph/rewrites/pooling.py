"""Averages of pixels change places with sums over channels: the smaller map comes first."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from simplecell.graph.rewrites.facts import Facts, per_channel, produced_by
from simplecell.graph.tensor import Tensor, absolute_scope
from simplecell.ops import elementwise as ew
from simplecell.ops.base import apply
from simplecell.ops.convolution import Convolution
from simplecell.ops.elementwise import Binary
from simplecell.ops.pooling import AveragePool

Inputs = Sequence[Tensor]

FEWER = 2
"""times fewer pixels that are worth it: the pool may see more channels than before"""


def average_before_pointwise_convolution(op: AveragePool, inputs: Inputs, facts: Facts) -> Tensor | None:
    """pool(convolution(x, w) + b) → convolution(pool(x), w) + b for 1×1 kernels: DenseNet's transitions multiply a
    quarter of the pixels."""
    (src,) = inputs
    if FEWER * prod(op.output_spec(src.spec).shape) > prod(src.shape) or not facts.used_once(src):
        return None
    if _pointwise(src):
        return _swapped(op, src)
    added = produced_by(src, Binary)
    if added is None or added.function != "add":
        return None
    for t, b in (src.node.inputs, src.node.inputs[::-1]):
        if _pointwise(t) and facts.used_once(t) and per_channel(b, t.shape):
            return ew.add(_swapped(op, t), b)  # type: ignore[no-any-return]
    return None


def _pointwise(t: Tensor) -> bool:
    op = produced_by(t, Convolution)
    if op is None or prod(t.node.inputs[1].shape[:-2]) > 1:
        return False
    return all(s == 1 for s in op.strides) and not any(map(any, op.padding))


def _swapped(pool: AveragePool, convolution: Tensor) -> Tensor:
    src, weights = convolution.node.inputs
    averaged = apply(pool, src)
    with absolute_scope(convolution.node.scope):
        return apply(convolution.node.op, averaged, weights)  # type: ignore[no-any-return]
