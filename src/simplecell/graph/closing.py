"""A part of a graph as a graph of its own: the bodies of loops."""

from __future__ import annotations

from collections.abc import Sequence

from simplecell.graph.graph import Graph, topological
from simplecell.graph.tensor import Constant, Placeholder, Tensor, placeholder


def close_over(inside: Sequence[Tensor], outputs: Sequence[Tensor]) -> tuple[Graph, list[Tensor]]:
    """The part of the graph that depends on `inside`, as a graph of its own; what it uses from around it comes as
    further inputs.

    Returns the graph (inputs: `inside`, then one per capture) and the captured tensors of the outer graph.
    """
    own = {t.node for t in inside}
    dependent = set(own)
    nodes = topological(outputs)
    for node in nodes:
        if any(t.node in dependent for t in node.inputs):
            dependent.add(node)
    moved: dict[Tensor, Tensor] = {t: t for t in inside}
    captures: list[Tensor] = []
    stand_ins: list[Tensor] = []

    def move(t: Tensor) -> Tensor:
        if t not in moved:
            if isinstance(t.node.op, Constant):
                moved[t] = t
            else:
                moved[t] = placeholder(t.spec, "captured")
                captures.append(t)
                stand_ins.append(moved[t])
        return moved[t]

    for node in nodes:
        if node in dependent and not isinstance(node.op, Placeholder):
            copy = node.on([move(t) for t in node.inputs])
            moved.update(zip(node.outputs, copy.outputs, strict=True))
    results = [move(t) for t in outputs]
    return Graph.of([*inside, *stand_ins], results), captures
