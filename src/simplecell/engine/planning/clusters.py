"""Element-wise nodes over one shape → loops with several outputs, as long as no cycle arises."""

from __future__ import annotations

from collections.abc import Sequence

from simplecell.engine.planning.expressions import MAX_INSTRUCTIONS, MAX_POINTERS, Users, leaving, loop
from simplecell.engine.planning.groups import Group, LoopGroup
from simplecell.graph.tensor import Constant, Node, Tensor


def clusters(
    loops: Sequence[Node],
    groups: Sequence[Group],
    position: dict[Node, int],
    users: Users,
) -> list[LoopGroup]:
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
    return [loop(sorted(m, key=position.__getitem__), users) for m in members.values()]


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


def _small_enough(nodes: Sequence[Node], users: Users) -> bool:
    inside = {t for n in nodes for t in n.outputs}
    inputs = {t for n in nodes for t in n.inputs if t not in inside and not isinstance(t.node.op, Constant)}
    outputs = leaving(nodes, users)
    return len(nodes) <= MAX_INSTRUCTIONS and len(inputs) + len(outputs) <= MAX_POINTERS
