"""Which nodes become one step.

Three kinds of groups take element-wise nodes in, in this order:

1. a *reduction* takes the element-wise nodes that make its input (they are computed again if others need them too:
   memory is slower than arithmetic);
2. an *anchor* with an epilogue (convolution, matmul, …) takes the element-wise nodes that follow it, as long as one
   tensor leaves;
3. what is left is clustered into *loops* over one shape, with several outputs if need be.

Everything else is a group of one node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from simplecell.engine.code.elementwise import supports
from simplecell.engine.code.expression import Epilogue, Expression, Instruction
from simplecell.engine.planning.groups import AnchoredGroup, Group, LoopGroup, ReductionGroup
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc
from simplecell.ops.elementwise import Binary, Cast, Select, StopGradient, Unary
from simplecell.ops.linear import MatMul
from simplecell.ops.reduction import Reduce
from simplecell.ops.shaping import BroadcastTo

WITH_EPILOGUE = (Convolution, ConvolutionGradientSrc, MatMul)
MAX_INSTRUCTIONS = 48
MAX_POINTERS = 12  # beyond it, addresses spill out of the general registers
MAX_CONE = 10
MAX_EPILOGUE = 16


def fuse(graph: Graph) -> list[Group]:
    """Groups in an order in which they can run."""
    all_users = _users(graph, graph.nodes, {})
    cones = {n: c for n in graph.nodes if isinstance(n.op, Reduce) and (c := _cone(n, graph, all_users)) is not None}
    nodes = _needed(graph, cones)
    users = _users(graph, nodes, cones)
    position = {n: i for i, n in enumerate(nodes)}

    groups: list[Group] = []
    taken: set[Node] = set()
    for node in nodes:
        if isinstance(node.op, WITH_EPILOGUE) and node not in taken:
            group = _with_epilogue(node, users, position, taken)
            groups.append(group)
            taken.update(group.nodes)
    for node, cone in cones.items():
        groups.append(cone)
        taken.add(node)
    loops = [n for n in nodes if n not in taken and _elementwise(n)]
    taken.update(loops)
    for node in nodes:
        if node not in taken and not isinstance(node.op, (Placeholder, Constant)):
            groups.append(single(node))
    groups.extend(_clusters(loops, groups, position, users))
    return _ordered(groups, position)


def apart(group: Group) -> list[Group]:
    """The group's nodes one by one, as groups without fusion."""
    return [_loop([n], {t: {None} for t in n.outputs}) if _elementwise(n) else single(n) for n in group.nodes]


def single(node: Node) -> Group:
    """One node as a group."""
    if isinstance(node.op, WITH_EPILOGUE):
        return AnchoredGroup((node,), node, node.inputs, node.outputs, node.outputs[0].shape)
    if isinstance(node.op, Reduce):
        return ReductionGroup((node,), node, node.inputs, node.outputs, node.inputs[0].shape)
    return Group.of(node)


# --- element-wise nodes ----------------------------------------------------------------------------------------------


def _elementwise(node: Node) -> bool:
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


