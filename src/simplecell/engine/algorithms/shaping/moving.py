"""Ops that move data: views where nothing moves, copies where something does."""

from __future__ import annotations

from simplecell.engine.algorithms.loops.nest import dense_strides
from simplecell.engine.algorithms.loops.operand import tensor_strides
from simplecell.engine.algorithms.shaping.copying import copy, itemsize, moved, refusal
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.shaping import Concatenate, Reshape, Reverse, Slice, Transpose, UpdateSlice


@lowers(Reshape)
def reshape(ctx: Lowering, group: Group) -> str | None:
    """A view."""
    ctx.view(group.output, ctx.address(group.inputs[0]))
    return None


@lowers(Transpose)
def transpose(ctx: Lowering, group: Group) -> str | None:
    """A view where axes of extent 1 alone change places, else a copy."""
    (x,), y, op = group.inputs, group.output, group.anchor.op
    assert isinstance(op, Transpose)
    order = [a for a in op.permutation if x.shape[a] != 1]
    if order == sorted(order):
        ctx.view(y, ctx.address(x))
        return None
    dtype = moved(x)
    if dtype is None:
        return refusal(x)
    strides = dense_strides(x.shape)
    copy(
        ctx,
        y.shape,
        dtype,
        ctx.address(x),
        tuple(strides[a] for a in op.permutation),
        ctx.address(y),
        dense_strides(y.shape),
        "transpose",
    )
    return None


@lowers(Slice)
def slice_(ctx: Lowering, group: Group) -> str | None:
    """A view where the slice is dense, else a copy."""
    (x,), y, op = group.inputs, group.output, group.anchor.op
    assert isinstance(op, Slice)
    dtype = moved(x)
    if dtype is None:
        return refusal(x)
    dense = dense_strides(x.shape)
    source = ctx.address(x) + sum(lo * s for lo, s in zip(op.start, dense)) * itemsize(x)
    strides = tuple(s * by for s, by in zip(dense, op.step))
    wanted = dense_strides(y.shape)
    if y.spec.size and all(n == 1 or s == w for n, s, w in zip(y.shape, strides, wanted)):
        ctx.view(y, source)
    else:
        copy(ctx, y.shape, dtype, source, strides, ctx.address(y), wanted, "slice")
    return None


@lowers(Reverse)
def reverse(ctx: Lowering, group: Group) -> str | None:
    """A copy with negative strides."""
    (x,), y, op = group.inputs, group.output, group.anchor.op
    assert isinstance(op, Reverse)
    dtype = moved(x)
    if dtype is None:
        return refusal(x)
    dense = dense_strides(x.shape)
    axes = {a % len(x.shape) for a in op.axes}
    start = sum((n - 1) * s for a, (n, s) in enumerate(zip(x.shape, dense)) if a in axes) if x.spec.size else 0
    strides = tuple(-s if a in axes else s for a, s in enumerate(dense))
    copy(ctx, x.shape, dtype, ctx.address(x) + start * itemsize(x), strides, ctx.address(y), dense, "reverse")
    return None


@lowers(Concatenate)
def concatenate(ctx: Lowering, group: Group) -> str | None:
    """A copy of each part that was not written into its place."""
    y, op = group.output, group.anchor.op
    assert isinstance(op, Concatenate)
    dtype = moved(y)
    if dtype is None:
        return refusal(y)
    axis, strides, target = op.axis % len(y.shape), tensor_strides(ctx, y), ctx.address(y)
    for part in group.anchor.inputs:
        if not ctx.placed(part):  # else it is there already
            copy(ctx, part.shape, dtype, ctx.address(part), dense_strides(part.shape), target, strides, "concatenate")
        target = target + part.shape[axis] * strides[axis] * itemsize(y)
    return None


@lowers(UpdateSlice)
def update_slice(ctx: Lowering, group: Group) -> str | None:
    """A copy of the array, and one of the updates over it."""
    (x, updates), y, op = group.anchor.inputs, group.output, group.anchor.op
    assert isinstance(op, UpdateSlice)
    dtype = moved(x)
    if dtype is None:
        return refusal(x)
    strides = dense_strides(x.shape)
    copy(ctx, x.shape, dtype, ctx.address(x), strides, ctx.address(y), strides)
    block = ctx.address(y) + sum(lo * s for lo, s in zip(op.start, strides)) * itemsize(x)
    copy(ctx, updates.shape, dtype, ctx.address(updates), dense_strides(updates.shape), block, strides, "update slice")
    return None
