"""How the outputs of each op depend on its inputs, axis by axis: one table, which fields of view and traces read.

An op that is not in the table counts as one whose outputs all read everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from simplecell.graph.tensor import Constant, Node, Placeholder
from simplecell.inspection.axes import Axis, Divided, Interval, Resized, Spread, Table, Whole, Window
from simplecell.ops.activation import LogSoftmax, Softmax
from simplecell.ops.base import Op, Spec
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc
from simplecell.ops.custom import CustomGradient
from simplecell.ops.elementwise import Binary, Cast, Select, StopGradient, Unary
from simplecell.ops.linear import MatMul
from simplecell.ops.pooling import AveragePool, MaxPool
from simplecell.ops.reduction import ArgReduce, Cumulative, Reduce
from simplecell.ops.resampling import Resize, axis_weights
from simplecell.ops.shaping import (
    PAD_MODES,
    BroadcastTo,
    Concatenate,
    Gather,
    OneHot,
    Pad,
    Reshape,
    Reverse,
    Slice,
    Transpose,
    UpdateSlice,
)

Box = tuple[Interval, ...]
"""For each axis of a tensor, the first and the last of its elements."""


@dataclass(frozen=True)
class Link:
    """One axis of an input and the axis of the output that decides what is read of it (None: nothing does, all of it is
    read)."""

    input_axis: int
    output_axis: int | None
    axis: Axis


@dataclass(frozen=True)
class Reshaped:
    """Axes of an input that become other axes, in the same order of elements."""

    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]
    input_extents: tuple[int, ...]
    output_extents: tuple[int, ...]

    def outermost(self, input_axis: int) -> Link | None:
        """How one axis of the input goes with the outermost axis of the output, if it does and the others are left
        open: where axes become one (`o = i · inner + …`), and where one is split."""
        inputs, outputs = self.input_extents[0], self.output_extents[0]
        if input_axis != self.input_axes[0]:
            return None
        if len(self.output_axes) == 1:
            return Link(input_axis, self.output_axes[0], Divided(inputs, outputs, prod(self.input_extents[1:])))
        if len(self.input_axes) == 1:
            inner = prod(self.output_extents[1:])
            return Link(input_axis, self.output_axes[0], Window(inputs, outputs, inner, inner))
        return None


Links = Sequence["Link | Reshaped"]
"""What an op's output reads of one input. Each of the input's axes is in one of them."""

Rule = Callable[[Any, Sequence[Spec], Spec], "Sequence[Links | None]"]


def dependence(node: Node, output: int = 0) -> Sequence[Links | None]:
    """The links of each of the node's inputs with one of its outputs; None for an input that it does not depend on."""
    specs = [t.spec for t in node.inputs]
    if isinstance(node.op, (Placeholder, Constant)):
        return []
    if isinstance(node.op, CustomGradient):  # output i is input i
        spec = node.outputs[output].spec
        return [_same(s, range(len(s.shape)), spec) if i == output else None for i, s in enumerate(specs)]
    rule = _RULES.get(type(node.op), _everything)
    return rule(node.op, specs, node.outputs[output].spec)


def back(links: Links, box: Box, spec: Spec) -> Box | None:
    """What outputs in `box` read of an input of that spec: the smallest box that holds it; None if they read
    nothing."""
    found: list[Interval | None] = [None] * len(spec.shape)
    for link in links:
        if isinstance(link, Reshaped):
            inside = _reshaped([box[a] for a in link.output_axes], link.output_extents, link.input_extents)
            for a, interval in zip(link.input_axes, inside):
                found[a] = interval
        else:
            first, last = (0, 0) if link.output_axis is None else box[link.output_axis]
            found[link.input_axis] = link.axis.inside(first, last)
    return tuple(i for i in found if i is not None) if None not in found else None


