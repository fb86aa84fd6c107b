"""What is known about the tensors of a graph before anything is planned."""

from __future__ import annotations

from functools import cached_property

from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Placeholder, Tensor


class Facts:
    """Which tensors change from one run to the next."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def inputs(self) -> frozenset[Tensor]:
        """The graph's inputs but for its parameters."""
        return frozenset(
            t for t in self.graph.inputs if isinstance(t.node.op, Placeholder) and t.node.op.role != "parameter"
        )

    @cached_property
    def changing(self) -> frozenset[Tensor]:
        """What depends on the inputs."""
        found: set[Tensor] = set(self.inputs)
        for node in self.graph.nodes:
            if not found.isdisjoint(node.inputs):
                found.update(node.outputs)
        return frozenset(found)

    def given(self, tensor: Tensor) -> bool:
        """Does it depend on parameters and constants alone?"""
        return tensor not in self.changing
