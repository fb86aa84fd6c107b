"""Scales and shifts of channels, folded into the weights of the convolution or matrix product beside them.

Batch normalization at inference is x · factor + shift. After a convolution, `factor` goes into its weights and `shift`
into its bias; both depend on parameters alone, so that they are computed once, not at each call.
"""

from __future__ import annotations

from collections.abc import Sequence

from simplecell.graph.rewrites.facts import Facts, per_channel, produced_by
from simplecell.graph.tensor import Tensor, absolute_scope
from simplecell.ops import elementwise as ew
from simplecell.ops import shaping
from simplecell.ops.base import apply
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc
from simplecell.ops.elementwise import Binary
from simplecell.ops.linear import MatMul

Inputs = Sequence[Tensor]


def _linear(t: Tensor, facts: Facts) -> bool:
    """A convolution, transposed convolution or matrix product with weights from parameters, that nothing else reads."""
    op = t.node.op
    return (
        isinstance(op, (Convolution, ConvolutionGradientSrc, MatMul))
        and facts.used_once(t)
        and facts.static(t.node.inputs[1])
    )


def _shifted(t: Tensor, facts: Facts) -> tuple[Tensor, Tensor] | None:
    """(linear op, shift), if it is their sum."""
    op = produced_by(t, Binary)
    if op is None or op.function != "add" or not facts.used_once(t):
        return None
    for linear, shift in (t.node.inputs, t.node.inputs[::-1]):
        if _linear(linear, facts) and facts.static(shift) and per_channel(shift, linear.shape):
            return linear, shift
    return None


def _vector(factor: Tensor) -> Tensor:
    """The factor as a vector of channels, or as a number."""
    return shaping.reshape(factor, () if factor.size == 1 else (factor.shape[-1],))  # type: ignore[no-any-return]


def _scaled(linear: Tensor, factor: Tensor) -> Tensor:
    """The same linear op with weights that give `factor` (static, per channel) times the output."""
    op, (src, weights) = linear.node.op, linear.node.inputs
    vector = _vector(factor)
    if vector.ndim == 1:
        if isinstance(op, ConvolutionGradientSrc):  # output channels are weights' second-last axis, within each group
            inner, outer = weights.shape[-2:]
            by_group = shaping.transpose(shaping.reshape(vector, (op.groups, inner)))
            vector = shaping.reshape(
                shaping.broadcast_to(shaping.expand_dims(by_group, 2), (inner, op.groups, outer // op.groups)),
                (inner, outer),
            )
        elif isinstance(op, MatMul) and op.transpose_b:
            vector = shaping.expand_dims(vector, 1)
    with absolute_scope(linear.node.scope):  # it stays the convolution's step, not the normalization's
        return apply(op, src, ew.multiply(weights, vector))  # type: ignore[no-any-return]


def scale_into_weights(op: Binary, inputs: Inputs, facts: Facts) -> Tensor | None:
    """linear(x, w) · f → linear(x, w · f), and (linear(x, w) + b) · f → linear(x, w · f) + b · f; the same for
    division."""
    pairs = [tuple(inputs)] + ([tuple(reversed(inputs))] if op.function == "multiply" else [])
    for t, factor in pairs:
        if not facts.static(factor) or not per_channel(factor, t.shape):
            continue
        shifted = _shifted(t, facts)
        if shifted is None and not _linear(t, facts):
            continue
        if op.function == "divide":
            factor = ew.reciprocal(factor)
        if shifted is None:
            return _scaled(t, factor)
        linear, shift = shifted
        return ew.add(_scaled(linear, factor), ew.multiply(_vector(shift), _vector(factor)))  # type: ignore[no-any-return]
    return None


def shifts_added_up(op: Binary, inputs: Inputs, facts: Facts) -> Tensor | None:
    """(linear + b) + c → linear + (b + c), and linear - c → linear + (-c)."""
    pairs = [tuple(inputs)] + ([tuple(reversed(inputs))] if op.function == "add" else [])
    for t, c in pairs:
        if not facts.static(c) or not per_channel(c, t.shape):
            continue
        c = _vector(ew.negative(c) if op.function == "subtract" else c)
        shifted = _shifted(t, facts)
        if shifted is not None:
            return ew.add(shifted[0], ew.add(_vector(shifted[1]), c))  # type: ignore[no-any-return]
        if op.function == "subtract" and _linear(t, facts):
            return ew.add(t, c)  # type: ignore[no-any-return]
    return None


def input_scale_into_weights(op: Convolution | MatMul, inputs: Inputs, facts: Facts) -> Tensor | None:
    """linear(x · s, w) → linear(x, s · w) for a number s, or one per input channel, and the same for x / s: rescaled
    pixels and the division of a mean cost nothing. What a convolution pads is 0 before and after."""
    src, weights = inputs
    product = produced_by(src, Binary)
    if (
        product is None
        or product.function not in ("multiply", "divide")
        or not facts.used_once(src)
        or not facts.static(weights)
    ):
        return None
    divided = product.function == "divide"
    for x, s in (src.node.inputs,) if divided else (src.node.inputs, src.node.inputs[::-1]):
        if facts.static(x) or not facts.static(s) or not per_channel(s, x.shape):
            continue
        vector = _vector(s)
        if vector.ndim == 1:
            if isinstance(op, Convolution) and op.groups == 1:
                vector = shaping.expand_dims(vector, 1)
            elif isinstance(op, MatMul) and not op.transpose_a:
                vector = vector if op.transpose_b else shaping.expand_dims(vector, 1)
            else:
                return None
        return apply(op, x, (ew.divide if divided else ew.multiply)(weights, vector))  # type: ignore[no-any-return]
    return None


def scales_and_shifts(op: Binary, inputs: Inputs, facts: Facts) -> Tensor | None:
    """The rules above, by function."""
    if op.function in ("multiply", "divide"):
        return scale_into_weights(op, inputs, facts)
    return shifts_added_up(op, inputs, facts) if op.function in ("add", "subtract") else None
