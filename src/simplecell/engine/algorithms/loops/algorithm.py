"""Fused element-wise loops: simplify the loop nest (drop, order and merge axes), then one `Loop` step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from simplecell.engine.algorithms.loops.columns import CHANNEL, FULL, ROW, SCALAR, ColumnLoop
from simplecell.engine.algorithms.loops.kernel import BROADCAST, CONTIGUOUS, STRIDED, Loop, cost
from simplecell.engine.code.expression import Expression
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.planning.groups import Group, LoopGroup
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.engine.run.program import Address
from simplecell.graph.tensor import Tensor
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.elementwise import Binary, Cast, Select, StopGradient, Unary
from simplecell.ops.shaping import BroadcastTo

CHUNK = 4096
"""Elements of the innermost axis in a unit of work, where there are too few rows to divide among threads."""
SHORT_ROW = 8
"""Vectors: rows up to this length are taken several at a time, in columns."""
FEW_ROWS = 8
SHORT = 8
"""Elements: a row that is shorter costs more to begin than to do."""


@dataclass(frozen=True)
class Operand:
    """An array as a loop sees it: address of its first element, a stride in elements for each axis of the loop (0:
    broadcast)."""

    address: Address
    strides: tuple[int, ...]
    dtype: str = "float32"


def dense_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a C-contiguous array."""
    strides: list[int] = []
    step = 1
    for extent in reversed(shape):
        strides.insert(0, step)
        step *= extent
    return tuple(strides)


def broadcast_strides(shape: Sequence[int], to: Sequence[int]) -> tuple[int, ...]:
    """Strides with which a dense array of `shape` is read in a loop over `to` (NumPy's broadcasting)."""
    padded = (1,) * (len(to) - len(shape)) + tuple(shape)
    return tuple(0 if extent == 1 else stride for extent, stride in zip(padded, dense_strides(padded)))


def simplified(
    shape: Sequence[int], strides: Sequence[Sequence[int]], leading: int = 0
) -> tuple[list[int], list[list[int]]]:
    """The same loop nest with as few axes as can be: those of extent 1 dropped, ordered for the operand number
    `leading` (its smallest stride innermost), neighbours merged where every operand moves through both at one pace."""
    axes = [d for d, extent in enumerate(shape) if extent != 1]
    axes.sort(key=lambda d: (-abs(strides[leading][d]) if strides[leading][d] else -(1 << 62), d))
    extents: list[int] = []
    moves: list[list[int]] = []
    for d in axes:
        move = [s[d] for s in strides]
        if extents and all(outer == inner * shape[d] for outer, inner in zip(moves[-1], move)):
            extents[-1] *= shape[d]
            moves[-1] = move
        else:
            extents.append(shape[d])
            moves.append(move)
    return extents, moves


def emit_loop(
    ctx: Lowering,
    shape: Sequence[int],
    expression: Expression,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    label: str | None = None,
    algorithm: str = "",
) -> None:
    """Append the step(s) that compute `outputs = expression(inputs)` over `shape`. Offsets are part of the operands'
    addresses."""
    if prod(shape) == 0:
        return
    operands = [*inputs, *outputs]
    strides = [o.strides for o in operands]
    extents, moves = simplified(shape, strides, leading=len(inputs))
    if len(extents) > 1 and extents[-1] < SHORT and len(inputs) == 1 and not expression.instructions:
        read = simplified(shape, strides, leading=0)  # a copy with longer rows in the input's order
        if read[0][-1] > extents[-1]:
            extents, moves = read
    if not extents:
        extents, moves = [1], [[1] * len(operands)]
    made = _column_loop(extents, moves, expression, inputs, outputs, ctx.target.lanes)
    kernel, arguments = made or _loop(extents, moves, expression, inputs, outputs)
    ctx.step(
        kernel,
        algorithm=algorithm or ("element-wise columns" if made else "element-wise loop"),
        shapes="×".join(map(str, shape)),
        flops=prod(shape) * cost(expression),
        nbytes=sum(_touched(o, shape) * to_dtype(o.dtype).itemsize for o in operands),
        label=label,
        **arguments,
    )


Made = tuple[Kernel, dict[str, Any]]
"""A kernel and its arguments."""


def _names(inputs: Sequence[Operand], outputs: Sequence[Operand]) -> list[tuple[str, Operand]]:
    return [(f"i{k}", o) for k, o in enumerate(inputs)] + [(f"o{k}", o) for k, o in enumerate(outputs)]


