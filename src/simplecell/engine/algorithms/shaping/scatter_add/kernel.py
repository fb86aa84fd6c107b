"""Rows added up where they came from."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.shaping.indices import IndexedSchedule, from_zero, index_at, masked_vectors
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, Emitter
from simplecell.engine.code.kernel import Kernel, kernel_name, short


@dataclass(frozen=True)
class ScatterAddKernel(Kernel):
    """dst = 0, then dst[o, indices[j], :] += updates[o, j, :] in the order of j.

    Threads divide the rows of dst; each looks at all indices and takes those of its rows, so the order of additions is
    fixed.
    """

    arguments = ("indices", "updates", "dst", *IndexedSchedule.names())
    dtype: str
    index_dtype: str

    @property
    def name(self) -> str:
        return kernel_name("scatter_add", "rows", self.dtype, short(self.index_dtype))

    def emit(self, e: Emitter) -> None:
        indices, updates, dst = e.pointer("indices"), e.pointer("updates"), e.pointer("dst")
        outer, n, count, inner = (e.index(a) for a in IndexedSchedule.names())
        element = ELEMENT[self.dtype]
        add = e.fadd if self.dtype in elementwise.FLOATS else e.b.add
        first, last = e.my_share(outer * n)
        mine, zero = e.at(dst, first * inner, element), ir.Constant(e.vector(element=element), None)
        with masked_vectors(e, (last - first) * inner) as (at, mask):
            e.store(zero, mine, at, mask)
        with e.loop((last + (n - 1)) // n, first // n, name="outer") as loop:
            low, high = (first - loop.index * n).maximum(0), (last - loop.index * n).minimum(n)
            with e.loop(count, name="update") as update:
                index, inside = from_zero(e, index_at(e, self.index_dtype, indices, update.index), n)
                here = e.b.and_(inside, e.b.and_(index >= low, index < high))
                with e.when(here):
                    row = e.at(dst, (loop.index * n + index) * inner, element)
                    added = e.at(updates, (loop.index * count + update.index) * inner, element)
                    with masked_vectors(e, inner) as (at, mask):
                        total = add(
                            e.load(row, at, element=element, mask=mask), e.load(added, at, element=element, mask=mask)
                        )
                        e.store(total, row, at, mask)
