"""Reductions: the loop nest is simplified, and becomes one step, or two where it is cut into parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from simplecell.engine.algorithms.loops.nest import dense_strides
from simplecell.engine.algorithms.loops.operand import Operand, operand
from simplecell.engine.algorithms.loops.table import append_loop
from simplecell.engine.algorithms.reductions.algorithm import ReductionAlgorithm
from simplecell.engine.algorithms.reductions.columns.algorithm import DownColumns
from simplecell.engine.algorithms.reductions.nest import ReductionNest
from simplecell.engine.algorithms.reductions.problem import ReductionProblem
from simplecell.engine.algorithms.reductions.rows.algorithm import AlongRows
from simplecell.engine.code.elementwise import ALL
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.planning.algorithm import choose
from simplecell.engine.planning.groups import Group, ReductionGroup
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.reduction import Reduce

ALGORITHMS: tuple[ReductionAlgorithm, ...] = (AlongRows(), DownColumns())

EMPTY = {"sum": 0, "any": 0, "prod": 1, "all": 1}
"""of no elements"""


@lowers(Reduce)
def reduce(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a reduction."""
    op, x = group.anchor.op, group.anchor.inputs[0]
    assert isinstance(op, Reduce) and isinstance(group, ReductionGroup)
    if x.spec.dtype not in ALL:
        return f"{x.spec.dtype} has no machine code"
    expression = group.expression or Expression.identity(x.spec.dtype)
    inputs = [operand(ctx, t, x.shape) for t in group.inputs]
    kept = dense_strides([1 if a in op.axes else n for a, n in enumerate(x.shape)])
    strides = tuple(0 if a in op.axes else s for a, s in enumerate(kept))
    outputs = [Operand(ctx.address(y), strides, y.spec.dtype) for y in group.outputs]
    append_reduction(ctx, x.shape, op.axes, op.function, expression, inputs, outputs, ctx.whole(x).shape)
    return None


def append_reduction(
    ctx: Lowering,
    shape: Sequence[int],
    axes: Sequence[int],
    function: str,
    expression: Expression,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    whole: Sequence[int],
) -> None:
    """Append the steps that compute `outputs = function over axes of expression(inputs)`.

    Args:
        outputs: of equal dtypes and equal strides; these have one entry per axis of `shape`, those of reduced axes 0.
        whole: the shape for the whole batch, where `shape` is that of some of its images.
    """
    output = outputs[0]
    kept_shape = [1 if a in axes else n for a, n in enumerate(shape)]
    if prod(shape) == 0:
        if prod(kept_shape):
            constant = Expression((), (Instruction("constant", (), output.dtype, EMPTY[function]),), (0,))
            for o in outputs:
                append_loop(ctx, kept_shape, constant, [], [o], algorithm="reduction of nothing")
        return
    dense = tuple(0 if a in axes else s for a, s in enumerate(dense_strides(kept_shape)))
    strides = [*(o.strides for o in inputs), output.strides, dense]
    nest = ReductionNest.of(shape, set(axes), strides, len(inputs))
    of_all = ReductionNest.of(whole, set(axes), strides, len(inputs))
    if of_all.inner_reduced != nest.inner_reduced:  # all other axes have extent 1: nothing is summed
        of_all = nest
    parts, _ = of_all.parts(ctx.target.lanes)
    if parts == 1:
        _append_step(ctx, shape, axes, function, expression, (nest, of_all), inputs, outputs)
        return
    # Parts of the sum into memory of their own, one dense set of results after the other; then their sum.
    results = prod(kept_shape)
    memory = [ctx.temporary(parts * results * to_dtype(output.dtype).itemsize) for _ in outputs]
    first = [replace(output, address=m) for m in memory]
    _append_step(ctx, shape, axes, function, expression, (nest, of_all), inputs, first)
    sources = [Operand(m, (results, *dense), output.dtype) for m in memory]
    targets = [replace(o, strides=(0, *o.strides)) for o in outputs]
    as_they_are = Expression((output.dtype,) * len(outputs), (), tuple(range(len(outputs))))
    whole_kept = [1 if a in axes else n for a, n in enumerate(whole)]
    append_reduction(
        ctx, [parts, *kept_shape], [0], function, as_they_are, sources, targets, [parts, *whole_kept]
    )  # fmt: skip


def _append_step(
    ctx: Lowering,
    shape: Sequence[int],
    axes: Sequence[int],
    function: str,
    expression: Expression,
    nests: tuple[ReductionNest, ReductionNest],
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
) -> None:
    nbytes = sum(
        prod(n for n, stride in zip(shape, o.strides) if stride) * to_dtype(o.dtype).itemsize
        for o in (*inputs, *outputs)
    )
    problem = ReductionProblem(function, expression, *nests, nbytes)
    choice = choose(ALGORITHMS, problem, ctx.setting)
    assert isinstance(choice.algorithm, ReductionAlgorithm)
    plan = choice.algorithm.plan(problem, ctx.setting)
    given: dict[str, Any] = plan.schedule.arguments()
    given |= {f"i{i}": o.address for i, o in enumerate(inputs)}
    given |= zip(plan.kernel.outputs, (o.address for o in outputs))
    ctx.step(
        plan.kernel,
        algorithm=plan.title + (f" in {given['parts']} parts" if given["parts"] > 1 else ""),
        considered=choice.considered,
        shapes=f"{'×'.join(map(str, shape))} over {','.join(map(str, axes))}",
        flops=problem.flops,
        nbytes=nbytes,
        **given,
    )
