"""A row times a matrix: dst = epilogue(a · b) for a of `k` values and b of `(k, n)`, at the bandwidth of b.

Each value of b is used once, so what counts is the order in which memory sees the addresses. `ROWS` rows of b are read
side by side from left to right, each a stream that the hardware prefetcher follows; the sums of a chunk of columns wait
in L1 between one group of rows and the next. (1024×1024 from L3, one core: 27 GB/s, against 18 for panels of columns
read from top to bottom.) Each sum adds its products in the order of k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simplecell.engine.algorithms.products.matvec.schedule import MatVecSchedule
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile_store import Operands

ROWS = 4
"""Rows of b at a time: four loads of it for one load and one store of a sum. Eight and sixteen measure the same,
prefetching by hand measures less."""


@dataclass(frozen=True)
class MatVec(Kernel):
    """dst[j] for j < n, in chunks of `chunk` columns that are divided among the threads. dst must not be among the
    epilogue's operands."""

    epilogue: Epilogue = NO_EPILOGUE

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("a", "b", "dst", *MatVecSchedule.names(), *self.epilogue.arguments)

    @property
    def name(self) -> str:
        return kernel_name("matmul", "matvec", "float32", self.epilogue.name)

    def emit(self, e: Emitter) -> None:
        a, b, dst = e.pointer("a"), e.pointer("b"), e.pointer("dst")
        n, k, chunk = e.index("n"), e.index("k"), e.index("chunk")
        operands = Operands.of(e, self.epilogue)
        grouped = k // ROWS * ROWS
        first, last = e.my_share((n + chunk - 1) // chunk)
        with e.loop(last, start=first, name="chunk") as unit:
            columns = (unit.index * chunk, (unit.index * chunk + chunk).minimum(n))
            _each_vector(e, columns, lambda at, mask: e.store(e.zero(), dst, at, mask=mask))
            with e.loop(grouped, step=ROWS, name="rows") as rows:
                _add_rows(e, a, b, dst, n, rows.index, ROWS, columns)
            with e.loop(k, start=grouped, name="row") as row:
                _add_rows(e, a, b, dst, n, row.index, 1, columns)
            if self.epilogue.expression.instructions:

                def finish(at: Index, mask: Value | None) -> None:
                    e.store(operands.apply(e, e.load(dst, at, mask=mask), e.const(0), at, mask), dst, at, mask=mask)

                _each_vector(e, columns, finish)


def _add_rows(
    e: Emitter, a: Value, b: Value, dst: Value, n: Index, row: Index, rows: int, columns: tuple[Index, Index]
) -> None:
    """dst[columns] += a[row : row + rows] · b[row : row + rows, columns]"""
    factors = [e.broadcast(a, row + r) for r in range(rows)]
    starts = [e.at(b, (row + r) * n) for r in range(rows)]

    def add(at: Index, mask: Value | None) -> None:
        acc = e.load(dst, at, mask=mask)
        for factor, start in zip(factors, starts):
            acc = e.fma(factor, e.load(start, at, mask=mask), acc)
        e.store(acc, dst, at, mask=mask)

    _each_vector(e, columns, add, several=2)


def _each_vector(
    e: Emitter, columns: tuple[Index, Index], body: Callable[[Index, Value | None], None], several: int = 1
) -> None:
    """body(offset, mask) for the vectors of a range of columns; `several` at a time, the last with a mask."""
    start, stop = columns
    for step in dict.fromkeys((several * e.lanes, e.lanes)):
        end = start + (stop - start) // step * step
        with e.loop(end, start=start, step=step, name="vector") as at:
            for v in range(step // e.lanes):
                body(at.index + v * e.lanes, None)
        start = end
    with e.when(start < stop):
        body(start, e.mask(stop - start))