def forward(links: Links, box: Box, spec: Spec) -> Box | None:
    """Which outputs (of that spec) read an input in `box`; None if none does."""
    found: list[Interval] = [(0, n - 1) for n in spec.shape]
    for link in links:
        if isinstance(link, Reshaped):
            inside = _reshaped([box[a] for a in link.input_axes], link.input_extents, link.output_extents)
            for a, interval in zip(link.output_axes, inside):
                found[a] = interval
            continue
        reached = link.axis.forward(*box[link.input_axis])
        if reached is None:
            return None
        if link.output_axis is not None:
            first, last = found[link.output_axis]
            found[link.output_axis] = max(first, reached[0]), min(last, reached[1])
    return tuple(found) if all(a <= b for a, b in found) else None


def union(one: Box | None, other: Box | None) -> Box | None:
    """The smallest box around both."""
    if one is None or other is None:
        return one if other is None else other
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(one, other))


# --- the rules --------------------------------------------------------------------------------------------------------


def _same(spec: Spec, axes: Sequence[int | None], output: Spec) -> list[Link]:
    """Each axis of the input is the output's axis that is named, one by one, or repeated along it (extent 1)."""
    links = []
    for a, (n, to) in enumerate(zip(spec.shape, axes)):
        m = 1 if to is None else output.shape[to]
        links.append(Link(a, to, Window(n, m, stride=0 if n == 1 != m else 1)))
    return links


