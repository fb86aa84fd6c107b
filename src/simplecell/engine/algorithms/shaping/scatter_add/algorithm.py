"""Rows added up where they came from: the gradient of gathering."""

from __future__ import annotations

from simplecell.engine.algorithms.shaping.copying import refusal
from simplecell.engine.algorithms.shaping.indices import IndexedSchedule
from simplecell.engine.algorithms.shaping.scatter_add.kernel import ScatterAddKernel
from simplecell.engine.code.elementwise import ALL
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.shaping import ScatterAdd


@lowers(ScatterAdd)
def scatter_add(ctx: Lowering, group: Group) -> str | None:
    """Append the step that clears the result and adds the rows."""
    (indices, updates), y, op = group.anchor.inputs, group.output, group.anchor.op
    assert isinstance(op, ScatterAdd)
    dtype = y.spec.dtype
    if dtype not in ALL or dtype == "bool":
        return refusal(y)
    if y.spec.size == 0:
        ctx.address(y)
        return None
    ctx.step(
        ScatterAddKernel(dtype, indices.spec.dtype),
        algorithm="scatter rows",
        shapes=f"{updates.spec} at {indices.spec}",
        nbytes=2 * updates.spec.nbytes + y.spec.nbytes,
        indices=ctx.address(indices),
        updates=ctx.address(updates),
        dst=ctx.address(y),
        **IndexedSchedule.of(y.shape, op.axis, indices.spec.size).arguments(),
    )
    return None
