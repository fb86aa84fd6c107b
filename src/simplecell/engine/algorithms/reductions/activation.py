"""Softmax and log-softmax; all other activations are element-wise."""

from __future__ import annotations

from math import prod

from simplecell.engine.algorithms.reductions import scan
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.activation import LogSoftmax, Softmax


@lowers(Softmax, LogSoftmax)
def softmax(ctx: Lowering, group: Group) -> str | None:
    op, x, y = group.anchor.op, group.anchor.inputs[0], group.output
    assert isinstance(op, (Softmax, LogSoftmax))
    if x.spec.dtype != "float32":
        return f"{x.spec.dtype} has no machine code"
    axis = op.axis % len(x.shape)
    inner = prod(x.shape[axis + 1 :])
    ctx.step(
        scan.Softmax(isinstance(op, LogSoftmax), inner == 1),
        src=ctx.address(x),
        dst=ctx.address(y),
        outer=prod(x.shape[:axis]),
        n=x.shape[axis],
        inner=inner,
        algorithm=f"softmax along {'rows' if inner == 1 else 'columns'}",
        shapes=f"{x.spec} axis {axis}",
        flops=30 * x.spec.size,
        nbytes=4 * x.spec.nbytes,
    )
    return None
