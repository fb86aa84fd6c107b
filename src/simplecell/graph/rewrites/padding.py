"""Padding that the op behind it can do itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simplecell.graph.rewrites.facts import Facts, non_negative, produced_by
from simplecell.graph.tensor import Tensor
from simplecell.ops.base import apply
from simplecell.ops.convolution import Convolution, ConvolutionGradientWeights
from simplecell.ops.geometry import Pairs
from simplecell.ops.pooling import MaxPool
from simplecell.ops.shaping import Pad

Inputs = Sequence[Tensor]


def _joined(first: Pad, padding: Pairs) -> Pairs | None:
    """Both paddings as one, if the first leaves batch and channels alone."""
    if any(first.widths[0]) or any(first.widths[-1]):
        return None
    return tuple((lo + a, hi + b) for (lo, hi), (a, b) in zip(first.widths[1:-1], padding, strict=True))


def padding_into_convolution(
    op: Convolution | ConvolutionGradientWeights, inputs: Inputs, facts: Facts
) -> Tensor | None:
    """A border of zeros before a convolution (or before the gradient of its weights)."""
    src, other = inputs
    first = produced_by(src, Pad)
    if first is None or first.mode != "constant" or first.value != 0:
        return None
    padding = _joined(first, op.padding)
    return None if padding is None else apply(replace(op, padding=padding), src.node.inputs[0], other)


def padding_into_max_pool(op: MaxPool, inputs: Inputs, facts: Facts) -> Tensor | None:
    """A border of -inf before max-pooling, or of zeros around what is never negative (after relu), if every window
    keeps an element that is not padded."""
    (src,) = inputs
    first = produced_by(src, Pad)
    if first is None or first.mode != "constant":
        return None
    x = src.node.inputs[0]
    if first.value != float("-inf") and not (first.value == 0 and not any(map(any, op.padding)) and non_negative(x)):
        return None
    padding = _joined(first, op.padding)
    if padding is None or any(max(pair) >= size for pair, size in zip(padding, op.size, strict=True)):
        return None
    joined = replace(op, padding=padding)
    windows = zip(x.shape[1:-1], joined.output_spec(x.spec).shape[1:-1], op.strides, padding, strict=True)
    empty = any((out - 1) * stride - low >= extent for extent, out, stride, (low, _) in windows)
    return None if empty else apply(joined, x)
