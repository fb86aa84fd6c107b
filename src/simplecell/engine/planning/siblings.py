"""Reductions that read the same tensors in one pass: the two sums of batch normalization's gradients, say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.planning.expressions import MAX_INSTRUCTIONS, MAX_POINTERS
from simplecell.engine.planning.groups import Group, ReductionGroup
from simplecell.graph.tensor import Tensor

MAX_RESULTS = 2
"""More accumulators than that leave the vector registers of AVX2."""
SMALLEST = 1 << 16
"""Bytes: what is smaller stays in the cache."""


def merge_siblings(groups: Sequence[Group]) -> list[Group]:
    """The groups, in the same order, with reductions of one kind that share a large input merged into the first of
    them: where all that the second one reads is there by then."""
    made_at = {t: i for i, g in enumerate(groups) for t in g.outputs}
    now: list[Group | None] = list(groups)
    open_: dict[tuple[object, ...], list[int]] = {}
    for i, group in enumerate(groups):
        if not isinstance(group, ReductionGroup):
            continue
        x = group.anchor.inputs[0]
        kind = (x.shape, group.anchor.op, group.output.spec.dtype)
        for k in open_.get(kind, []):
            first = now[k]
            if not isinstance(first, ReductionGroup) or any(made_at.get(t, -1) >= k for t in group.inputs):
                continue
            merged = _merged(first, group, x.shape)
            if merged is not None:
                now[k], now[i] = merged, None
                break
        else:
            open_.setdefault(kind, []).append(i)
    return [g for g in now if g is not None]


def _merged(a: ReductionGroup, b: ReductionGroup, shape: tuple[int, ...]) -> ReductionGroup | None:
    """Both reductions as one group, or None if they share no large input or are too large together."""
    shared = {t for t in a.inputs if t.spec.nbytes >= SMALLEST} & set(b.inputs)
    if not shared or len(a.outputs) + len(b.outputs) > MAX_RESULTS:
        return None
    inputs: list[Tensor] = list(dict.fromkeys((*a.inputs, *b.inputs)))
    if len(inputs) + MAX_RESULTS > MAX_POINTERS:
        return None
    at = {id(t): k for k, t in enumerate(inputs)}
    instructions: list[Instruction] = []
    seen: dict[str, int] = {}  # by repr: 0.0 == -0.0
    outputs: list[int] = []
    for group in (a, b):
        e = group.expression or Expression.identity(group.inputs[0].spec.dtype)
        number = {k: at[id(t)] for k, t in enumerate(group.inputs)}
        for k, step in enumerate(e.instructions, len(e.inputs)):
            step = replace(step, operands=tuple(number[o] for o in step.operands))
            if repr(step) not in seen:  # what both compute is computed once
                instructions.append(step)
                seen[repr(step)] = len(inputs) + len(instructions) - 1
            number[k] = seen[repr(step)]
        outputs += [number[v] for v in e.outputs]
    if len(instructions) > MAX_INSTRUCTIONS:
        return None
    expression = Expression(tuple(t.spec.dtype for t in inputs), tuple(instructions), tuple(outputs))
    nodes = (*a.nodes, *(n for n in b.nodes if n not in set(a.nodes)))
    return replace(
        a, nodes=nodes, inputs=tuple(inputs), outputs=(*a.outputs, *b.outputs), expression=expression, shape=shape
    )
