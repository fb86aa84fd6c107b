"""Reductions, positions of extremes and running sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from simplecell.engine.elementwise import ALL
from simplecell.engine.expression import Expression, Instruction
from simplecell.engine.fuse import Group
from simplecell.engine.kernels import scan
from simplecell.engine.kernels.loop import BROADCAST, CONTIGUOUS, STRIDED, cost
from simplecell.engine.kernels.reduction import Columns, Rows
from simplecell.engine.lowering.context import Lowering, lowers
from simplecell.engine.lowering.elementwise import Operand, dense_strides, emit_loop, operand
from simplecell.engine.program import Address
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.reduction import ArgReduce, Cumulative, Reduce

PART = 32768
"""Elements that a part reduces, at least: below it, dividing costs more than it gains."""
MAX_PARTS = 16
MANY_RESULTS = 64
"""Units of results from which threads are busy without parts."""


def emit_reduction(
    ctx: Lowering,
    shape: Sequence[int],
    axes: Sequence[int],
    function: str,
    expression: Expression,
    inputs: Sequence[Operand],
    output: Operand,
    label: str | None = None,
) -> None:
    """Append the steps that compute `output = function over axes of expression(inputs)`. The output's strides have one entry per
    axis of `shape`, those of reduced axes are 0."""
    if prod(shape) == 0:
        if output_elements(shape, axes):
            empty = {"sum": 0, "any": 0, "prod": 1, "all": 1}[function]
            constant = Expression((), (Instruction("constant", (), output.dtype, empty),), (0,))
            kept = [1 if a in axes else n for a, n in enumerate(shape)]
            emit_loop(ctx, kept, constant, [], [output], label, "reduction of nothing")
        return
    partial_strides = [0 if a in axes else s for a, s in enumerate(dense_strides([1 if a in axes else n for a, n in enumerate(shape)]))]
    nest = _simplified(shape, set(axes), [*(o.strides for o in (*inputs, output)), partial_strides], inputs)
    if not any(reduced for _, reduced, _ in nest):
        nest.insert(0, (1, True, [0] * (len(inputs) + 2)))
    *outer, (n, inner_reduced, inner) = nest
    kept = [(extent, move) for extent, reduced, move in outer if not reduced]
    reduced = [(extent, move) for extent, reduced, move in outer if reduced]
    how = tuple(BROADCAST if s == 0 else CONTIGUOUS if s == 1 else STRIDED for s in inner[:-2])
    results = prod(extent for extent, _ in kept)
    kernel: Rows | Columns
    if inner_reduced:
        kernel = Rows(function, expression, how, len(kept), len(reduced), 4 if n > 2 * ctx.target.lanes else 1)
        work = results
        axis = reduced[0][0] if reduced else n
    else:
        vectors = _vectors(n, ctx.target.lanes)
        ragged = n % (vectors * ctx.target.lanes) != 0
        kernel = Columns(function, expression, how, len(kept), len(reduced), 4 // vectors, vectors, ragged, inner[-2] != 1)
        work = results * -(-n // (vectors * ctx.target.lanes))
        axis = reduced[0][0]
        results *= n
    elements = prod(shape)
    parts = 1 if work >= MANY_RESULTS else max(1, min(MAX_PARTS, elements // PART, axis))
    per = -(-axis // parts)
    if not reduced and inner_reduced:
        per = -(-per // 64) * 64
    parts = -(-axis // per)
    arguments: dict[str, Address | int] = {"n": n, "parts": parts, "per": per}
    for name, found in (("k", kept), ("r", reduced)):
        for a, (extent, move) in enumerate(found):
            arguments[f"{name}{a}"] = extent
            arguments |= {f"i{i}_{name}{a}": move[i] for i in range(len(inputs))}
    for i, source in enumerate(inputs):
        arguments[f"i{i}"] = source.address
        if how[i] == STRIDED:
            arguments[f"i{i}_step"] = inner[i]
    target, strides, step = output.address, [move[-2] for _, move in kept], inner[-2]
    if parts > 1:
        target = ctx.temporary(parts * results * to_dtype(output.dtype).itemsize)
        strides, step = [move[-1] for _, move in kept], inner[-1]
        if isinstance(kernel, Columns):
            kernel = replace(kernel, scattered=step != 1)
    arguments |= {"dst": target, "dst_part": results, **{f"dst_k{a}": s for a, s in enumerate(strides)}}
    if isinstance(kernel, Columns) and kernel.scattered:
        arguments["dst_step"] = step
    nbytes = sum(prod(e for e, s in zip(shape, o.strides) if s) * to_dtype(o.dtype).itemsize for o in (*inputs, output))
    ctx.step(
        kernel,
        algorithm=f"reduce {'rows' if inner_reduced else 'columns'}" + (f" in {parts} parts" if parts > 1 else ""),
        shapes=f"{'×'.join(map(str, shape))} over {','.join(map(str, axes))}",
        flops=elements * (cost(expression) + 1),
        nbytes=nbytes,
        label=label,
        **arguments,
    )
    if parts > 1:
        partial = Operand(target, (results, *partial_strides), output.dtype)
        whole = [1 if a in axes else extent for a, extent in enumerate(shape)]
        combined = replace(output, strides=(0, *output.strides))
        emit_reduction(ctx, [parts, *whole], [0], function, Expression.identity(output.dtype), [partial], combined, label)


def output_elements(shape: Sequence[int], axes: Sequence[int]) -> int:
    return prod(n for a, n in enumerate(shape) if a not in axes)


Axis = tuple[int, bool, list[int]]
"""extent, reduced?, strides of all operands"""


def _simplified(shape: Sequence[int], reduced: set[int], strides: Sequence[Sequence[int]], inputs: Sequence[Operand]) -> list[Axis]:
    """The loop nest with as few axes as can be, ordered by the strides of the input that moves most."""
    touched = [sum(n * (s != 0) for n, s in zip(shape, o.strides)) for o in inputs]
    leading = strides[touched.index(max(touched))] if inputs else strides[-1]
    axes = [d for d, extent in enumerate(shape) if extent != 1]
    axes.sort(key=lambda d: (-abs(leading[d]) if leading[d] else -(1 << 62), d))
    nest: list[Axis] = []
    for d in axes:
        move = [s[d] for s in strides]
        if nest and nest[-1][1] == (d in reduced) and all(o == i * shape[d] for o, i in zip(nest[-1][2], move)):
            nest[-1] = (nest[-1][0] * shape[d], d in reduced, move)
        else:
            nest.append((shape[d], d in reduced, move))
    return nest


def _vectors(n: int, lanes: int) -> int:
    """Vectors of columns at a time: as many of 4 as the extent fills, preferably without a remainder."""
    for vectors in (4, 2, 1):
        if n % (vectors * lanes) == 0:
            return vectors
    return 4 if n > 3 * lanes else 2 if n > lanes else 1


@lowers(Reduce)
def reduce(ctx: Lowering, group: Group) -> str | None:
    op, x, y = group.anchor.op, group.anchor.inputs[0], group.output
    assert isinstance(op, Reduce)
    if x.spec.dtype not in ALL:
        return f"{x.spec.dtype} has no machine code"
    expression = group.expression or Expression.identity(x.spec.dtype)
    shape = x.shape
    inputs = [operand(ctx, t, shape) for t in group.inputs]
    kept = dense_strides([1 if a in op.axes else n for a, n in enumerate(shape)])
    output = Operand(ctx.address(y), tuple(0 if a in op.axes else s for a, s in enumerate(kept)), y.spec.dtype)
    emit_reduction(ctx, shape, op.axes, op.function, expression, inputs, output)
    return None


@lowers(ArgReduce)
def arg_reduce(ctx: Lowering, group: Group) -> str | None:
    op, (x,) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, ArgReduce)
    if x.spec.dtype not in ALL:
        return f"{x.spec.dtype} has no machine code"
    return _along_axis(ctx, group, scan.ArgReduce(op.function, x.spec.dtype, prod(x.shape[op.axis % len(x.shape) + 1 :]) == 1), op.axis)


@lowers(Cumulative)
def cumulative(ctx: Lowering, group: Group) -> str | None:
    op, (x,) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, Cumulative)
    if x.spec.dtype not in ALL or x.spec.dtype == "bool":
        return f"{x.spec.dtype} has no machine code"
    single = prod(x.shape[op.axis % len(x.shape) + 1 :]) == 1
    return _along_axis(ctx, group, scan.Cumulative(op.function, x.spec.dtype, op.reverse, single), op.axis)


def _along_axis(ctx: Lowering, group: Group, kernel: scan.AlongAxis, axis: int) -> str | None:
    x, y = group.anchor.inputs[0], group.output
    axis %= len(x.shape)
    ctx.step(
        kernel,
        src=ctx.address(x),
        dst=ctx.address(y),
        outer=prod(x.shape[:axis]),
        n=x.shape[axis],
        inner=prod(x.shape[axis + 1 :]),
        shapes=f"{x.spec} axis {axis}",
        flops=x.spec.size,
        nbytes=x.spec.nbytes + y.spec.nbytes,
    )
    return None
