"""Softmax and log-softmax; all other activations are element-wise."""

from __future__ import annotations

from simplecell.engine.algorithms.reductions.along_axis import AlongAxisSchedule
from simplecell.engine.algorithms.reductions.softmax.kernel import SoftmaxKernel
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.activation import LogSoftmax, Softmax

FLOPS = 30
"""of an element, roughly"""


@lowers(Softmax, LogSoftmax)
def softmax(ctx: Lowering, group: Group) -> str | None:
    """Append the step of a softmax or its logarithm."""
    op, x, y = group.anchor.op, group.anchor.inputs[0], group.output
    assert isinstance(op, (Softmax, LogSoftmax))
    if x.spec.dtype != "float32":
        return f"{x.spec.dtype} has no machine code"
    schedule = AlongAxisSchedule.of(x.shape, op.axis)
    ctx.step(
        SoftmaxKernel(isinstance(op, LogSoftmax), schedule.single),
        algorithm=f"softmax along {schedule.direction}",
        shapes=f"{x.spec} axis {op.axis % len(x.shape)}",
        flops=FLOPS * x.spec.size,
        nbytes=4 * x.spec.nbytes,
        src=ctx.address(x),
        dst=ctx.address(y),
        **schedule.arguments(),
    )
    return None
