"""Groups → choices: which algorithm computes each group, as its family's table says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simplecell.engine.planning.algorithm import Choice
from simplecell.engine.planning.facts import Facts
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.setting import Setting
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Tensor
from simplecell.ops.base import Op

Choices = Mapping[Tensor, Choice[Any]]
"""By the output of a group's anchor. A group that is not there has but one way to be computed."""

ChoosingFunction = Callable[["Chooser", Group], "Choice[Any] | None"]
_registered: dict[type[Op], ChoosingFunction] = {}


def chooses(*ops: type[Op]) -> Callable[[ChoosingFunction], ChoosingFunction]:
    """Register what chooses for groups whose anchor is one of these ops. It returns None where there is no machine code
    to choose."""

    def register(function: ChoosingFunction) -> ChoosingFunction:
        _registered.update(dict.fromkeys(ops, function))
        return function

    return register


class Chooser:
    """Asks the tables, each group once. Choices are made for the whole batch, since they decide about bits."""

    def __init__(self, graph: Graph, setting: Setting) -> None:
        self.facts, self.setting = Facts(graph), setting
        self._made: dict[Tensor, Choice[Any] | None] = {}

    def choice(self, group: Group) -> Choice[Any] | None:
        """The choice for a group; None if it has none."""
        function = _registered.get(type(group.anchor.op))
        if function is None or not group.anchor.outputs:
            return None
        key = group.anchor.outputs[0]
        if key not in self._made:
            self._made[key] = function(self, group)
        return self._made[key]

    def choices(self, groups: Sequence[Group]) -> Choices:
        """Those of all groups."""
        return {g.anchor.outputs[0]: found for g in groups if (found := self.choice(g)) is not None}
