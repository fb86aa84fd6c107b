"""What the nodes of a graph are gathered into: groups, each of which becomes one step or a few."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue, Expression
from simplecell.graph.tensor import Node, Tensor
from simplecell.ops.pooling import AveragePool, MaxPool


@dataclass(frozen=True, eq=False)
class Group:
    """One node by itself, and the base of the other kinds.

    `anchor` is the node that decides how the group is lowered. `inputs` are what it reads (an epilogue's operands are
    further ones), `outputs` what others may read. `shape` is that of the anchor's output, if nothing else is said.
    """

    nodes: tuple[Node, ...]
    anchor: Node
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    shape: tuple[int, ...]

    @staticmethod
    def of(node: Node) -> Group:
        return Group((node,), node, node.inputs, node.outputs, node.outputs[0].shape if node.outputs else ())

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    @property
    def label(self) -> str:
        """The layer that it comes from, as `outer/inner`."""
        return next((n.scope for n in (self.anchor, *self.nodes) if n.scope), "")

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return self.inputs

    def __str__(self) -> str:
        inside = " + ".join(str(n.op.name) for n in self.nodes)
        outputs = ", ".join(str(t.spec) for t in self.outputs)
        return f"{type(self).__name__} {inside} → {outputs}" + (f"  ({self.label})" if self.label else "")


@dataclass(frozen=True, eq=False)
class LoopGroup(Group):
    """Element-wise nodes: `expression` computes `outputs` from `inputs`, whose shapes broadcast to `shape`."""

    expression: Expression


@dataclass(frozen=True, eq=False)
class ReductionGroup(Group):
    """A reduction of what `expression` computes from `inputs`, whose shapes broadcast to `shape`: the first input, if
    there is no expression."""

    expression: Expression | None = None


@dataclass(frozen=True, eq=False)
class AnchoredGroup(Group):
    """A convolution or product whose outputs go through an epilogue, and perhaps a pool, before they are stored.
    `operands` are the epilogue's; `shape` is what is pooled."""

    epilogue: Epilogue = NO_EPILOGUE
    operands: tuple[Tensor, ...] = ()
    pool: MaxPool | AveragePool | None = None

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return (*self.inputs, *self.operands)


@dataclass(frozen=True, eq=False)
class JoinedGroup(Group):
    """Groups that follow one another as one step: what lies between them is never in memory as a whole. A family of
    algorithms has a kind of its own for each way to join."""

    members: tuple[Group, ...] = ()

    @property
    def label(self) -> str:
        return self.members[-1].label
