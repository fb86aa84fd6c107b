"""Rows gathered by index."""

from __future__ import annotations

from simplecell.engine.algorithms.shaping.copying import moved, refusal
from simplecell.engine.algorithms.shaping.gather.kernel import GatherKernel
from simplecell.engine.algorithms.shaping.indices import IndexedSchedule
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.shaping import Gather


@lowers(Gather)
def gather(ctx: Lowering, group: Group) -> str | None:
    """Append the step that gathers rows, or elements where the axis is the last."""
    (x, indices), y, op = group.anchor.inputs, group.output, group.anchor.op
    assert isinstance(op, Gather)
    dtype, kind = moved(x), to_dtype(x.spec.dtype).kind
    if dtype is None or (kind not in "iub" and x.spec.dtype not in ("float32", "float64")):
        return refusal(x)
    schedule = IndexedSchedule.of(x.shape, op.axis, indices.spec.size)
    ctx.step(
        GatherKernel(dtype, indices.spec.dtype, kind == "f", schedule.inner == 1),
        algorithm="gather rows",
        shapes=f"{x.spec} at {indices.spec}",
        nbytes=2 * y.spec.nbytes + indices.spec.nbytes,
        src=ctx.address(x),
        indices=ctx.address(indices),
        dst=ctx.address(y),
        **schedule.arguments(),
    )
    return None