def _elementwise(op: Op, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    rank = len(output.shape)
    return [_same(s, range(rank - len(s.shape), rank), output) for s in inputs]


def _everything(op: Any, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    return [[Link(a, None, Whole(n, 1)) for a, n in enumerate(s.shape)] for s in inputs]


def _windows(
    src: Spec, dst: Spec, taps: Sequence[int], strides: Sequence[int], dilation: Sequence[int], low: Sequence[int]
) -> list[Link]:
    return [
        Link(a, a, Window(src.shape[a], dst.shape[a], k, s, d, p))
        for a, (k, s, d, p) in enumerate(zip(taps, strides, dilation, low), 1)
    ]


def _channels(axis: int, inputs: int, outputs: int, groups: int) -> Link:
    """Of a convolution: an output channel reads those of its group."""
    if groups == 1:
        return Link(axis, None, Whole(inputs, 1))
    group = np.arange(outputs) // (outputs // groups)
    each = inputs // groups
    return Link(axis, axis, Table(inputs, group * each, group * each + each - 1))


def _convolution(op: Convolution, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    src, weights = inputs
    low = [p for p, _ in op.padding]
    last = len(src.shape) - 1
    links: list[Link | Reshaped] = [Link(0, 0, Window(src.shape[0], output.shape[0]))]
    links += _windows(src, output, weights.shape[:-2], op.strides, op.dilation, low)
    links.append(_channels(last, src.shape[-1], output.shape[-1], op.groups))
    of_weights = [Link(a, None, Whole(n, 1)) for a, n in enumerate(weights.shape[:-1])]
    to_filter = Link(len(weights.shape) - 1, last, Window(weights.shape[-1], output.shape[-1]))
    return [links, [*of_weights, to_filter]]


def _transposed(op: ConvolutionGradientSrc, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    diff, weights = inputs
    last = len(diff.shape) - 1
    links: list[Link | Reshaped] = [Link(0, 0, Window(diff.shape[0], output.shape[0]))]
    axes = zip(weights.shape[:-2], op.strides, op.dilation, op.padding)
    for a, (k, s, d, (p, _)) in enumerate(axes, 1):
        links.append(Link(a, a, Spread(Window(output.shape[a], diff.shape[a], k, s, d, p))))
    links.append(_channels(last, diff.shape[-1], output.shape[-1], op.groups))
    return [links, [Link(a, None, Whole(n, 1)) for a, n in enumerate(weights.shape)]]


def _pool(op: MaxPool | AveragePool, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    last = len(src.shape) - 1
    windows = _windows(src, output, op.size, op.strides, (1,) * len(op.size), [p for p, _ in op.padding])
    ends = [Link(a, a, Window(src.shape[a], output.shape[a])) for a in (0, last)]
    return [[ends[0], *windows, ends[1]]]


_RADII = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


def _resize(op: Resize, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    links: list[Link] = []
    for a, (n, m) in enumerate(zip(src.shape, output.shape)):
        if n == m:
            links.append(Link(a, a, Window(n, m)))
            continue
        stretch = Fraction(n, m) if op.antialias and n > m else 1
        centred = Resized(n, m, _RADII[op.method] * Fraction(stretch))
        if op.method == "nearest":
            links.append(Link(a, a, centred))
        else:  # some weights are zero
            read = axis_weights(n, m, op.method, op.antialias) != 0
            links.append(Link(a, a, Table(n, read.argmax(1), n - 1 - read[:, ::-1].argmax(1), centred)))
    return [links]


def _pad(op: Pad, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    links = []
    for a, (n, (low, high)) in enumerate(zip(src.shape, op.widths)):
        window = Window(n, output.shape[a], low=low)
        if op.mode == "constant" or low == high == 0:
            links.append(Link(a, a, window))
        else:
            sources = np.pad(np.arange(n), (low, high), mode=PAD_MODES[op.mode])  # type: ignore[call-overload]
            links.append(Link(a, a, Table(n, sources, sources, window)))
    return [links]


def _slice(op: Slice, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    axes = zip(src.shape, output.shape, op.start, op.step)
    return [[Link(a, a, Window(n, m, stride=step, low=-start)) for a, (n, m, start, step) in enumerate(axes)]]


def _reverse(op: Reverse, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    turned = {a % len(src.shape) for a in op.axes}
    links = []
    for a, n in enumerate(src.shape):
        order = np.arange(n)[::-1]
        links.append(Link(a, a, Table(n, order, order) if a in turned else Window(n, n)))
    return [links]


def _transpose(op: Transpose, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    return [[Link(p % len(src.shape), a, Window(n, n)) for a, (p, n) in enumerate(zip(op.permutation, output.shape))]]


def _concatenate(op: Concatenate, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    axis, offset, found = op.axis % len(output.shape), 0, []
    for s in inputs:
        place = np.arange(output.shape[axis]) - offset
        there = (place >= 0) & (place < s.shape[axis])
        joined = Table(s.shape[axis], np.where(there, place, 0), np.where(there, place, -1))
        found.append([Link(a, a, joined if a == axis else Window(n, n)) for a, n in enumerate(s.shape)])
        offset += s.shape[axis]
    return found


def _reshape(op: Reshape, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    if 0 in src.shape:
        return _everything(op, inputs, output)
    links: list[Link | Reshaped] = [Link(a, None, Whole(1, 1)) for a, n in enumerate(src.shape) if n == 1]
    left, right = ([a for a, n in enumerate(s.shape) if n > 1] for s in (src, output))
    while left:  # the shortest runs of axes that have equally many elements
        taken, given = [left.pop(0)], [right.pop(0)]
        while (n := prod(src.shape[a] for a in taken)) != (m := prod(output.shape[a] for a in given)):
            taken, given = (taken + [left.pop(0)], given) if n < m else (taken, given + [right.pop(0)])
        if len(taken) == len(given) == 1:
            links.append(Link(taken[0], given[0], Window(n, m)))
        else:
            extents = tuple(src.shape[a] for a in taken), tuple(output.shape[a] for a in given)
            links.append(Reshaped(tuple(taken), tuple(given), *extents))
    return [links]


def _reshaped(box: Sequence[Interval], extents: Sequence[int], others: Sequence[int]) -> list[Interval]:
    """The smallest box among axes of extents `others` that holds the elements of `box`."""
    inside = [(min(max(a, 0), n - 1), max(min(b, n - 1), 0)) for (a, b), n in zip(box, extents)]
    first = last = 0
    for (a, b), n in zip(inside, extents):
        first, last = first * n + a, last * n + b
    found: list[Interval] = []
    size, apart = prod(others), False
    for n in others:
        size //= n
        a, first = divmod(first, size)
        b, last = divmod(last, size)
        found.append((0, n - 1) if apart else (a, b))
        apart = apart or a != b
    return found


def _reduce(op: Reduce, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    reduced = {a % len(src.shape) for a in op.axes}
    links, to = [], 0
    for a, n in enumerate(src.shape):
        if a in reduced:
            links.append(Link(a, None, Whole(n, 1)))
            to += op.keepdims
        else:
            links.append(Link(a, to, Window(n, n)))
            to += 1
    return [links]


def _arg_reduce(op: ArgReduce, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    return _reduce(Reduce("max", (op.axis,), op.keepdims), inputs, output)


def _along(op: Softmax | LogSoftmax, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    axis = op.axis % len(src.shape)
    return [[Link(a, None, Whole(n, 1)) if a == axis else Link(a, a, Window(n, n)) for a, n in enumerate(src.shape)]]


def _cumulative(op: Cumulative, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    (src,) = inputs
    axis = op.axis % len(src.shape)
    order, n = np.arange(src.shape[axis]), src.shape[axis]
    until = Table(n, order, np.full(n, n - 1)) if op.reverse else Table(n, np.zeros(n, int), order)
    return [[Link(a, a, until if a == axis else Window(m, m)) for a, m in enumerate(src.shape)]]


def _matmul(op: MatMul, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    a, b = inputs
    rank = len(output.shape)

    def links(s: Spec, kept: int, summed: int, to: int) -> list[Link]:
        leading = Spec(s.shape[:-2], s.dtype)
        found = _same(leading, range(rank - len(s.shape), rank - 2), output)
        n = len(s.shape)
        found.append(Link(n + kept, to, Window(s.shape[kept], output.shape[to])))
        found.append(Link(n + summed, None, Whole(s.shape[summed], 1)))
        return found

    rows, depth = (-1, -2) if op.transpose_a else (-2, -1)
    columns, along = (-2, -1) if op.transpose_b else (-1, -2)
    return [links(a, rows, depth, rank - 2), links(b, columns, along, rank - 1)]


def _gather(op: Gather, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    x, indices = inputs
    axis, more = op.axis % len(x.shape), len(indices.shape)
    of_x = [
        Link(a, None, Whole(n, 1)) if a == axis else Link(a, a if a < axis else a + more - 1, Window(n, n))
        for a, n in enumerate(x.shape)
    ]
    return [of_x, [Link(a, axis + a, Window(n, n)) for a, n in enumerate(indices.shape)]]


def _one_hot(op: OneHot, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    return [[Link(a, a, Window(n, n)) for a, n in enumerate(inputs[0].shape)]]


def _update(op: UpdateSlice, inputs: Sequence[Spec], output: Spec) -> Sequence[Links | None]:
    x, updates = inputs
    axes = zip(updates.shape, output.shape, op.start)
    return [
        [Link(a, a, Window(n, n)) for a, n in enumerate(x.shape)],
        [Link(a, a, Window(n, m, low=start)) for a, (n, m, start) in enumerate(axes)],
    ]


_RULES: Mapping[type[Op], Rule] = {
    Unary: _elementwise,
    Binary: _elementwise,
    Select: _elementwise,
    Cast: _elementwise,
    StopGradient: _elementwise,
    BroadcastTo: _elementwise,
    Convolution: _convolution,
    ConvolutionGradientSrc: _transposed,
    MaxPool: _pool,
    AveragePool: _pool,
    Resize: _resize,
    Pad: _pad,
    Slice: _slice,
    Reverse: _reverse,
    Transpose: _transpose,
    Concatenate: _concatenate,
    Reshape: _reshape,
    Reduce: _reduce,
    ArgReduce: _arg_reduce,
    Softmax: _along,
    LogSoftmax: _along,
    Cumulative: _cumulative,
    MatMul: _matmul,
    Gather: _gather,
    OneHot: _one_hot,
    UpdateSlice: _update,
}
