"""Positions of extremes."""

from __future__ import annotations

from simplecell.engine.algorithms.reductions.along_axis import AlongAxisSchedule
from simplecell.engine.algorithms.reductions.positions.kernel import Positions
from simplecell.engine.code.elementwise import ALL
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.reduction import ArgReduce


@lowers(ArgReduce)
def arg_reduce(ctx: Lowering, group: Group) -> str | None:
    """Append the step that finds where the largest or smallest elements lie."""
    op, (x,), y = group.anchor.op, group.anchor.inputs, group.output
    assert isinstance(op, ArgReduce)
    if x.spec.dtype not in ALL:
        return f"{x.spec.dtype} has no machine code"
    schedule = AlongAxisSchedule.of(x.shape, op.axis)
    ctx.step(
        Positions(op.function, x.spec.dtype, schedule.single),
        algorithm=f"walk along {schedule.direction}",
        shapes=f"{x.spec} axis {op.axis % len(x.shape)}",
        flops=x.spec.size,
        nbytes=x.spec.nbytes + y.spec.nbytes,
        src=ctx.address(x),
        dst=ctx.address(y),
        **schedule.arguments(),
    )
    return None
