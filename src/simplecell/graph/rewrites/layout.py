"""Reshapes and transposes: composed, cancelled, and moved behind element-wise ops until they meet their inverse.

A model in channels_first transposes before and after each convolution. Once the transposes have sunk through the
activations and additions in between, neighbours cancel and the whole network runs channels-last.
"""

from __future__ import annotations

from collections.abc import Sequence

from simplecell.graph.rewrites.facts import Facts, produced_by
from simplecell.graph.tensor import Tensor
from simplecell.ops import shaping
from simplecell.ops.base import Op, apply
from simplecell.ops.elementwise import Binary, Cast, Select, Unary
from simplecell.ops.reduction import Reduce
from simplecell.ops.shaping import Concatenate, Pad, Reshape, Slice, Transpose, inverse_permutation

Inputs = Sequence[Tensor]


def reshape_of_reshape(op: Reshape, inputs: Inputs, facts: Facts) -> Tensor | None:
    """Only the last shape counts."""
    (x,) = inputs
    return shaping.reshape(x.node.inputs[0], op.shape) if produced_by(x, Reshape) else None


def transpose_of_transpose(op: Transpose, inputs: Inputs, facts: Facts) -> Tensor | None:
    """One permutation after the other is one permutation, often none."""
    (x,) = inputs
    first = produced_by(x, Transpose)
    if first is None:
        return None
    return shaping.transpose(x.node.inputs[0], tuple(first.permutation[a] for a in op.permutation))  # type: ignore[no-any-return]


def transpose_of_unit_axes(op: Transpose, inputs: Inputs, facts: Facts) -> Tensor | None:
    """A transpose that moves axes of extent 1 alone is a reshape: no element moves."""
    (x,) = inputs
    order = [a for a in op.permutation if x.shape[a] != 1]
    return shaping.reshape(x, op.output_spec(x.spec).shape) if order == sorted(order) else None


def reduction_of_unit_axes(op: Reduce, inputs: Inputs, facts: Facts) -> Tensor | None:
    """Axes of extent 1 need no reduction, only a reshape."""
    (x,) = inputs
    real = tuple(a for a in op.axes if x.shape[a] != 1)
    if real == op.axes:
        return None
    reduced = apply(Reduce(op.function, real, op.keepdims), x) if real else x
    return shaping.reshape(reduced, op.output_spec(x.spec).shape)  # type: ignore[no-any-return]


def kept_axes_as_reshape(op: Reduce, inputs: Inputs, facts: Facts) -> Tensor | None:
    """A reduction that keeps its axes is one that does not, and a reshape: so that both are seen to be the same."""
    if not op.keepdims:
        return None
    (x,) = inputs
    return shaping.reshape(apply(Reduce(op.function, op.axes), x), op.output_spec(x.spec).shape)  # type: ignore[no-any-return]


def reshape_sinks(op: Op, inputs: Inputs, facts: Facts) -> Tensor | None:
    """f(reshape(x), …) as reshape(f(x, …)) for element-wise f, if every other operand is one number, or was reshaped
    alike: f then meets what made x, and reshapes meet each other."""
    first = next((t for t in inputs if produced_by(t, Reshape) is not None), None)
    if first is None:
        return None
    source = first.node.inputs[0]
    moved: list[Tensor] = []
    for t in inputs:
        if produced_by(t, Reshape) is not None and t.shape == first.shape and t.node.inputs[0].shape == source.shape:
            moved.append(t.node.inputs[0])
        elif t.size == 1 and t.ndim <= first.ndim and first.size > 1:
            moved.append(shaping.reshape(t, ()))
        else:
            return None
    return shaping.reshape(apply(op, *moved), first.shape)  # type: ignore[no-any-return]


def transpose_sinks(op: Op, inputs: Inputs, facts: Facts) -> Tensor | None:
    """f(transpose(x), …) as transpose(f(x, …)) for element-wise f, joins, padding and slices, if every other operand is
    transposed in the same way, or is derived from parameters, or is one number. Also where something else reads the
    transposed operand: that is most often the other branch of a residual block, where it sinks as well."""
    first = next((p for t in inputs if (p := produced_by(t, Transpose)) is not None), None)
    if first is None:
        return None
    order = first.permutation
    inverse = inverse_permutation(order)
    moved: list[Tensor] = []
    for t in inputs:
        mine = produced_by(t, Transpose)
        if mine is not None and mine.permutation == order:
            moved.append(t.node.inputs[0])
        elif isinstance(op, (Binary, Select)) and (t.size == 1 or facts.static(t)):
            padded = shaping.reshape(t, (1,) * (len(order) - t.ndim) + t.shape) if 0 < t.ndim < len(order) else t
            moved.append(shaping.transpose(padded, inverse) if padded.ndim == len(order) else padded)
        else:
            return None
    if isinstance(op, Concatenate):
        op = Concatenate(order[op.axis])
    elif isinstance(op, Pad):
        op = Pad(tuple(op.widths[a] for a in inverse), op.mode, op.value)
    elif isinstance(op, Slice):
        op = Slice(*(tuple(entries[a] for a in inverse) for entries in (op.start, op.stop, op.step)))
    elif not isinstance(op, (Unary, Binary, Select, Cast)):
        return None
    return shaping.transpose(apply(op, *moved), order)  # type: ignore[no-any-return]


def reduction_of_transpose(op: Reduce, inputs: Inputs, facts: Facts) -> Tensor | None:
    """Reduces the axes where they were before the transpose, if the order of the others did not change."""
    (x,) = inputs
    first = produced_by(x, Transpose)
    if first is None:
        return None
    kept = [a for i, a in enumerate(first.permutation) if i not in op.axes]
    if kept != sorted(kept):
        return None
    reduced = apply(Reduce(op.function, tuple(sorted(first.permutation[a] for a in op.axes))), x.node.inputs[0])
    return shaping.reshape(reduced, op.output_spec(x.spec).shape)  # type: ignore[no-any-return]
