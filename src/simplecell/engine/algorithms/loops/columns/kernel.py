"""The element-wise loop nest for short rows: channels in registers, rows one after the other.

In `x · scale + shift` over NHWC with 32 channels, a row is two vectors: a loop along the row would spend its time on
beginning. Here the innermost loop goes down the rows, for a few vectors of the row at once, and what does not change
from row to row (scale, shift) is loaded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.algorithms.loops.nest import extent_names, operand_names, stride_names
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, Emitter, Index, Value
from simplecell.engine.code.expression import Expression
from simplecell.engine.code.kernel import Kernel, digest, kernel_name
from simplecell.engine.code.units import units

FULL, CHANNEL, ROW, SCALAR = "full", "channel", "row", "scalar"
"""How an operand moves: along rows and down them; along rows only; down them only; not at all."""
_LETTER = {FULL: "f", CHANNEL: "c", ROW: "r", SCALAR: "s"}
DOWN = (FULL, ROW)
"""those that move from row to row"""


@dataclass(frozen=True)
class ColumnLoop(Kernel):
    """outputs[…, row, :] = expression(inputs[…, row, :]) for `rank` outer axes; outputs are `full`.

    Run-time arguments are those of ColumnLoopSchedule, and for each operand `i0 …, o0 …` its address.
    """

    expression: Expression
    inputs: tuple[str, ...]
    vectors: int
    ragged: bool
    """rows are no multiple of `vectors` vectors long"""
    rank: int = 0

    @property
    def moves(self) -> tuple[tuple[str, str], ...]:
        """Each operand's name, and how it moves."""
        count = len(self.expression.outputs)
        return tuple(zip(operand_names(len(self.inputs), count), (*self.inputs, *(FULL,) * count)))

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        found = ["n", "rows", "chunk", *extent_names(self.rank)]
        for name, how in self.moves:
            found += [name, *([f"{name}_row"] if how in DOWN else []), *stride_names(name, self.rank)]
        return tuple(found)

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f"o{k}" for k in range(len(self.expression.outputs)))

    @property
    def name(self) -> str:
        pattern = "".join(_LETTER[how] for how in self.inputs)
        size = f"{len(self.outputs)}x{self.vectors}"
        dtype = self.expression.dtype(self.expression.outputs[0])
        words = self.expression.words or "copy"
        return kernel_name("elementwise", "columns", dtype, size, f"r{self.rank}", pattern, words, digest(self))

    def emit(self, e: Emitter) -> None:
        n, rows, chunk = e.index("n"), e.index("rows"), e.index("chunk")
        dtypes = [*self.expression.inputs, *(self.expression.dtype(v) for v in self.expression.outputs)]
        how = [h for _, h in self.moves]
        base = [e.pointer(name) for name, _ in self.moves]
        down = [e.index(f"{name}_row") if h in DOWN else e.const(0) for name, h in self.moves]
        strides = [[e.index(s) for s in stride_names(name, self.rank)] for name, _ in self.moves]
        extents = [e.index(name) for name in extent_names(self.rank)]
        width, count = self.vectors * e.lanes, len(self.inputs)
        blocks, chunks = (n + (width - 1)) // width, (rows + (chunk - 1)) // chunk
        with units(e, blocks, e.const(1), [*extents, chunks]) as (block, _, (*outer, piece)):
            column, start = block * width, piece * chunk
            stop = (start + chunk).minimum(rows)
            masks = [e.mask(n - (column + v * e.lanes)) if self.ragged else None for v in range(self.vectors)]
            pointers = []
            for pointer, h, dtype, along in zip(base, how, dtypes, strides):
                offset = column if h in (FULL, CHANNEL) else e.const(0)
                for index, stride in zip(outer, along):
                    offset = offset + index * stride
                pointers.append(e.at(pointer, offset, ELEMENT[dtype]))

            def values(k: int, offset: Index | int) -> list[Value]:
                if how[k] in (ROW, SCALAR):
                    return [e.splat(elementwise.load(e, dtypes[k], pointers[k], offset, 1))] * self.vectors
                return [
                    elementwise.load(e, dtypes[k], pointers[k], offset + v * e.lanes, mask=m)
                    for v, m in enumerate(masks)
                ]

            still = {k: values(k, 0) for k in range(count) if how[k] not in DOWN}
            with e.loop(stop, start, name="down") as loop:
                at = [loop.index * step for step in down]
                operands = [still[k] if k in still else values(k, at[k]) for k in range(count)]
                for v, mask in enumerate(masks):
                    results: Sequence[Value] = elementwise.emit_expression(e, self.expression, [o[v] for o in operands])
                    for k, result in enumerate(results, count):
                        elementwise.store(e, dtypes[k], result, pointers[k], at[k] + v * e.lanes, mask)
