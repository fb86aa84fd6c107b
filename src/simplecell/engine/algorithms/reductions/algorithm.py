"""Reductions, positions of extremes and running sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from simplecell.engine.algorithms.loops.costs import cost
from simplecell.engine.algorithms.loops.nest import BROADCAST, CONTIGUOUS, STRIDED, dense_strides
from simplecell.engine.algorithms.loops.operand import Operand, operand
from simplecell.engine.algorithms.loops.table import append_loop
from simplecell.engine.algorithms.reductions import scan
from simplecell.engine.algorithms.reductions.kernel import Columns, Rows
from simplecell.engine.code.elementwise import ALL
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.planning.groups import Group, ReductionGroup
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.dtypes import to_dtype
from simplecell.ops.reduction import ArgReduce, Cumulative, Reduce

PART = 32768
"""Elements that a part reduces, at least."""
WORTH_PARTS = 4 * PART
"""Elements below which a second step, some 1.5 µs, costs more than the division gains."""
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
    outputs: Sequence[Operand],
    label: str | None = None,
    whole: Sequence[int] | None = None,
) -> None:
    """Append the steps that compute `outputs = function over axes of expression(inputs)`. The outputs have equal dtypes
    and equal strides, with one entry per axis of `shape`, those of reduced axes 0. `whole` is the shape for the whole
    batch, where `shape` is some of its
    images: it decides how a sum is cut, and so its bits."""
    output = outputs[0]
    kept_shape = [1 if a in axes else n for a, n in enumerate(shape)]
    if prod(shape) == 0:
        if prod(kept_shape):
            empty = {"sum": 0, "any": 0, "prod": 1, "all": 1}[function]
            constant = Expression((), (Instruction("constant", (), output.dtype, empty),), (0,))
            for o in outputs:
                append_loop(ctx, kept_shape, constant, [], [o], label, "reduction of nothing")
        return
    partial = tuple(0 if a in axes else s for a, s in enumerate(dense_strides(kept_shape)))
    strides = [*(o.strides for o in inputs), output.strides, partial]
    nest = _Nest.of(shape, set(axes), strides, len(inputs))
    deciding = _Nest.of(whole or shape, set(axes), strides, len(inputs))
    if deciding.inner_reduced != nest.inner_reduced:  # all other axes have extent 1: nothing is summed
        deciding = nest
    kernel = _kernel(nest, function, expression, ctx.target.lanes, deciding)
    parts, per = _parts(deciding, ctx.target.lanes)
    if parts == 1:
        _step(ctx, shape, axes, nest, kernel, inputs, outputs, parts, per, label)
        return
    # Parts of the sum into memory of their own, one dense set of results after the other; then their sum.
    results = prod(kept_shape)
    memory = [ctx.temporary(parts * results * to_dtype(output.dtype).itemsize) for _ in outputs]
    in_parts = nest.writing_parts()
    if isinstance(kernel, Columns):
        kernel = replace(kernel, scattered=in_parts.inner[-2] != 1)
    _step(ctx, shape, axes, in_parts, kernel, inputs, [replace(output, address=m) for m in memory], parts, per, label)
    sources = [Operand(m, (results, *partial), output.dtype) for m in memory]
    targets = [replace(o, strides=(0, *o.strides)) for o in outputs]
    as_they_are = Expression((output.dtype,) * len(outputs), (), tuple(range(len(outputs))))
    whole_kept = [1 if a in axes else n for a, n in enumerate(whole or shape)]
    emit_reduction(ctx, [parts, *kept_shape], [0], function, as_they_are, sources, targets, label, [parts, *whole_kept])


def _kernel(nest: _Nest, function: str, expression: Expression, lanes: int, deciding: _Nest) -> Rows | Columns:
    """The kernel for a nest; `deciding` says how many sums each result has."""
    how = tuple(BROADCAST if s == 0 else CONTIGUOUS if s == 1 else STRIDED for s in nest.inner[:-2])
    kept, reduced = len(nest.kept), len(nest.reduced)
    if nest.inner_reduced:
        return Rows(function, expression, how, kept, reduced, 4 if nest.n > 2 * lanes else 1)
    vectors = _vectors(nest.n, lanes)
    ragged, scattered = nest.n % (vectors * lanes) != 0, nest.inner[-2] != 1
    return Columns(
        function, expression, how, kept, reduced, 4 // _vectors(deciding.n, lanes), vectors, ragged, scattered
    )


def _parts(nest: _Nest, lanes: int) -> tuple[int, int]:
    """Into how many parts the outermost reduced axis is cut, and its indices in each. By the shape alone, never by
    threads."""
    work = prod(extent for extent, _ in nest.kept)
    if not nest.inner_reduced:
        work *= -(-nest.n // (_vectors(nest.n, lanes) * lanes))
    along = nest.reduced[0][0] if nest.reduced else nest.n
    parts = (
        1
        if work >= MANY_RESULTS or nest.elements < WORTH_PARTS
        else max(1, min(MAX_PARTS, nest.elements // PART, along))
    )
    per = -(-along // parts)
    if not nest.reduced:
        per = -(-per // 64) * 64
    return -(-along // per), per


def _step(
    ctx: Lowering,
    shape: Sequence[int],
    axes: Sequence[int],
    nest: _Nest,
    kernel: Rows | Columns,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    parts: int,
    per: int,
    label: str | None,
) -> None:
    arguments: dict[str, Any] = {"n": nest.n, "parts": parts, "per": per}
    for name, found in (("k", nest.kept), ("r", nest.reduced)):
        for a, (extent, move) in enumerate(found):
            arguments[f"{name}{a}"] = extent
            arguments |= {f"i{i}_{name}{a}": move[i] for i in range(len(inputs))}
    for i, source in enumerate(inputs):
        arguments[f"i{i}"] = source.address
        if kernel.inputs[i] == STRIDED:
            arguments[f"i{i}_step"] = nest.inner[i]
    arguments |= {name: o.address for name, o in zip(kernel.outputs, outputs)}
    arguments["dst_part"] = nest.results
    arguments |= {f"dst_k{a}": move[-2] for a, (_, move) in enumerate(nest.kept)}
    if isinstance(kernel, Columns) and kernel.scattered:
        arguments["dst_step"] = nest.inner[-2]
    ctx.step(
        kernel,
        algorithm=f"reduce {'rows' if nest.inner_reduced else 'columns'}" + (f" in {parts} parts" if parts > 1 else ""),
        shapes=f"{'×'.join(map(str, shape))} over {','.join(map(str, axes))}",
        flops=nest.elements * (cost(kernel.expression) + 1),
        nbytes=sum(
            prod(e for e, s in zip(shape, o.strides) if s) * to_dtype(o.dtype).itemsize for o in (*inputs, *outputs)
        ),
        label=label,
        **arguments,
    )


Moves = list[int]
"""Strides along one axis: of the inputs, of the output, of the results of a part."""


@dataclass(frozen=True)
class _Nest:
    """A reduction's loop nest with as few axes as can be."""

    n: int
    inner_reduced: bool
    inner: Moves
    kept: list[tuple[int, Moves]]
    reduced: list[tuple[int, Moves]]

    @staticmethod
    def of(shape: Sequence[int], reduced: set[int], strides: Sequence[Sequence[int]], inputs: int) -> _Nest:
        """Axes of extent 1 dropped, ordered by the strides of the input that moves most, neighbours of one kind merged
        where every operand moves through both at one pace."""
        touched = [sum(n * (s != 0) for n, s in zip(shape, of_input)) for of_input in strides[:inputs]]
        leading = strides[touched.index(max(touched))] if touched else strides[-1]
        axes = [d for d, extent in enumerate(shape) if extent != 1]
        axes.sort(key=lambda d: (-abs(leading[d]) if leading[d] else -(1 << 62), d))
        merged: list[tuple[int, bool, Moves]] = []
        for d in axes:
            extent, move = shape[d], [s[d] for s in strides]
            if merged and merged[-1][1] == (d in reduced) and all(o == i * extent for o, i in zip(merged[-1][2], move)):
                extent *= merged.pop()[0]
            merged.append((extent, d in reduced, move))
        if not any(is_reduced for _, is_reduced, _ in merged):
            merged.insert(0, (1, True, [0] * len(strides)))
        *outer, (n, inner_reduced, inner) = merged
        return _Nest(
            n, inner_reduced, inner, [(e, m) for e, r, m in outer if not r], [(e, m) for e, r, m in outer if r]
        )

    @property
    def elements(self) -> int:
        return self.n * prod(extent for extent, _ in (*self.kept, *self.reduced))

    @property
    def results(self) -> int:
        return prod(extent for extent, _ in self.kept) * (1 if self.inner_reduced else self.n)

    def writing_parts(self) -> _Nest:
        """The same with the strides of a part's results in the output's place."""

        def swapped(move: Moves) -> Moves:
            return [*move[:-2], move[-1], move[-1]]

        kept, reduced = ([(extent, swapped(m)) for extent, m in axes] for axes in (self.kept, self.reduced))
        return replace(self, inner=swapped(self.inner), kept=kept, reduced=reduced)


