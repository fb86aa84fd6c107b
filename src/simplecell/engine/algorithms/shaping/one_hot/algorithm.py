"""One-hot rows."""

from __future__ import annotations

from simplecell.engine.algorithms.shaping.copying import refusal
from simplecell.engine.algorithms.shaping.one_hot.kernel import OneHotKernel
from simplecell.engine.algorithms.shaping.one_hot.schedule import OneHotSchedule
from simplecell.engine.code.elementwise import ALL
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.shaping import OneHot


@lowers(OneHot)
def one_hot(ctx: Lowering, group: Group) -> str | None:
    """Append the step that writes one-hot rows."""
    (indices,), y, op = group.anchor.inputs, group.output, group.anchor.op
    assert isinstance(op, OneHot)
    if op.dtype not in ALL:
        return refusal(y)
    ctx.step(
        OneHotKernel(op.dtype, indices.spec.dtype),
        algorithm="one-hot rows",
        shapes=str(y.spec),
        nbytes=y.spec.nbytes + indices.spec.nbytes,
        indices=ctx.address(indices),
        dst=ctx.address(y),
        **OneHotSchedule(indices.spec.size, op.depth).arguments(),
    )
    return None
