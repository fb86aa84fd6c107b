"""Element-wise nodes → an expression, and the group that computes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from simplecell.engine.code.elementwise import supports
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.planning.groups import LoopGroup
from simplecell.graph.tensor import Constant, Node, Tensor
from simplecell.ops.elementwise import Binary, Cast, Select, StopGradient, Unary
from simplecell.ops.shaping import BroadcastTo

MAX_INSTRUCTIONS = 48
MAX_POINTERS = 12
"""of a loop: beyond it, addresses spill out of the general registers"""

Users = Mapping[Tensor, Set["Node | None"]]
"""Who reads each tensor; None stands for the graph's own outputs."""


def elementwise(node: Node) -> bool:
    """Can the node be an instruction of an expression?"""
    op = node.op
    if not isinstance(op, (Unary, Binary, Select, Cast, BroadcastTo, StopGradient)) or node.outputs[0].spec.size == 0:
        return False
    dtypes = [t.spec.dtype for t in (*node.inputs, *node.outputs)]
    return supports(_function(op), dtypes)


def _function(op: object) -> str:
    if isinstance(op, (Unary, Binary)):
        return op.function
    return "select" if isinstance(op, Select) else "cast" if isinstance(op, Cast) else "identity"


class _Builder:
    """An Expression under construction."""

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []
        self.instructions: list[Instruction] = []
        self._numbers: dict[Tensor, tuple[str, int]] = {}

    def input(self, tensor: Tensor) -> None:
        if tensor not in self._numbers:
            op = tensor.node.op
            if isinstance(op, Constant) and op.value.size == 1 and op.value.dtype.kind in "fiub":
                self.instructions.append(Instruction("constant", (), tensor.spec.dtype, op.value.reshape(()).item()))
                self._numbers[tensor] = ("instruction", len(self.instructions) - 1)
            else:
                self.inputs.append(tensor)
                self._numbers[tensor] = ("input", len(self.inputs) - 1)

    def instruction(self, node: Node) -> None:
        if isinstance(node.op, (BroadcastTo, StopGradient)):
            self._numbers[node.outputs[0]] = self._numbers[node.inputs[0]]
            return
        operands = tuple(self._numbers[t] for t in node.inputs)
        self.instructions.append(Instruction(_function(node.op), operands, node.outputs[0].spec.dtype))  # type: ignore[arg-type]
        self._numbers[node.outputs[0]] = ("instruction", len(self.instructions) - 1)

    def finish(self, outputs: Iterable[Tensor]) -> Expression:
        def number(n: tuple[str, int]) -> int:
            return n[1] if n[0] == "input" else len(self.inputs) + n[1]

        done = tuple(replace(i, operands=tuple(number(n) for n in i.operands)) for i in self.instructions)  # type: ignore[arg-type]
        return Expression(
            tuple(t.spec.dtype for t in self.inputs), done, tuple(number(self._numbers[t]) for t in outputs)
        )


def expression_of(
    nodes: Sequence[Node], outputs: Sequence[Tensor], first: Sequence[Tensor] = ()
) -> tuple[Expression, tuple[Tensor, ...]]:
    """The expression that computes `outputs` by `nodes` (in order), and its input tensors (`first` before all
    others)."""
    build = _Builder()
    for t in first:
        build.input(t)
    inside = {t for n in nodes for t in n.outputs}
    for node in nodes:
        for t in node.inputs:
            if t not in inside:
                build.input(t)
        build.instruction(node)
    return build.finish(outputs), tuple(build.inputs)


def leaving(nodes: Sequence[Node], users: Users) -> list[Tensor]:
    members = set(nodes)
    return [t for n in nodes for t in n.outputs if users[t] - members]


def loop(nodes: Sequence[Node], users: Users) -> LoopGroup:
    outputs = leaving(nodes, users)
    expression, inputs = expression_of(nodes, outputs)
    return LoopGroup(tuple(nodes), nodes[-1], inputs, tuple(outputs), nodes[0].outputs[0].shape, expression)
