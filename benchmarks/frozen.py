"""A model's inference graph with its weights as constants: what every peer is given, batch-norm folded and all."""

from __future__ import annotations

from typing import Any

import simplecell
from simplecell.graph.graph import Graph
from simplecell.graph.simplify import simplify
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor, as_tensor


def frozen(model: Any, batch: int) -> Graph:
    """The simplified graph of `model(x)` for one float32 input, parameters replaced by their values and folded."""
    network = simplecell.trace(model, batch_size=batch)
    values = {p.tensor: p.array for p in network.parameters.values()}
    graph = simplify(network.graph).graph
    known: dict[Tensor, Tensor] = {}
    inputs = []
    for t in graph.inputs:
        if t in values:
            known[t] = as_tensor(values[t])
        else:
            known[t] = t
            inputs.append(t)
    for node in graph.nodes:
        if isinstance(node.op, Placeholder):
            continue
        if isinstance(node.op, Constant):
            known[node.outputs[0]] = node.outputs[0]
            continue
        operands = [known[t] for t in node.inputs]
        if operands and all(isinstance(t.node.op, Constant) for t in operands):
            result = node.op.reference(*(t.node.op.value for t in operands))
            outputs: Any = tuple(as_tensor(r) for r in (result if isinstance(result, tuple) else (result,)))
        else:
            outputs = Node.make(node.op, operands, node.scope).outputs
        known.update(zip(node.outputs, outputs, strict=True))
    return Graph.of(inputs, [known[t] for t in graph.outputs])
