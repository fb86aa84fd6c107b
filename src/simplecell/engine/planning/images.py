"""Which groups compute each image of a batch by itself, and the same groups for fewer images.

A tensor *carries images* if its first axis counts them. A group is *independent* if some of what it reads carries
images, what it writes carries them too, and image i of the results comes from image i of the operands: then it may be
run for a few images at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from simplecell.engine.planning.groups import AnchoredGroup, Group, JoinedGroup, LoopGroup, ReductionGroup
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Node, Placeholder, Tensor
from simplecell.ops.activation import LogSoftmax, Softmax
from simplecell.ops.base import Op, Spec
from simplecell.ops.convolution import Convolution
from simplecell.ops.linear import MatMul
from simplecell.ops.pooling import AveragePool, MaxPool
from simplecell.ops.reduction import Reduce
from simplecell.ops.resampling import Resize
from simplecell.ops.shaping import Concatenate, Pad, Reshape, Slice, Transpose

Sides = Sequence[bool]
"""For each input of an op: must it carry images? The others must not: they are read as a whole."""


def batch_of(graph: Graph) -> int:
    """Images in a batch: the first extent of all inputs, if they have one in common; else 1. (A training step's inputs,
    weights among them, have not.)"""
    inputs = [t for t in graph.inputs if isinstance(t.node.op, Placeholder) and t.node.op.role == "input"]
    extents = {t.shape[0] if t.shape else 1 for t in inputs}
    return extents.pop() if len(extents) == 1 else 1


@dataclass(frozen=True)
class Images:
    """What is known about the images of a graph's batch."""

    batch: int
    independent: Set[Group]
    carrying: Set[Tensor]
    inputs: Set[Tensor]
    """of the graph, but for its parameters"""

    @staticmethod
    def of(groups: Sequence[Group], graph: Graph) -> Images:
        batch = batch_of(graph)
        inputs = frozenset(t for t in graph.inputs if isinstance(t.node.op, Placeholder) and t.node.op.role == "input")
        carrying = set(inputs)
        found: set[Group] = set()
        for group in groups if batch > 1 else ():
            sides = _sides(group, batch)
            if sides and any(sides.values()) and all((t in carrying) == carries for t, carries in sides.items()):
                found.add(group)
                carrying.update(group.outputs)
        return Images(batch, found, carrying, inputs)


# --- the rules -------------------------------------------------------------------------------------------------------


def _first(op: Any, inputs: Sequence[Tensor], batch: int) -> Sides:
    """The first input image by image, the others (weights) as they are."""
    return (True, *(False for _ in inputs[1:]))


def _but(axis: Callable[[Any], Sequence[int]]) -> Callable[[Any, Sequence[Tensor], int], Sides | None]:
    """All inputs image by image, unless the op works along the first axis."""
    return lambda op, inputs, batch: (
        None if any(a % len(inputs[0].shape) == 0 for a in axis(op)) else (True,) * len(inputs)
    )


def _matmul(op: MatMul, inputs: Sequence[Tensor], batch: int) -> Sides | None:
    """Rows of a, or the first of the axes before the matrices' own."""
    a, b = inputs
    if len(a.shape) == 2 or len(b.shape) == 2 and op.transpose_a:
        return (True, False) if len(b.shape) == 2 and not op.transpose_a else None
    rank = max(len(a.shape), len(b.shape))
    return tuple(len(t.shape) == rank and t.shape[0] == batch for t in inputs)


_RULES: dict[type[Op], Callable[[Any, Sequence[Tensor], int], Sides | None]] = {
    Convolution: _first,
    MaxPool: _first,
    AveragePool: _first,
    Resize: _first,
    MatMul: _matmul,
    Softmax: _but(lambda op: (op.axis,)),
    LogSoftmax: _but(lambda op: (op.axis,)),
    Reduce: _but(lambda op: op.axes),
    Concatenate: _but(lambda op: (op.axis,)),
    Pad: _but(lambda op: (0,) if any(op.widths[0]) else ()),
    Transpose: _but(lambda op: () if op.permutation[0] == 0 else (0,)),
    Slice: lambda op, inputs, batch: (True,) if (op.start[0], op.stop[0], op.step[0]) == (0, batch, 1) else None,
    Reshape: lambda op, inputs, batch: (True,) if op.shape[:1] == inputs[0].shape[:1] == (batch,) else None,
}
"""What an op's definition says. Ops that are not here are not taken for independent."""


