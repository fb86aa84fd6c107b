"""Computing again what would otherwise be written and read.

Where a loop's output is cheap to compute from one tensor that lies in memory anyway (and from vectors), its readers do so themselves: they
read that tensor instead, and the output is never written. Batch normalization's backward pass scales the same gradient twice, say:
both readers multiply, and a feature map less is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from simplecell.engine.expression import Expression, Instruction
from simplecell.engine.fuse import MAX_INSTRUCTIONS, MAX_POINTERS, Group
from simplecell.graph.tensor import Tensor
from simplecell.ops.reduction import Reduce

CHEAP = frozenset(
    "add subtract multiply maximum minimum negative absolute square relu select cast constant equal not_equal less less_equal greater "
    "greater_equal logical_and logical_or logical_not".split()
)
MAX_STEPS = 3
"""Instructions that are worth repeating to save a pass through memory."""
SMALLEST = 1 << 16
"""Bytes: what is smaller stays in the cache."""


@dataclass(frozen=True)
class _Recipe:
    """How a reader computes an output: `expression` of `inputs`."""

    inputs: tuple[Tensor, ...]
    expression: Expression


def recompute(groups: Sequence[Group], keep: Sequence[Tensor]) -> list[Group]:
    """The groups, with outputs of loops left to their readers where that saves memory traffic; `keep` are the graph's outputs."""
    kept = set(keep)
    now = list(groups)
    readers: dict[Tensor, set[int]] = {}
    for i, group in enumerate(now):
        for t in group.reads:
            readers.setdefault(t, set()).add(i)
    for i, group in enumerate(groups):
        if group.expression is None or isinstance(group.anchor.op, Reduce):
            continue
        for t in reversed(group.outputs):
            using = readers.get(t, set())
            if t in kept or t.spec.nbytes < SMALLEST or len(now[i].outputs) == 1 or not using:
                continue
            recipe = _recipe(now[i], t)
            if recipe is None:
                continue
            changed = {k: _with_recipe(now[k], t, recipe) for k in using}
            if any(g is None for g in changed.values()):
                continue
            for k, g in changed.items():
                assert g is not None
                now[k] = g
                for s in recipe.inputs:
                    readers.setdefault(s, set()).add(k)
            del readers[t]
            now[i] = _without(now[i], t)
    return now


def _recipe(group: Group, t: Tensor) -> _Recipe | None:
    """`t` from the group's inputs and its other outputs: at most one of its size, the others small; None if it takes more."""
    e = group.expression
    assert e is not None
    others = {v: o for v, o in zip(e.outputs, group.outputs) if o is not t}
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
    full = [s for s in leaves.values() if s.spec.size * 8 > t.spec.size]
    if target in leaves or len(full) > 1 or sum(e.instructions[v - first].function != "constant" for v in steps) > MAX_STEPS:
        return None
    number = {v: k for k, v in enumerate(leaves)}
    instructions = []
    for v in sorted(steps):
        step = e.instructions[v - first]
        instructions.append(replace(step, operands=tuple(number[o] for o in step.operands)))
        number[v] = len(leaves) + len(instructions) - 1
    return _Recipe(tuple(leaves.values()), Expression(tuple(e.dtype(v) for v in leaves), tuple(instructions), (number[target],)))


def _with_recipe(group: Group, t: Tensor, recipe: _Recipe) -> Group | None:
    """The group reading the recipe's inputs instead of `t`; None if it cannot, or would read more bytes than before."""
    e = group.expression
    if e is None or group.epilogue is not None or t not in set(group.inputs) or t.shape != group.shape:
        return None
    place = next(k for k, s in enumerate(group.inputs) if s is t)
    rest = [s for s in group.inputs if s is not t]
    new = [s for s in recipe.inputs if all(s is not r for r in rest)]
    if sum(s.spec.nbytes for s in new if s.spec.size * 8 > t.spec.size) > t.spec.nbytes:
        return None
    inputs = [*rest, *new]
    if len(inputs) + len(group.outputs) > MAX_POINTERS or len(e.instructions) + len(recipe.expression.instructions) > MAX_INSTRUCTIONS:
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
    return replace(group, inputs=tuple(inputs), expression=Expression(dtypes, tuple(instructions), tuple(of_group[v] for v in e.outputs)))


def _without(group: Group, t: Tensor) -> Group:
    """The group without one of its outputs, and without what only that needed."""
    e = group.expression
    assert e is not None
    pairs = [(v, o) for v, o in zip(e.outputs, group.outputs) if o is not t]
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
        replace(e.instructions[v - first], operands=tuple(number[o] for o in e.instructions[v - first].operands)) for v in order if v >= first
    )
    smaller = Expression(tuple(e.inputs[v] for v in inputs), steps, tuple(number[v] for v, _ in pairs))
    return replace(group, inputs=tuple(group.inputs[v] for v in inputs), outputs=tuple(o for _, o in pairs), expression=smaller)