def _loop(
    extents: Sequence[int],
    moves: Sequence[Sequence[int]],
    expression: Expression,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
) -> Made:
    *outer, n = extents
    *strides, inner = moves
    how = [_how(step) for step in inner]
    kernel = Loop(expression, tuple(how[: len(inputs)]), tuple(how[len(inputs) :]), len(outer))
    arguments: dict[str, Any] = {"n": n, "chunk": CHUNK if prod(outer) < 64 else -(-n // 64) * 64}
    arguments |= {f"d{k}": extent for k, extent in enumerate(outer)}
    for position, (name, operand) in enumerate(_names(inputs, outputs)):
        arguments[name] = operand.address
        arguments |= {f"{name}_s{k}": move[position] for k, move in enumerate(strides)}
        if how[position] == STRIDED:
            arguments[f"{name}_step"] = inner[position]
    return kernel, arguments


def _column_loop(
    extents: Sequence[int],
    moves: Sequence[Sequence[int]],
    expression: Expression,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    lanes: int,
) -> Made | None:
    """The loop nest for short rows, or None if the rows are long, few, or not contiguous."""
    if len(extents) < 2:
        return None
    *outer, rows, n = extents
    *strides, down, inner = moves
    count = len(inputs)
    filled = -(-n // lanes)
    if filled > SHORT_ROW or rows < FEW_ROWS or any(s not in (0, 1) for s in inner) or 0 in inner[count:]:
        return None
    # Blocks of up to 4 vectors of equal number; heavy expressions are emitted once.
    vectors = 1 if cost(expression) > 24 else -(-filled // -(-filled // 4))
    how = tuple((FULL if d else CHANNEL) if i else (ROW if d else SCALAR) for d, i in zip(down[:count], inner[:count]))
    kernel = ColumnLoop(expression, how, vectors, n % (vectors * lanes) != 0, len(outer))
    arguments: dict[str, Any] = {"n": n, "rows": rows, "chunk": max(16, 4 * CHUNK // n)}
    arguments |= {f"d{k}": extent for k, extent in enumerate(outer)}
    for position, (name, operand) in enumerate(_names(inputs, outputs)):
        arguments[name] = operand.address
        if f"{name}_row" in kernel.arguments:
            arguments[f"{name}_row"] = down[position]
        arguments |= {f"{name}_s{k}": move[position] for k, move in enumerate(strides)}
    return kernel, arguments


def _how(step: int) -> str:
    return BROADCAST if step == 0 else CONTIGUOUS if step == 1 else STRIDED


def _touched(operand: Operand, shape: Sequence[int]) -> int:
    return prod(extent for extent, stride in zip(shape, operand.strides) if stride)


def tensor_strides(ctx: Lowering, tensor: Tensor) -> tuple[int, ...]:
    """Elements from one index to the next, for each axis: as the tensor lies in memory."""
    return (
        tuple(dense_strides((*tensor.shape[:-1], ctx.pixel_stride(tensor))))
        if ctx.placed(tensor)
        else tuple(dense_strides(tensor.shape))
    )


def operand(ctx: Lowering, tensor: Tensor, shape: Sequence[int]) -> Operand:
    """A tensor as an operand of a loop over `shape`, to which it broadcasts."""
    strides = tensor_strides(ctx, tensor) if tensor.shape == tuple(shape) else broadcast_strides(tensor.shape, shape)
    return Operand(ctx.address(tensor), strides, tensor.spec.dtype)


@lowers(Unary, Binary, Select, Cast, BroadcastTo, StopGradient)
def elementwise(ctx: Lowering, group: Group) -> str | None:
    if not isinstance(group, LoopGroup):
        if isinstance(group.anchor.op, (BroadcastTo, StopGradient)):
            return _copy(ctx, group)
        dtypes = ", ".join(sorted({t.spec.dtype for t in (*group.inputs, *group.outputs)}))
        return f"`{group.anchor.op.name}` of {dtypes} has no machine code"
    inputs = [operand(ctx, t, group.shape) for t in group.inputs]
    outputs = [operand(ctx, t, group.shape) for t in group.outputs]
    emit_loop(ctx, group.shape, group.expression, inputs, outputs)
    return None


def _copy(ctx: Lowering, group: Group) -> str | None:
    """Types that no instruction knows are moved as integers of their width."""
    source, target = group.inputs[0], group.outputs[0]
    if target.spec.size == 0:
        return None
    moved = as_moved(target.spec.dtype)
    if moved is None:
        return f"{target.spec.dtype} has no machine code"
    read = Operand(ctx.address(source), broadcast_strides(source.shape, target.shape), moved)
    write = Operand(ctx.address(target), dense_strides(target.shape), moved)
    emit_loop(ctx, target.shape, Expression.identity(moved), [read], [write], algorithm="copy")
    return None


def as_moved(dtype: str) -> str | None:
    """The dtype as which values of `dtype` are moved about unread: one kernel for every type of a width."""
    return {1: "uint8", 2: "uint16", 4: "float32", 8: "float64"}.get(to_dtype(dtype).itemsize)
