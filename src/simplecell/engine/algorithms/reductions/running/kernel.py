"""Running sums and products."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.reductions.along_axis import AlongAxis, column_vectors
from simplecell.engine.algorithms.reductions.combine import Combine
from simplecell.engine.code.emit import ELEMENT, Emitter, Index, Value
from simplecell.engine.code.kernel import kernel_name


@dataclass(frozen=True)
class Running(AlongAxis):
    """Running `sum` or `prod`, from the end when `reverse`."""

    function: str
    dtype: str
    reverse: bool
    single: bool

    @property
    def name(self) -> str:
        algorithm = "rows" if self.single else "columns"
        return kernel_name(f"cumulative_{self.function}", algorithm, self.dtype, "reverse" * self.reverse)

    def emit(self, e: Emitter) -> None:
        src, dst = e.pointer("src"), e.pointer("dst")
        outer, n, inner = e.index("outer"), e.index("n"), e.index("inner")
        element, combine = ELEMENT[self.dtype], Combine(self.function, self.dtype)

        def walk(begin: Index, step: Index | int, lanes: int, mask: Value | None) -> None:
            with e.loop(n, carry=[combine.start(e, lanes)], name="step") as loop:
                at = begin + (n - 1 - loop.index if self.reverse else loop.index) * step
                total = combine(e, loop.values[0], e.load(src, at, lanes, element, mask))
                e.store(total, dst, at, mask)
                loop.carry([total])

        if self.single:
            first, last = e.my_share(outer)
            with e.loop(last, first, name="row") as row:
                walk(row.index * n, 1, 1, None)
        else:
            with column_vectors(e, outer, inner) as (o, column, mask):
                walk(o * n * inner + column, inner, e.lanes, mask)
