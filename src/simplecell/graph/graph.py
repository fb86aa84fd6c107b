"""A graph: placeholders in, tensors out, and the nodes between in an order in which they can be computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor


def topological(outputs: Sequence[Tensor]) -> tuple[Node, ...]:
    """Every node that `outputs` need, inputs before users, in a deterministic order. Iterative: networks are deep."""
    order: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = [t.node for t in reversed(outputs)]
    while stack:
        node = stack[-1]
        if node in seen:  # and so are its inputs: they were put on top of it
            order[stack.pop()] = None
            continue
        seen.add(node)
        for t in node.inputs[::-1]:
            if t.node not in seen:
                stack.append(t.node)
    return tuple(order)


def substitute(outputs: Sequence[Tensor], new: Mapping[Tensor, Tensor]) -> dict[Tensor, Tensor]:
    """For each tensor that `outputs` need and that depends on one of `new`: its copy, computed from those in their
    place. The new ones are of the old ones' specs."""
    copies = dict(new)
    for node in topological(outputs):
        if any(t in copies for t in node.inputs):
            copy = node.on([copies.get(t, t) for t in node.inputs])
            copies.update(zip(node.outputs, copy.outputs, strict=True))
    return copies


@dataclass(frozen=True, eq=False)
class Graph:
    """`inputs` are outputs of Placeholder nodes, in calling order; an input that no output needs is allowed."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]

    @staticmethod
    def of(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Graph:
        nodes = topological(outputs)
        given = {t.node for t in inputs}
        for node in nodes:
            if isinstance(node.op, Placeholder) and node not in given:
                raise ValueError(
                    f"The graph needs `{node.op.label}` ({node.op.spec}), which is not among its inputs. Pass it as an "
                    "input."
                )
        return Graph(tuple(inputs), tuple(outputs), nodes)

    def __str__(self) -> str:
        names = {t: f"%{i}" for i, t in enumerate(t for n in self.nodes for t in n.outputs)}
        lines = []
        for node in self.nodes:
            what = (
                node.op.label
                if isinstance(node.op, Placeholder)
                else ""
                if isinstance(node.op, Constant)
                else repr(node.op)
            )
            left = ", ".join(f"{names[t]}: {t.spec}" for t in node.outputs)
            lines.append(
                f"{left} = {node.op.name}({', '.join(names[t] for t in node.inputs)}) {what} {node.scope}".rstrip()
            )
        return "\n".join([*lines, "return " + ", ".join(names[t] for t in self.outputs)])


def evaluate(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run the graph by the ops' references: the oracle, and the way out where machine code cannot be had."""
    values: dict[Tensor, np.ndarray] = dict(zip(graph.inputs, arrays, strict=True))
    last_use: dict[Tensor, Node] = {t: n for n in graph.nodes for t in n.inputs}
    keep = set(graph.outputs)
    for node in graph.nodes:
        if isinstance(node.op, Placeholder):
            continue
        result = node.op.reference(*(values[t] for t in node.inputs))
        several = result if isinstance(result, tuple) else (result,)
        for tensor, value in zip(node.outputs, several, strict=True):
            values[tensor] = np.asarray(value, dtype=tensor.dtype)
        for t in set(node.inputs):
            if last_use[t] is node and t not in keep:
                values.pop(t, None)
    return [values[t] for t in graph.outputs]
