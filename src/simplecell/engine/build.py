"""graph → executable: the one entry that front ends call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import Placeholder


class Executable:
    """A graph ready to run. Parameters (placeholders of role `parameter`) are set seldom; inputs come with each call."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._is_parameter = [isinstance(t.node.op, Placeholder) and t.node.op.role == "parameter" for t in graph.inputs]
        self._parameters: list[np.ndarray] = []

    def set_parameters(self, arrays: Sequence[np.ndarray]) -> None:
        """Give the parameters, in the order in which they stand among the graph's inputs; derived data is recomputed."""
        self._parameters = list(arrays)

    def __call__(self, inputs: Sequence[np.ndarray], out: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
        """Run on arrays of exactly the placeholders' shapes and dtypes (C-contiguous, aligned, native endian)."""
        given, parameters = iter(inputs), iter(self._parameters)
        results = evaluate(self.graph, [next(parameters) if p else next(given) for p in self._is_parameter])
        if out is None:
            return results
        for target, value in zip(out, results, strict=True):
            target[...] = value
        return list(out)


def build(graph: Graph, *, threads: int | None = None, precision: str = "fast") -> Executable:
    return Executable(graph)
