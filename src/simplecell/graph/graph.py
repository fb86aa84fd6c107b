"""A graph: placeholders in, tensors out, and the nodes between in an order in which they can be computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor


def topological(outputs: Sequence[Tensor]) -> tuple[Node, ...]:
    """Every node that `outputs` need, inputs before users, in a deterministic order. Iterative: networks are deep."""
    order: list[Node] = []
    done: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(t.node, False) for t in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if node in done:
            continue
        if ready:
            done.add(node)
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((t.node, False) for t in reversed(node.inputs) if t.node not in done)
    return tuple(order)


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
