"""Running sums and products."""

from __future__ import annotations

from simplecell.engine.algorithms.reductions.along_axis import AlongAxisSchedule
from simplecell.engine.algorithms.reductions.running.kernel import Running
from simplecell.engine.code.elementwise import ALL
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.reduction import Cumulative


@lowers(Cumulative)
def cumulative(ctx: Lowering, group: Group) -> str | None:
    """Append the step of a running sum or product."""
    op, (x,), y = group.anchor.op, group.anchor.inputs, group.output
    assert isinstance(op, Cumulative)
    if x.spec.dtype not in ALL or x.spec.dtype == "bool":
        return f"{x.spec.dtype} has no machine code"
    schedule = AlongAxisSchedule.of(x.shape, op.axis)
    ctx.step(
        Running(op.function, x.spec.dtype, op.reverse, schedule.single),
        algorithm=f"walk along {schedule.direction}",
        shapes=f"{x.spec} axis {op.axis % len(x.shape)}",
        flops=x.spec.size,
        nbytes=x.spec.nbytes + y.spec.nbytes,
        src=ctx.address(x),
        dst=ctx.address(y),
        **schedule.arguments(),
    )
    return None