def _vectors(n: int, lanes: int) -> int:
    """Vectors of columns at a time: as many of 4 as the extent fills, preferably without a remainder."""
    for vectors in (4, 2, 1):
        if n % (vectors * lanes) == 0:
            return vectors
    return 4 if n > 3 * lanes else 2 if n > lanes else 1


@lowers(Reduce)
def reduce(ctx: Lowering, group: Group) -> str | None:
    op, x = group.anchor.op, group.anchor.inputs[0]
    assert isinstance(op, Reduce) and isinstance(group, ReductionGroup)
    if x.spec.dtype not in ALL:
        return f"{x.spec.dtype} has no machine code"
    expression = group.expression or Expression.identity(x.spec.dtype)
    shape = x.shape
    inputs = [operand(ctx, t, shape) for t in group.inputs]
    kept = dense_strides([1 if a in op.axes else n for a, n in enumerate(shape)])
    strides = tuple(0 if a in op.axes else s for a, s in enumerate(kept))
    outputs = [Operand(ctx.address(y), strides, y.spec.dtype) for y in group.outputs]
    emit_reduction(ctx, shape, op.axes, op.function, expression, inputs, outputs, whole=ctx.whole(x).shape)
    return None


@lowers(ArgReduce)
def arg_reduce(ctx: Lowering, group: Group) -> str | None:
    op, (x,) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, ArgReduce)
    if x.spec.dtype not in ALL:
        return f"{x.spec.dtype} has no machine code"
    return _along_axis(
        ctx, group, scan.ArgReduce(op.function, x.spec.dtype, prod(x.shape[op.axis % len(x.shape) + 1 :]) == 1), op.axis
    )


@lowers(Cumulative)
def cumulative(ctx: Lowering, group: Group) -> str | None:
    op, (x,) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, Cumulative)
    if x.spec.dtype not in ALL or x.spec.dtype == "bool":
        return f"{x.spec.dtype} has no machine code"
    single = prod(x.shape[op.axis % len(x.shape) + 1 :]) == 1
    return _along_axis(ctx, group, scan.Cumulative(op.function, x.spec.dtype, op.reverse, single), op.axis)


def _along_axis(ctx: Lowering, group: Group, kernel: scan.ArgReduce | scan.Cumulative, axis: int) -> str | None:
    x, y = group.anchor.inputs[0], group.output
    axis %= len(x.shape)
    ctx.step(
        kernel,
        src=ctx.address(x),
        dst=ctx.address(y),
        outer=prod(x.shape[:axis]),
        n=x.shape[axis],
        inner=prod(x.shape[axis + 1 :]),
        algorithm=f"walk along {'rows' if kernel.single else 'columns'}",
        shapes=f"{x.spec} axis {axis}",
        flops=x.spec.size,
        nbytes=x.spec.nbytes + y.spec.nbytes,
    )
    return None
