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
from collections.abc import Sequence

from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.clusters import clusters
from simplecell.engine.planning.expressions import Users, elementwise, expression_of, loop
from simplecell.engine.planning.groups import AnchoredGroup, Group, ReductionGroup
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc
from simplecell.ops.elementwise import Binary, Cast
from simplecell.ops.linear import MatMul
from simplecell.ops.reduction import Reduce
from simplecell.ops.shaping import BroadcastTo

WITH_EPILOGUE = (Convolution, ConvolutionGradientSrc, MatMul)
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
    loops = [n for n in nodes if n not in taken and elementwise(n)]
    taken.update(loops)
    for node in nodes:
        if node not in taken and not isinstance(node.op, (Placeholder, Constant)):
            groups.append(single(node))
    groups.extend(clusters(loops, groups, position, users))
    return _ordered(groups, position)


def singles(group: Group) -> list[Group]:
    """The group's nodes one by one, as groups without fusion."""
    return [loop([n], {t: {None} for t in n.outputs}) if elementwise(n) else single(n) for n in group.nodes]


def single(node: Node) -> Group:
    """One node as a group."""
    if isinstance(node.op, WITH_EPILOGUE):
        return AnchoredGroup((node,), node, node.inputs, node.outputs, node.outputs[0].shape)
    if isinstance(node.op, Reduce):
        return ReductionGroup((node,), node, node.inputs, node.outputs, node.inputs[0].shape)
    return Group.of(node)


# --- 1. reductions ---------------------------------------------------------------------------------------------------


def _cone(reduce: Node, graph: Graph, users: Users) -> ReductionGroup | None:
    """The reduction with the element-wise nodes before it, or None where there are none.

    What others need too stays outside, but for a difference or a cast: the deviation from a mean, which variance and
    normalization share, is cheaper to compute twice than to write and read.
    """
    shape = reduce.inputs[0].shape
    chosen: list[Node] = []
    frontier = [reduce.inputs[0].node]
    while frontier:
        node = frontier.pop(0)
        if node in chosen or not elementwise(node) or node.outputs[0].shape != shape:
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
    expression, inputs = expression_of(chosen, [reduce.inputs[0]])
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


def _users(graph: Graph, nodes: Sequence[Node], cones: dict[Node, ReductionGroup]) -> Users:
    """Who reads each tensor; None stands for the graph's own outputs."""
    users: dict[Tensor, set[Node | None]] = defaultdict(set)
    for node in nodes:
        for t in cones[node].inputs if node in cones else node.inputs:
            users[t].add(node)
    for t in graph.outputs:
        users[t].add(None)
    return users


# --- 2. epilogues ----------------------------------------------------------------------------------------------------


def _with_epilogue(anchor: Node, users: Users, position: dict[Node, int], taken: set[Node]) -> Group:
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
    expression, inputs = expression_of(best, [best[-1].outputs[0]], first=[out])
    epilogue = Epilogue(expression, tuple(_kind(t, out) for t in inputs[1:]))
    nodes, outputs = (anchor, *best), best[-1].outputs
    return AnchoredGroup(nodes, anchor, anchor.inputs, outputs, out.shape, epilogue, inputs[1:])


def _fits_epilogue(node: Node, out: Tensor, inside: set[Tensor]) -> bool:
    if (
        not elementwise(node)
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
