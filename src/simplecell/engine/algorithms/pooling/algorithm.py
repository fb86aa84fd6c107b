"""Max and average pooling and their gradients → steps."""

from __future__ import annotations

from simplecell.engine.algorithms.pooling.kernel import PoolAny, PoolForward, PoolGradient
from simplecell.engine.algorithms.sliding import Sliding, sliding
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.window import Columns
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.graph.tensor import Tensor
from simplecell.ops.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient

Pool = MaxPool | AveragePool | MaxPoolGradient | AveragePoolGradient


def _window(op: Pool, src: tuple[int, ...], dst: tuple[int, ...]) -> Sliding:
    ones = (1,) * len(op.size)
    return sliding(src[0], src[1:-1], dst[1:-1], op.size, op.strides, ones, op.padding, src[-1], src[-1])


def _refusal(src: Tensor) -> str | None:
    if src.spec.dtype != "float32":
        return f"pooling: {src.spec.dtype} has no machine code, float32 has"
    return "pooling: more than 3 spatial axes" if len(src.shape) > 5 else None


@lowers(MaxPool, AveragePool)
def forward(ctx: Lowering, group: Group) -> str | None:
    op, (src,) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, (MaxPool, AveragePool))
    refusal = _refusal(src)
    if refusal is not None:
        return refusal
    function = "max" if isinstance(op, MaxPool) else "average"
    dst = group.anchor.outputs[0]
    window = _window(op, src.shape, dst.shape)
    epilogue, operands = ctx.epilogue(group)
    ragged = window.oc % ctx.target.lanes != 0
    # Registers: one per column, and a few for loads and comparisons.
    most = (ctx.target.registers - 6 - window.width.taps) // window.width.stride + 1
    columns = window.columns(min(8, most)) if most > 0 else f"{window.width.taps} columns are more than the registers"
    kernel: Kernel
    if isinstance(columns, Columns):
        kernel, reason = (
            PoolForward(function, columns, window.planes, ragged, epilogue),
            "columns unrolled, borders known",
        )
    else:
        kernel, reason = PoolAny(function, window.planes, ragged, epilogue), f"unrolled: {columns}"
    note = ctx.note(group)
    given = window.work(ctx) | {"src": ctx.address(src), "dst": ctx.address(group.output), **operands}
    ctx.step(
        kernel,
        algorithm=f"{function} pooling",
        reason=f"{reason}; {note}" if note else reason,
        shapes=f"{src.spec} → {dst.spec}",
        nbytes=src.spec.nbytes + dst.spec.nbytes,
        **{a: given[a] for a in kernel.arguments},
    )
    return None


@lowers(MaxPoolGradient, AveragePoolGradient)
def gradient(ctx: Lowering, group: Group) -> str | None:
    op, inputs = group.anchor.op, group.anchor.inputs
    assert isinstance(op, (MaxPoolGradient, AveragePoolGradient))
    diff, dst = inputs[-1], group.output
    refusal = _refusal(diff)
    if refusal is not None:
        return refusal
    function = "max" if isinstance(op, MaxPoolGradient) else "average"
    window = _window(op, dst.shape, diff.shape)
    lanes, channels = ctx.target.lanes, max(dst.shape[-1], 1)
    apart = window.depth.stride >= window.depth.taps and window.height.stride >= window.height.taps
    kernel = PoolGradient(function, apart, channels % lanes != 0)
    parts = 1 if apart or window.n >= 4 * ctx.threads else min(-(-channels // lanes), ctx.threads)
    given = window.arguments(-(-channels // parts // lanes) * lanes)
    given |= {"diff_dst": ctx.address(diff), "dst": ctx.address(dst)}
    if function == "max":
        given |= {"src": ctx.address(inputs[0]), "pooled": ctx.address(inputs[1])}
    ctx.step(
        kernel,
        algorithm=f"{function} pooling gradient",
        reason="windows do not overlap: by rows" if apart else "windows overlap: by images and channels",
        shapes=f"{diff.spec} → {dst.spec}",
        nbytes=sum(t.spec.nbytes for t in inputs) + 2 * dst.spec.nbytes,
        **{a: given[a] for a in kernel.arguments},
    )
    return None
