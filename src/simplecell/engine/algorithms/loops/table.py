"""Fused element-wise loops: the loop nest is simplified (axes dropped, ordered and merged), and becomes one step."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from simplecell.engine.algorithms.loops.algorithm import LoopAlgorithm
from simplecell.engine.algorithms.loops.columns.algorithm import DownColumns
from simplecell.engine.algorithms.loops.nest import broadcast_strides, dense_strides, operand_names, simplified
from simplecell.engine.algorithms.loops.operand import Operand, as_moved, operand
from simplecell.engine.algorithms.loops.problem import LoopProblem
from simplecell.engine.algorithms.loops.rows.algorithm import AlongRows
from simplecell.engine.code.expression import Expression
from simplecell.engine.planning.algorithm import choose
from simplecell.engine.planning.groups import Group, LoopGroup
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.elementwise import Binary, Cast, Select, StopGradient, Unary
from simplecell.ops.shaping import BroadcastTo

ALGORITHMS: tuple[LoopAlgorithm, ...] = (DownColumns(), AlongRows())
"""In order of preference. They give the same bits."""
SHORT = 8
"""Elements: a row that is shorter costs more to begin than to do."""


@lowers(Unary, Binary, Select, Cast, BroadcastTo, StopGradient)
def elementwise(ctx: Lowering, group: Group) -> str | None:
    """Append the step of a group of element-wise nodes."""
    if not isinstance(group, LoopGroup):
        if isinstance(group.anchor.op, (BroadcastTo, StopGradient)):
            return _copy(ctx, group)
        dtypes = ", ".join(sorted({t.spec.dtype for t in (*group.inputs, *group.outputs)}))
        return f"`{group.anchor.op.name}` of {dtypes} has no machine code"
    inputs = [operand(ctx, t, group.shape) for t in group.inputs]
    outputs = [operand(ctx, t, group.shape) for t in group.outputs]
    append_loop(ctx, group.shape, group.expression, inputs, outputs)
    return None


def _copy(ctx: Lowering, group: Group) -> str | None:
    """Types that no instruction knows are moved as integers of their width."""
    source, target = group.inputs[0], group.outputs[0]
    if target.spec.size == 0:
        return None
    moved = as_moved(target.spec.dtype)
    if moved is None:
        return f"{target.spec.dtype} has no machine code"
    read = Operand(ctx.address(source), broadcast_strides(source.shape, target.shape), moved)
    write = Operand(ctx.address(target), dense_strides(target.shape), moved)
    append_loop(ctx, target.shape, Expression.identity(moved), [read], [write], algorithm="copy")
    return None


def append_loop(
    ctx: Lowering,
    shape: Sequence[int],
    expression: Expression,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    algorithm: str = "",
) -> None:
    """Append the step that computes `outputs = expression(inputs)` over `shape`. Offsets are part of the operands'
    addresses."""
    if prod(shape) == 0:
        return
    operands = [*inputs, *outputs]
    problem = _problem(shape, expression, operands, len(inputs))
    choice = choose(ALGORITHMS, problem, ctx.setting)
    assert isinstance(choice.algorithm, LoopAlgorithm)
    plan = choice.algorithm.plan(problem, ctx.setting)
    given: dict[str, Any] = plan.schedule.arguments()
    given |= zip(operand_names(len(inputs), len(outputs)), (o.address for o in operands))
    ctx.step(
        plan.kernel,
        algorithm=algorithm or plan.title,
        considered=choice.considered,
        shapes="×".join(map(str, shape)),
        flops=problem.flops,
        nbytes=problem.nbytes,
        **given,
    )


def _problem(shape: Sequence[int], expression: Expression, operands: Sequence[Operand], inputs: int) -> LoopProblem:
    """The nest, ordered for the first output; a copy is ordered for its input, if its rows are longer so."""
    strides = [o.strides for o in operands]
    extents, moves = simplified(shape, strides, leading=inputs)
    if len(extents) > 1 and extents[-1] < SHORT and inputs == 1 and not expression.instructions:
        read = simplified(shape, strides, leading=0)
        if read[0][-1] > extents[-1]:
            extents, moves = read
    if not extents:
        extents, moves = [1], [[1] * len(operands)]
    nbytes = sum(
        prod(extent for extent, stride in zip(shape, o.strides) if stride) * to_dtype(o.dtype).itemsize
        for o in operands
    )
    return LoopProblem(expression, tuple(extents), tuple(map(tuple, moves)), prod(shape), nbytes)
