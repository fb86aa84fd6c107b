"""Computing again what would otherwise be written and read.

A loop's output that takes few and cheap instructions can be computed by its readers instead, from what it was computed
from. That pays when they read those tensors anyway, or when fewer bytes move in all: batch normalization's backward
pass reads the gradient behind a relu three times, and each reader can as well take the gradient and the mask itself.
Values do not change by a bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.planning.expressions import MAX_INSTRUCTIONS, MAX_POINTERS
from simplecell.engine.planning.groups import Group, LoopGroup, ReductionGroup
from simplecell.graph.tensor import Tensor

CHEAP = frozenset(
    "add subtract multiply maximum minimum negative absolute square relu select cast constant equal not_equal less "
    "less_equal greater "
    "greater_equal logical_and logical_or logical_not".split()
)
MAX_STEPS = 8
"""Instructions that are worth repeating to save a pass through memory."""
MAX_READERS = 4
SMALLEST = 1 << 16
"""Bytes: what is smaller stays in the cache, and counts for nothing."""
WRITE = 2
"""What a byte written costs in bytes read: the line is fetched first."""
MAX_ROUNDS = 3


@dataclass(frozen=True)
class _Recipe:
    """How a reader computes a tensor: `expression` of `inputs`."""

    inputs: tuple[Tensor, ...]
    expression: Expression


def recompute(groups: Sequence[Group], keep: Sequence[Tensor]) -> list[Group]:
    """The groups, with outputs of loops left to their readers where that saves memory traffic; `keep` are the graph's
    outputs."""
    work = _Work(groups, keep)
    for _ in range(MAX_ROUNDS):
        if not any([work.leave_to_readers(i, t) for i, t in work.outputs_of_loops()]):
            break
    for i, t in work.outputs_of_loops():
        work.drop_reads(i, t)
    return [g for g in work.groups if g is not None]


def _traffic(tensors: Iterable[Tensor]) -> int:
    return sum(t.spec.nbytes for t in tensors if t.spec.nbytes >= SMALLEST)


class _Work:
    """The groups as they change (None: gone) and who reads what."""

    def __init__(self, groups: Sequence[Group], keep: Sequence[Tensor]) -> None:
        self.groups: list[Group | None] = list(groups)
        self.keep = set(keep)
        self.readers: dict[Tensor, set[int]] = {}
        for i, group in enumerate(groups):
            for t in group.reads:
                self.readers.setdefault(t, set()).add(i)

    def outputs_of_loops(self) -> list[tuple[int, Tensor]]:
        """Large outputs of loops, last ones first within a loop."""
        loops = [(i, g) for i, g in enumerate(self.groups) if isinstance(g, LoopGroup)]
        return [(i, t) for i, g in loops for t in reversed(g.outputs) if t.spec.nbytes >= SMALLEST]

    def leave_to_readers(self, i: int, t: Tensor) -> bool:
        """Let every reader of `t` compute it, if that is possible and moves fewer bytes."""
        group, using = self.groups[i], self.readers.get(t, set())
        if not isinstance(group, LoopGroup) or t in self.keep or not 0 < len(using) <= MAX_READERS:
            return False
        smaller = _without(group, t)
        saved = (
            (WRITE + len(using)) * t.spec.nbytes + _traffic(group.inputs) - (_traffic(smaller.inputs) if smaller else 0)
        )
        best: tuple[int, dict[int, Group]] | None = None
        for recipe in (_recipe(group, t, True), _recipe(group, t, False)):
            changed = {
                k: g for k in using if recipe is not None and (g := _with_recipe(self.groups[k], t, recipe)) is not None
            }
            if len(changed) != len(using):
                continue
            cost = sum(_traffic(g.inputs) - _traffic(self._inputs(k)) + t.spec.nbytes for k, g in changed.items())
            if cost < saved and (best is None or cost < best[0]):
                best = cost, changed
        if best is None:
            return False
        for k, changed_group in best[1].items():
            self._put(k, changed_group)
        self._put(i, smaller)
        return True

    def drop_reads(self, i: int, t: Tensor) -> None:
        """Readers of `t` that read all it is computed from anyway compute it, though it is stored for others."""
        group = self.groups[i]
        recipe = _recipe(group, t, False) if isinstance(group, LoopGroup) else None
        for k in tuple(self.readers.get(t, ())):
            changed = _with_recipe(self.groups[k], t, recipe) if recipe is not None else None
            if changed is not None and _traffic(changed.inputs) < _traffic(self._inputs(k)):
                self._put(k, changed)

    def _inputs(self, k: int) -> tuple[Tensor, ...]:
        group = self.groups[k]
        return group.inputs if group is not None else ()

    def _put(self, k: int, group: Group | None) -> None:
        for t in self._inputs(k):
            self.readers[t].discard(k)
        self.groups[k] = group
        for t in group.reads if group is not None else ():
            self.readers.setdefault(t, set()).add(k)


def _recipe(group: LoopGroup, t: Tensor, from_outputs: bool) -> _Recipe | None:
    """`t` from the group's inputs (and its other outputs, if `from_outputs`); None if that takes many or expensive
    instructions."""
    e = group.expression
    others = {v: o for v, o in zip(e.outputs, group.outputs) if o is not t} if from_outputs else {}
    first = len(e.inputs)
    target = next(v for v, o in zip(e.outputs, group.outputs) if o is t)
    leaves: dict[int, Tensor] = {}
    steps: set[int] = set()
    stack = [target]
    while stack:
        v = stack.pop()
        if v in others and v != target:
            leaves[v] = others[v]
        elif v < first:
            leaves[v] = group.inputs[v]
        elif v not in steps:
            steps.add(v)
            if e.instructions[v - first].function not in CHEAP:
                return None
            stack.extend(e.instructions[v - first].operands)
    if target in leaves or sum(e.instructions[v - first].function != "constant" for v in steps) > MAX_STEPS:
        return None
    number = {v: k for k, v in enumerate(leaves)}
    instructions = []
    for v in sorted(steps):
        step = e.instructions[v - first]
        instructions.append(replace(step, operands=tuple(number[o] for o in step.operands)))
        number[v] = len(leaves) + len(instructions) - 1
    return _Recipe(
        tuple(leaves.values()), Expression(tuple(e.dtype(v) for v in leaves), tuple(instructions), (number[target],))
    )


def _with_recipe(group: Group | None, t: Tensor, recipe: _Recipe) -> Group | None:
    """The group reading the recipe's inputs instead of `t`; None if it cannot."""
    if not isinstance(group, (LoopGroup, ReductionGroup)) or t not in set(group.inputs):
        return None
    e = group.expression or Expression.identity(t.spec.dtype)
    if t.shape != group.shape:
        return None
    place = next(k for k, s in enumerate(group.inputs) if s is t)
    rest = [s for s in group.inputs if s is not t]
    inputs = [*rest, *(s for s in recipe.inputs if all(s is not r for r in rest))]
    if not inputs or len(inputs) + len(group.outputs) > MAX_POINTERS:
        return None
    if len(e.instructions) + len(recipe.expression.instructions) > MAX_INSTRUCTIONS:
        return None
    at = {id(s): k for k, s in enumerate(inputs)}
    # the recipe's instructions first, then the group's own, both renumbered
    instructions: list[Instruction] = []

    def appended(source: Expression, number: dict[int, int]) -> None:
        for k, step in enumerate(source.instructions, len(source.inputs)):
            instructions.append(replace(step, operands=tuple(number[o] for o in step.operands)))
            number[k] = len(inputs) + len(instructions) - 1

    of_recipe = {k: at[id(s)] for k, s in enumerate(recipe.inputs)}
    appended(recipe.expression, of_recipe)
    of_group = {k: at[id(s)] for k, s in enumerate(group.inputs) if k != place}
    of_group[place] = of_recipe[recipe.expression.outputs[0]]
    appended(e, of_group)
    dtypes = tuple(s.spec.dtype for s in inputs)
    return replace(
        group,
        inputs=tuple(inputs),
        expression=Expression(dtypes, tuple(instructions), tuple(of_group[v] for v in e.outputs)),
    )


def _without(group: LoopGroup, t: Tensor) -> LoopGroup | None:
    """The group without one of its outputs, and without what only that needed; None if nothing is left."""
    e = group.expression
    pairs = [(v, o) for v, o in zip(e.outputs, group.outputs) if o is not t]
    if not pairs:
        return None
    first = len(e.inputs)
    needed: set[int] = set()
    stack = [v for v, _ in pairs]
    while stack:
        v = stack.pop()
        if v not in needed:
            needed.add(v)
            if v >= first:
                stack.extend(e.instructions[v - first].operands)
    order = sorted(needed)
    number = {v: k for k, v in enumerate(order)}
    inputs = [v for v in order if v < first]
    steps = tuple(
        replace(e.instructions[v - first], operands=tuple(number[o] for o in e.instructions[v - first].operands))
        for v in order
        if v >= first
    )
    smaller = Expression(tuple(e.inputs[v] for v in inputs), steps, tuple(number[v] for v, _ in pairs))
    return replace(
        group, inputs=tuple(group.inputs[v] for v in inputs), outputs=tuple(o for _, o in pairs), expression=smaller
    )