def _expression(
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


# --- 1. reductions ---------------------------------------------------------------------------------------------------


def _cone(reduce: Node, graph: Graph, users: dict[Tensor, set[Node | None]]) -> ReductionGroup | None:
    """The reduction with the element-wise nodes before it, or None where there are none.

    What others need too stays outside, but for a difference or a cast: the deviation from a mean, which variance and
    normalization share, is cheaper to compute twice than to write and read.
    """
    shape = reduce.inputs[0].shape
    chosen: list[Node] = []
    frontier = [reduce.inputs[0].node]
    while frontier:
        node = frontier.pop(0)
        if node in chosen or not _elementwise(node) or node.outputs[0].shape != shape:
            continue
        trial = [*chosen, node]
        inside = {t for n in trial for t in n.outputs}
        leaves = {t for n in trial for t in n.inputs if t not in inside}
        shared = len(users[node.outputs[0]]) > 1
        cheap = (
            isinstance(node.op, (Cast, BroadcastTo)) or isinstance(node.op, Binary) and node.op.function == "subtract"
        )
        if len(trial) > MAX_CONE or sum(t.shape == shape for t in leaves) > 2 or (shared and not cheap):
            continue
        chosen = trial
        frontier.extend(t.node for t in node.inputs)
    if not chosen:
        return None
    order = {n: i for i, n in enumerate(graph.nodes)}
    chosen.sort(key=order.__getitem__)
    expression, inputs = _expression(chosen, [reduce.inputs[0]])
    if not inputs:
        return None
    return ReductionGroup((*chosen, reduce), reduce, inputs, reduce.outputs, shape, expression)


def _needed(graph: Graph, cones: dict[Node, ReductionGroup]) -> list[Node]:
    """Nodes that the outputs need once reductions read the leaves of their cones."""
    needed: set[Node] = set()
    stack = [t.node for t in graph.outputs]
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack.extend(t.node for t in (cones[node].inputs if node in cones else node.inputs))
    return [n for n in graph.nodes if n in needed]


def _users(graph: Graph, nodes: Sequence[Node], cones: dict[Node, ReductionGroup]) -> dict[Tensor, set[Node | None]]:
    """Who reads each tensor; None stands for the graph's own outputs."""
    users: dict[Tensor, set[Node | None]] = defaultdict(set)
    for node in nodes:
        for t in cones[node].inputs if node in cones else node.inputs:
            users[t].add(node)
    for t in graph.outputs:
        users[t].add(None)
    return users


# --- 2. epilogues ----------------------------------------------------------------------------------------------------


def _with_epilogue(
    anchor: Node, users: dict[Tensor, set[Node | None]], position: dict[Node, int], taken: set[Node]
) -> Group:
    """The anchor and the longest run of element-wise followers after which a single tensor leaves the group."""
    out = anchor.outputs[0]
    best: list[Node] = []
    region: list[Node] = []
    inside: set[Tensor] = {out}
    if out.spec.dtype == "float32":
        while len(region) < MAX_EPILOGUE:
            following = {u for t in inside for u in users[t] if u is not None and u not in region and u is not anchor}
            candidates = [u for u in following if u not in taken and _fits_epilogue(u, out, inside)]
            if not candidates:
                break
            region.append(min(candidates, key=position.__getitem__))
            inside.add(region[-1].outputs[0])
            members = {anchor, *region}
            leaving = [t for t in inside if users[t] - members]
            if len(leaving) == 1 and leaving[0] is region[-1].outputs[0] and leaving[0].spec.dtype == "float32":
                best = list(region)
    if not best:
        return single(anchor)
    expression, inputs = _expression(best, [best[-1].outputs[0]], first=[out])
    epilogue = Epilogue(expression, tuple(_kind(t, out) for t in inputs[1:]))
    nodes, outputs = (anchor, *best), best[-1].outputs
    return AnchoredGroup(nodes, anchor, anchor.inputs, outputs, out.shape, epilogue, inputs[1:])


def _fits_epilogue(node: Node, out: Tensor, inside: set[Tensor]) -> bool:
    if (
        not _elementwise(node)
        or node.outputs[0].shape != out.shape
        or node.outputs[0].spec.dtype not in ("float32", "bool")
    ):
        return False
    return all(t in inside or (t.spec.dtype == "float32" and _kind(t, out) != "") for t in node.inputs)


def _kind(operand: Tensor, out: Tensor) -> str:
    """How an epilogue reads an operand; empty if it cannot."""
    if operand.spec.size == 1:
        return "scalar"
    if operand.shape == out.shape:
        return "full"
    if operand.spec.size == out.shape[-1] and operand.shape[-1] == out.shape[-1]:
        return "channel"
    return ""


# --- 3. loops --------------------------------------------------------------------------------------------------------


def _clusters(
    loops: Sequence[Node],
    groups: Sequence[Group],
    position: dict[Node, int],
    users: dict[Tensor, set[Node | None]],
) -> list[Group]:
    """Merge element-wise nodes of one shape while no cycle arises."""
    producer: dict[Tensor, int] = {}
    order = _Order()
    members: dict[int, list[Node]] = {}
    events: list[tuple[int, Group | Node]] = [(max(position[n] for n in g.nodes if n in position), g) for g in groups]
    events += [(position[n], n) for n in loops]
    for _, what in sorted(events, key=lambda e: e[0]):
        inputs = what.reads if isinstance(what, Group) else what.inputs
        sources = {order.find(producer[t]) for t in inputs if t in producer}
        mine = order.add(sources)
        for t in what.outputs:
            producer[t] = mine
        if isinstance(what, Group):
            continue
        members[mine] = [what]
        shape = what.outputs[0].shape
        for s in sorted(sources, reverse=True):
            if s in members and members[s][0].outputs[0].shape == shape:
                both = members[s] + members[mine]
                if not order.between(s, mine) and _small_enough(both, users):
                    order.join(s, mine)
                    members[s] = both
                    del members[mine]
                    mine = s
    return [_loop(sorted(m, key=position.__getitem__), users) for m in members.values()]


class _Order:
    """Which clusters must run before which, while clusters are joined.

    A cluster goes by the number of its oldest part (`find`). `before[c]` is a bit set of the numbers (those of joined
    parts included) that must run before c; `parts[c]` those that c consists of. A training step has ten thousand
    clusters, so nothing here looks at all of them.
    """

    def __init__(self) -> None:
        self.before: list[int] = []
        self.parts: list[int] = []
        self._joined: list[int] = []
        self._sources: list[set[int]] = []
        self._users: list[set[int]] = []

    def add(self, sources: set[int]) -> int:
        mine = len(self.before)
        ancestors = 0
        for s in sources:
            ancestors |= self.before[s] | self.parts[s]
            self._users[s].add(mine)
        self.before.append(ancestors)
        self.parts.append(1 << mine)
        self._joined.append(mine)
        self._sources.append(set(sources))
        self._users.append(set())
        return mine

    def find(self, c: int) -> int:
        while self._joined[c] != c:
            c = self._joined[c]
        return c

    def between(self, a: int, b: int) -> bool:
        """Does a path lead from a to b through a third? Its last step is one of b's direct sources."""
        return any(self.before[s] & self.parts[a] for s in map(self.find, self._sources[b]) if s not in (a, b))

    def join(self, a: int, b: int) -> None:
        """Make b a part of a; what runs after either now runs after all that either needs."""
        self._joined[b] = a
        self.parts[a] |= self.parts[b]
        self._sources[a] |= self._sources[b]
        self._users[a] |= self._users[b]
        self.before[a] = (self.before[a] | self.before[b]) & ~self.parts[a]
        needed = self.before[a] | self.parts[a]
        stack = [self.find(u) for u in self._users[a]]
        while stack:
            c = stack.pop()
            if c != a and needed & ~self.before[c]:  # else those after c know it, too
                self.before[c] |= needed
                stack += map(self.find, self._users[c])


def _small_enough(nodes: Sequence[Node], users: dict[Tensor, set[Node | None]]) -> bool:
    inside = {t for n in nodes for t in n.outputs}
    inputs = {t for n in nodes for t in n.inputs if t not in inside and not isinstance(t.node.op, Constant)}
    outputs = _leaving(nodes, users)
    return len(nodes) <= MAX_INSTRUCTIONS and len(inputs) + len(outputs) <= MAX_POINTERS


def _leaving(nodes: Sequence[Node], users: dict[Tensor, set[Node | None]]) -> list[Tensor]:
    members = set(nodes)
    return [t for n in nodes for t in n.outputs if users[t] - members]


def _loop(nodes: Sequence[Node], users: dict[Tensor, set[Node | None]]) -> LoopGroup:
    outputs = _leaving(nodes, users)
    expression, inputs = _expression(nodes, outputs)
    return LoopGroup(tuple(nodes), nodes[-1], inputs, tuple(outputs), nodes[0].outputs[0].shape, expression)


def _ordered(groups: Sequence[Group], position: dict[Node, int]) -> list[Group]:
    """Topological, as near as can be to the order in which the graph was written."""
    made_by = {t: g for g in groups for t in g.outputs}
    done: set[Group] = set()
    order: list[Group] = []
    for first in sorted(groups, key=lambda g: max(position[n] for n in g.nodes if n in position)):
        stack = [(first, False)]
        while stack:
            group, ready = stack.pop()
            if group in done:
                continue
            if ready:
                done.add(group)
                order.append(group)
            else:
                stack.append((group, True))
                stack.extend(
                    (made_by[t], False) for t in reversed(group.reads) if t in made_by and made_by[t] not in done
                )
    return order
