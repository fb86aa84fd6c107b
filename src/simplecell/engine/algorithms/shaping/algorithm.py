"""Moving data: views where nothing moves, loops of the identity with other strides where something does, look-ups by
index."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

from simplecell.engine.algorithms.loops.nest import dense_strides, simplified
from simplecell.engine.algorithms.loops.operand import Operand, as_moved, tensor_strides
from simplecell.engine.algorithms.loops.table import append_loop
from simplecell.engine.algorithms.shaping import gather as kernels
from simplecell.engine.algorithms.shaping.transpose import SMALLEST
from simplecell.engine.algorithms.shaping.transpose import Transpose as Transposing
from simplecell.engine.code.elementwise import ALL
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.engine.run.program import Address
from simplecell.graph.tensor import Tensor
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.shaping import (
    Concatenate,
    Gather,
    OneHot,
    Pad,
    Reshape,
    Reverse,
    ScatterAdd,
    Slice,
    Transpose,
    UpdateSlice,
)

MAX_LOOPS = 64
"""A padding that needs more pieces than this runs as its reference."""


def _moved(tensor: Tensor) -> str | None:
    return as_moved(tensor.spec.dtype)


def _refuse(tensor: Tensor) -> str:
    return f"{tensor.spec.dtype} has no machine code"


def _size(tensor: Tensor) -> int:
    return to_dtype(tensor.spec.dtype).itemsize


def copy(
    ctx: Lowering,
    shape: tuple[int, ...],
    dtype: str,
    source: Address,
    source_strides: tuple[int, ...],
    target: Address,
    target_strides: tuple[int, ...],
    algorithm: str = "copy",
) -> None:
    """One step that copies; `dtype` is that of `as_moved`."""
    extents, moves = simplified(shape, [source_strides, target_strides], leading=1)
    along = next((k for k, move in enumerate(moves) if move[0] == 1), None)
    last = len(extents) - 1
    if along is not None and along != last and moves[last][1] == 1 and min(extents[along], extents[last]) >= SMALLEST:
        outer = [k for k in range(last) if k != along]
        arguments: dict[str, Any] = {}
        for axis, k in enumerate(outer):
            arguments |= {f"d{axis}": extents[k], f"src_s{axis}": moves[k][0], f"dst_s{axis}": moves[k][1]}
        ctx.step(
            Transposing(dtype, len(outer)),
            src=source,
            dst=target,
            rows=extents[last],
            columns=extents[along],
            src_row=moves[last][0],
            dst_row=moves[along][1],
            algorithm=f"{algorithm}: tiles",
            shapes="×".join(map(str, shape)),
            nbytes=2 * prod(shape) * to_dtype(dtype).itemsize,
            **arguments,
        )
        return
    append_loop(
        ctx,
        shape,
        Expression.identity(dtype),
        [Operand(source, source_strides, dtype)],
        [Operand(target, target_strides, dtype)],
        algorithm=algorithm,
    )


@lowers(Reshape)
def reshape(ctx: Lowering, group: Group) -> str | None:
    ctx.view(group.output, ctx.address(group.inputs[0]))
    return None


@lowers(Transpose)
def transpose(ctx: Lowering, group: Group) -> str | None:
    (x,), y, op = group.inputs, group.output, group.anchor.op
    assert isinstance(op, Transpose)
    order = [a for a in op.permutation if x.shape[a] != 1]
    if order == sorted(order):
        ctx.view(y, ctx.address(x))
        return None
    dtype = _moved(x)
    if dtype is None:
        return _refuse(x)
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
    (x,), y, op = group.inputs, group.output, group.anchor.op
    assert isinstance(op, Slice)
    dtype = _moved(x)
    if dtype is None:
        return _refuse(x)
    dense = dense_strides(x.shape)
    source = ctx.address(x) + sum(lo * s for lo, s in zip(op.start, dense)) * _size(x)
    strides = tuple(s * by for s, by in zip(dense, op.step))
    wanted = dense_strides(y.shape)
    if y.spec.size and all(n == 1 or s == w for n, s, w in zip(y.shape, strides, wanted)):
        ctx.view(y, source)
    else:
        copy(ctx, y.shape, dtype, source, strides, ctx.address(y), wanted, "slice")
    return None


@lowers(Reverse)
def reverse(ctx: Lowering, group: Group) -> str | None:
    (x,), y, op = group.inputs, group.output, group.anchor.op
    assert isinstance(op, Reverse)
    dtype = _moved(x)
    if dtype is None:
        return _refuse(x)
    dense = dense_strides(x.shape)
    axes = {a % len(x.shape) for a in op.axes}
    start = sum((n - 1) * s for a, (n, s) in enumerate(zip(x.shape, dense)) if a in axes) if x.spec.size else 0
    strides = tuple(-s if a in axes else s for a, s in enumerate(dense))
    copy(ctx, x.shape, dtype, ctx.address(x) + start * _size(x), strides, ctx.address(y), dense, "reverse")
    return None


@lowers(Concatenate)
def concatenate(ctx: Lowering, group: Group) -> str | None:
    y, op = group.output, group.anchor.op
    assert isinstance(op, Concatenate)
    dtype = _moved(y)
    if dtype is None:
        return _refuse(y)
    axis, strides, target = op.axis % len(y.shape), tensor_strides(ctx, y), ctx.address(y)
    for part in group.anchor.inputs:
        if not ctx.placed(part):  # else it is there already
            copy(ctx, part.shape, dtype, ctx.address(part), dense_strides(part.shape), target, strides, "concatenate")
        target = target + part.shape[axis] * strides[axis] * _size(y)
    return None


@lowers(UpdateSlice)
def update_slice(ctx: Lowering, group: Group) -> str | None:
    (x, updates), y, op = group.anchor.inputs, group.output, group.anchor.op
    assert isinstance(op, UpdateSlice)
    dtype = _moved(x)
    if dtype is None:
        return _refuse(x)
    strides = dense_strides(x.shape)
    copy(ctx, x.shape, dtype, ctx.address(x), strides, ctx.address(y), strides)
    block = ctx.address(y) + sum(lo * s for lo, s in zip(op.start, strides)) * _size(x)
    copy(ctx, updates.shape, dtype, ctx.address(updates), dense_strides(updates.shape), block, strides, "update slice")
    return None


# --- padding ---------------------------------------------------------------------------------------------------------

Piece = tuple[int, int, int, int]
"""Along one axis: place in the result, length, place in the source, step in the source (0: one element again and
again)."""


def pieces(n: int, low: int, high: int, mode: str) -> list[Piece]:
    """The result's axis as runs of the source's: for every mode but `constant`."""
    inside = [(low, n, 0, 1)]
    if mode == "edge" or n == 1:
        return [p for p in [(0, low, 0, 0), *inside, (low + n, high, n - 1, 0)] if p[1]]
    period = {"circular": n, "symmetric": 2 * n, "reflect": 2 * n - 2}[mode]
    found: list[Piece] = []
    at = -low
    while at < n + high:
        phase = at % period
        if phase < n:  # forwards
            length, source, step = n - phase, phase, 1
        else:  # backwards: symmetric begins with the last element again, reflect with the one before
            source = period - phase - (1 if mode == "symmetric" else 0)
            length, step = period - phase, -1
        length = min(length, n + high - at)
        found.append((at + low, length, source, step))
        at += length
    return found


@lowers(Pad)
def pad(ctx: Lowering, group: Group) -> str | None:
    (x,), y, op = group.inputs, group.output, group.anchor.op
    assert isinstance(op, Pad)
    dtype = _moved(x)
    if dtype is None:
        return _refuse(x)
    if op.mode == "constant":
        return _pad_with_constant(ctx, x, y, op)
    axes = [pieces(n, low, high, op.mode) for n, (low, high) in zip(x.shape, op.widths)]
    if prod(map(len, axes)) > MAX_LOOPS:
        return f"{prod(map(len, axes))} pieces are too many loops"
    read, write, size = dense_strides(x.shape), dense_strides(y.shape), _size(x)
    for combination in product(*axes):
        source = ctx.address(x) + sum(p[2] * s for p, s in zip(combination, read)) * size
        target = ctx.address(y) + sum(p[0] * s for p, s in zip(combination, write)) * size
        strides = tuple(p[3] * s for p, s in zip(combination, read))
        copy(ctx, tuple(p[1] for p in combination), dtype, source, strides, target, write, f"pad {op.mode}")
    return None


def _pad_with_constant(ctx: Lowering, x: Tensor, y: Tensor, op: Pad) -> str | None:
    """The source into the middle, and the constant into two slabs per padded axis."""
    dtype = y.spec.dtype
    if dtype not in ALL:
        return _refuse(y)
    number = to_dtype(dtype).type(op.value).item()
    constant = Expression((), (Instruction("constant", (), dtype, number),), (0,))
    write, size, moved = dense_strides(y.shape), _size(y), _moved(x)
    assert moved is not None
    target = ctx.address(y)
    middle = target + sum(low * s for (low, _), s in zip(op.widths, write)) * size
    copy(ctx, x.shape, moved, ctx.address(x), dense_strides(x.shape), middle, write, "pad")
    slab, at = list(y.shape), target
    for axis, (n, (low, high)) in enumerate(zip(x.shape, op.widths)):
        for start, length in ((0, low), (low + n, high)):
            slab[axis] = length
            append_loop(
                ctx, slab, constant, [], [Operand(at + start * write[axis] * size, write, dtype)], algorithm="pad: fill"
            )
        slab[axis] = n  # what remains to be filled lies between the two slabs
        at = at + low * write[axis] * size
    return None


# --- indices ---------------------------------------------------------------------------------------------------------


def _about(shape: tuple[int, ...], axis: int) -> tuple[int, int]:
    """Elements before and behind an axis."""
    return prod(shape[:axis]), prod(shape[axis + 1 :])


@lowers(Gather)
def gather(ctx: Lowering, group: Group) -> str | None:
    (x, indices), y, op = group.anchor.inputs, group.output, group.anchor.op
    assert isinstance(op, Gather)
    dtype, axis = _moved(x), op.axis % len(x.shape)
    kind = to_dtype(x.spec.dtype).kind
    if dtype is None or (kind not in "iub" and x.spec.dtype not in ("float32", "float64")):
        return _refuse(x)
    outer, inner = _about(x.shape, axis)
    ctx.step(
        kernels.Gather(dtype, indices.spec.dtype, kind == "f", inner == 1),
        src=ctx.address(x),
        indices=ctx.address(indices),
        dst=ctx.address(y),
        outer=outer,
        n=x.shape[axis],
        count=indices.spec.size,
        inner=inner,
        algorithm="gather rows",
        shapes=f"{x.spec} at {indices.spec}",
        nbytes=2 * y.spec.nbytes + indices.spec.nbytes,
    )
    return None


@lowers(ScatterAdd)
def scatter_add(ctx: Lowering, group: Group) -> str | None:
    (indices, updates), y, op = group.anchor.inputs, group.output, group.anchor.op
    assert isinstance(op, ScatterAdd)
    dtype, axis = y.spec.dtype, op.axis % len(y.shape)
    if dtype not in ALL or dtype == "bool":
        return _refuse(y)
    if y.spec.size == 0:
        ctx.address(y)
        return None
    outer, inner = _about(y.shape, axis)
    ctx.step(
        kernels.ScatterAdd(dtype, indices.spec.dtype),
        indices=ctx.address(indices),
        updates=ctx.address(updates),
        dst=ctx.address(y),
        outer=outer,
        n=y.shape[axis],
        count=indices.spec.size,
        inner=inner,
        algorithm="scatter rows",
        shapes=f"{updates.spec} at {indices.spec}",
        nbytes=2 * updates.spec.nbytes + y.spec.nbytes,
    )
    return None


@lowers(OneHot)
def one_hot(ctx: Lowering, group: Group) -> str | None:
    (indices,), y, op = group.anchor.inputs, group.output, group.anchor.op
    assert isinstance(op, OneHot)
    if op.dtype not in ALL:
        return _refuse(y)
    ctx.step(
        kernels.OneHot(op.dtype, indices.spec.dtype),
        indices=ctx.address(indices),
        dst=ctx.address(y),
        count=indices.spec.size,
        depth=op.depth,
        algorithm="one-hot rows",
        shapes=str(y.spec),
        nbytes=y.spec.nbytes + indices.spec.nbytes,
    )
    return None
