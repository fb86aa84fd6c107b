"""Groups → fewer groups: what follows one another and is computed together, by rules of the families of algorithms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from simplecell.engine.planning.choices import Chooser
from simplecell.engine.planning.fuse import fuse
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.recompute import recompute
from simplecell.engine.planning.siblings import merge_siblings
from simplecell.graph.tensor import Tensor


@dataclass(frozen=True)
class Groups:
    """The groups of a graph, in an order in which they can run."""

    all: tuple[Group, ...]
    notes: Mapping[Tensor, str] = field(default_factory=dict)
    """by a group's output: why it was not joined with another, where one would expect that"""

    def __str__(self) -> str:
        noted = ((g, self.notes.get(g.output, "") if g.outputs else "") for g in self.all)
        return "\n".join(f"{g}; {note}" if note else str(g) for g, note in noted)


JoiningFunction = Callable[[Sequence[Group], Chooser], Groups]
_registered: list[tuple[int, JoiningFunction]] = []


def joins(order: int) -> Callable[[JoiningFunction], JoiningFunction]:
    """Register a rule that joins groups. The lowest `order` is applied first."""

    def register(function: JoiningFunction) -> JoiningFunction:
        _registered.append((order, function))
        _registered.sort(key=lambda entry: entry[0])
        return function

    return register


def group(chooser: Chooser) -> Groups:
    """The groups of the chooser's graph."""
    graph = chooser.facts.graph
    found = Groups(tuple(merge_siblings(recompute(fuse(graph), graph.outputs))))
    for _, function in _registered:
        joined = function(found.all, chooser)
        found = Groups(joined.all, {**found.notes, **joined.notes})
    return found