def _sides(group: Group, batch: int) -> dict[Tensor, bool] | None:
    """Which of the tensors that the group reads must carry images; None if it is not independent."""
    op = group.anchor.op
    if isinstance(group, JoinedGroup):
        return _of_several(group.members, batch)
    if _has_expression(group):  # element-wise in `inputs`; a reduction perhaps on top of that
        if group.shape[:1] != (batch,) or isinstance(op, Reduce) and 0 in op.axes:
            return None
        return {t: len(t.shape) == len(group.shape) and t.shape[0] == batch for t in group.inputs}
    rule = _RULES.get(type(op))
    sides = rule(op, group.inputs, batch) if rule is not None else None
    if sides is None or len(group.outputs) != 1 or group.output.shape[:1] != (batch,):
        return None
    read = list(zip(group.inputs, sides, strict=True))
    if isinstance(group, AnchoredGroup):
        read += [(t, kind == "full") for t, kind in zip(group.operands, group.epilogue.kinds, strict=True)]
    return _joined(read)


def _has_expression(group: Group) -> bool:
    return isinstance(group, LoopGroup) or isinstance(group, ReductionGroup) and group.expression is not None


def _of_several(groups: Sequence[Group], batch: int) -> dict[Tensor, bool] | None:
    """Those of a run of groups, without what lies between them."""
    inside = {t for g in groups for t in g.outputs}
    each = [_sides(g, batch) for g in groups]
    if any(s is None for s in each):
        return None
    return _joined([(t, carries) for s in each if s is not None for t, carries in s.items() if t not in inside])


def _joined(sides: Sequence[tuple[Tensor, bool]]) -> dict[Tensor, bool] | None:
    """As one mapping; None if a tensor is read both ways."""
    joined = dict(sides)
    return joined if all(joined[t] == carries for t, carries in sides) else None


# --- fewer images ----------------------------------------------------------------------------------------------------


def for_images(group: Group, n: int, images: Images, small: dict[Tensor, Tensor]) -> Group:
    """An independent group for `n` images. `small` maps tensors that carry images to their like for `n`, and is added
    to."""

    def resized(t: Tensor) -> Tensor:
        return Tensor(Spec((n, *t.shape[1:]), t.spec.dtype), t.node, t.index)

    def like(t: Tensor) -> Tensor:
        if t not in small and t in images.carrying:
            small[t] = resized(t)
        return small.get(t, t)

    def likes(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(map(like, tensors))

    op, inputs = group.anchor.op, group.anchor.inputs
    if _has_expression(group):  # the anchor's own inputs lie inside of the expression; of them only the shapes count
        small.update((t, resized(t)) for t in inputs if t not in small and t.shape == group.shape)
    changed: dict[str, Any] = {}
    if isinstance(group, JoinedGroup):
        small.update((t, resized(t)) for g in group.members[:-1] for t in g.outputs)
        changed["members"] = tuple(for_images(g, n, images, small) for g in group.members)
    elif isinstance(group, AnchoredGroup):
        changed["operands"] = likes(group.operands)
    if isinstance(op, Reshape):
        op = Reshape((n, *op.shape[1:]))
    elif isinstance(op, Slice):
        op = replace(op, stop=(n, *op.stop[1:]))
    small.update((t, resized(t)) for t in group.anchor.outputs if t not in small)
    anchor = Node(op, likes(inputs), group.anchor.scope, likes(group.anchor.outputs))
    shape = (n, *group.shape[1:]) if group.shape else ()
    return replace(
        group,
        anchor=anchor,
        inputs=likes(group.inputs),
        outputs=likes(group.outputs),
        shape=shape,
        **changed,
    )
