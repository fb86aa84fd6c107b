"""The element-wise loop nest for short rows: channels in registers, rows one after the other.

In `x · scale + shift` over NHWC with 32 channels, a row is two vectors: a loop along the row would spend its time on
beginning. Here the innermost loop goes down the rows, for a few vectors of the row at once, and what does not change
from row to row (scale, shift) is loaded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.algorithms.loops.kernel import digest, units, words
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, Emitter, Index, Value
from simplecell.engine.code.expression import Expression
from simplecell.engine.code.kernel import Kernel

FULL, CHANNEL, ROW, SCALAR = "full", "channel", "row", "scalar"
"""How an operand moves: along rows and down them; along rows only; down them only; not at all."""
_LETTER = {FULL: "f", CHANNEL: "c", ROW: "r", SCALAR: "s"}
_DOWN = (FULL, ROW)


@dataclass(frozen=True)
class ColumnLoop(Kernel):
    """outputs[…, row, :] = expression(inputs[…, row, :]) for `rank` outer axes; outputs are `full`.

    Run-time arguments: `n`, the length of a row; `rows`; `chunk`, the rows of a unit of work; outer extents `d0 …`; for
    each operand its address, its stride from row to row (`i0_row`, unless it stays), and its strides `i0_s0 …` along
    the outer axes, in elements.
    """

    expression: Expression
    inputs: tuple[str, ...]
    vectors: int
    ragged: bool
    """rows are no multiple of `vectors` vectors long"""
    rank: int = 0

    @property
    def _operands(self) -> tuple[tuple[str, str], ...]:
        count = len(self.expression.outputs)
        return (*((f"i{k}", how) for k, how in enumerate(self.inputs)), *((f"o{k}", FULL) for k in range(count)))

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        found = ["n", "rows", "chunk", *(f"d{k}" for k in range(self.rank))]
        for name, how in self._operands:
            found += [name, *((f"{name}_row",) if how in _DOWN else ()), *(f"{name}_s{k}" for k in range(self.rank))]
        return tuple(found)

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f"o{k}" for k in range(len(self.expression.outputs)))

    @property
    def name(self) -> str:
        pattern = "".join(_LETTER[how] for how in self.inputs)
        size = f"{len(self.outputs)}x{self.vectors}"
        return f"column_loop{self.rank}_{pattern}_{size}_{words(self.expression)}_{digest(self)}"

    def emit(self, e: Emitter) -> None:
        n, rows, chunk = e.index("n"), e.index("rows"), e.index("chunk")
        dtypes = [*self.expression.inputs, *(self.expression.dtype(v) for v in self.expression.outputs)]
        how = [h for _, h in self._operands]
        base = [e.pointer(name) for name, _ in self._operands]
        down = [e.index(f"{name}_row") if h in _DOWN else e.const(0) for name, h in self._operands]
        strides = [[e.index(f"{name}_s{k}") for k in range(self.rank)] for name, _ in self._operands]
        extents = [e.index(f"d{k}") for k in range(self.rank)]
        width, count = self.vectors * e.lanes, len(self.inputs)
        blocks, chunks = (n + (width - 1)) // width, (rows + (chunk - 1)) // chunk
        with units(e, blocks, e.const(1), self.rank + 1, [*extents, chunks]) as (block, _, (*outer, piece)):
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

            still = {k: values(k, 0) for k in range(count) if how[k] not in _DOWN}
            with e.loop(stop, start, name="down") as loop:
                at = [loop.index * step for step in down]
                operands = [still[k] if k in still else values(k, at[k]) for k in range(count)]
                for v, mask in enumerate(masks):
                    results: Sequence[Value] = elementwise.emit_expression(e, self.expression, [o[v] for o in operands])
                    for k, result in enumerate(results, count):
                        elementwise.store(e, dtypes[k], result, pointers[k], at[k] + v * e.lanes, mask)
