"""Copies from strides to other strides: what every op that moves data is made of."""

from __future__ import annotations

from simplecell.engine.algorithms.loops.nest import simplified
from simplecell.engine.algorithms.loops.operand import Operand, as_moved
from simplecell.engine.algorithms.loops.table import append_loop
from simplecell.engine.algorithms.shaping.problem import CopyProblem
from simplecell.engine.algorithms.shaping.tiles.algorithm import InTiles
from simplecell.engine.code.expression import Expression
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.run.program import Address
from simplecell.graph.tensor import Tensor
from simplecell.ops.dtypes import to_dtype

IN_TILES = InTiles()


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
    """Append a step that copies: in tiles, or as a loop of the identity. `dtype` is that of `as_moved`; strides are in
    elements."""
    extents, moves = simplified(shape, [source_strides, target_strides], leading=1)
    problem = CopyProblem(dtype, tuple(extents), tuple((s, t) for s, t in moves))
    if IN_TILES.refuses(problem, ctx.setting) is None:
        plan = IN_TILES.plan(problem)
        ctx.step(
            plan.kernel,
            algorithm=f"{algorithm}: tiles",
            shapes="×".join(map(str, shape)),
            nbytes=problem.nbytes,
            src=source,
            dst=target,
            **plan.schedule.arguments(),
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


def moved(tensor: Tensor) -> str | None:
    """The dtype as which its values are moved; None if there is none."""
    return as_moved(tensor.spec.dtype)


def refusal(tensor: Tensor) -> str:
    """Why it has no machine code."""
    return f"{tensor.spec.dtype} has no machine code"


def itemsize(tensor: Tensor) -> int:
    """Bytes of an element."""
    return to_dtype(tensor.spec.dtype).itemsize
