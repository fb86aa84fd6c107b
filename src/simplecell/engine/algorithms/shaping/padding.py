"""Padding in every mode: copies of sections, and loops that fill."""

from __future__ import annotations

from itertools import product
from math import prod

from simplecell.engine.algorithms.loops.nest import dense_strides
from simplecell.engine.algorithms.loops.operand import Operand
from simplecell.engine.algorithms.loops.table import append_loop
from simplecell.engine.algorithms.shaping.copying import copy, itemsize, moved, refusal
from simplecell.engine.code.elementwise import ALL
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.graph.tensor import Tensor
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.shaping import Pad

MAX_LOOPS = 64
"""A padding that needs more sections than this runs as its reference."""

Section = tuple[int, int, int, int]
"""Along one axis: place in the result, length, place in the source, step in the source (0: one element again and
again)."""


def sections(n: int, low: int, high: int, mode: str) -> list[Section]:
    """The result's axis as runs of the source's: for every mode but `constant`."""
    inside = [(low, n, 0, 1)]
    if mode == "edge" or n == 1:
        return [p for p in [(0, low, 0, 0), *inside, (low + n, high, n - 1, 0)] if p[1]]
    period = {"circular": n, "symmetric": 2 * n, "reflect": 2 * n - 2}[mode]
    found: list[Section] = []
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
    """Append the steps of a padding."""
    (x,), y, op = group.inputs, group.output, group.anchor.op
    assert isinstance(op, Pad)
    dtype = moved(x)
    if dtype is None:
        return refusal(x)
    if op.mode == "constant":
        return _pad_with_constant(ctx, x, y, op)
    axes = [sections(n, low, high, op.mode) for n, (low, high) in zip(x.shape, op.widths)]
    if prod(map(len, axes)) > MAX_LOOPS:
        return f"{prod(map(len, axes))} sections are too many loops"
    read, write, size = dense_strides(x.shape), dense_strides(y.shape), itemsize(x)
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
        return refusal(y)
    number = to_dtype(dtype).type(op.value).item()
    constant = Expression((), (Instruction("constant", (), dtype, number),), (0,))
    write, size, read_as = dense_strides(y.shape), itemsize(y), moved(x)
    assert read_as is not None
    target = ctx.address(y)
    middle = target + sum(low * s for (low, _), s in zip(op.widths, write)) * size
    copy(ctx, x.shape, read_as, ctx.address(x), dense_strides(x.shape), middle, write, "pad")
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
