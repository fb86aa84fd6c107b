"""Rows, or elements, gathered by index."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.shaping.indices import IndexedSchedule, from_zero, index_at, masked_vectors
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, Emitter
from simplecell.engine.code.gather import gather
from simplecell.engine.code.kernel import Kernel, kernel_name, short
from simplecell.engine.code.units import units

STRIP = 64
"""Vectors of indices in a unit of work."""


@dataclass(frozen=True)
class GatherKernel(Kernel):
    """dst[o, j, :] = src[o, indices[j], :], NaN (for floats) or 0 where the index is out of range."""

    arguments = ("src", "indices", "dst", *IndexedSchedule.names())
    dtype: str
    index_dtype: str
    nan: bool
    single: bool = False
    """inner is 1: vectors run along the indices"""

    @property
    def name(self) -> str:
        algorithm = "elements" if self.single else "rows"
        return kernel_name("gather", algorithm, self.dtype, short(self.index_dtype), "nan" * self.nan)

    def emit(self, e: Emitter) -> None:
        src, indices, dst = e.pointer("src"), e.pointer("indices"), e.pointer("dst")
        outer, n, count, inner = (e.index(a) for a in IndexedSchedule.names())
        element = ELEMENT[self.dtype]
        fill = e.number(float("nan") if self.nan else 0, element=element)
        if self.single:
            extent = e.splat(n.ir)
            with units(e, count, e.const(STRIP * e.lanes), [outer]) as (start, stop, (o,)):
                with e.loop(stop, start, e.lanes, name="elements") as loop:
                    mask = e.mask(stop - loop.index)
                    found = elementwise.load(e, self.index_dtype, indices, loop.index, mask=mask)
                    index = elementwise.cast(e, found, self.index_dtype, "int64")
                    index = e.b.select(
                        e.b.icmp_signed("<", index, ir.Constant(index.type, None)), e.b.add(index, extent), index
                    )
                    inside = e.b.icmp_unsigned("<", index, extent)
                    value = gather(e, e.at(src, o * n, element), index, element, e.b.and_(inside, mask))
                    e.store(e.b.select(inside, value, fill), e.at(dst, o * count, element), loop.index, mask)
            return
        first, last = e.my_share(outer * count)
        with e.loop(last, first, name="row") as loop:
            o, j = loop.index // count, loop.index % count
            index, inside = from_zero(e, index_at(e, self.index_dtype, indices, j), n)
            row = e.at(src, (o * n + e.select(inside, index, 0)) * inner, element)
            to = e.at(dst, loop.index * inner, element)
            every = e.splat(inside)
            with masked_vectors(e, inner) as (at, mask):
                value = e.load(row, at, element=element, mask=e.b.and_(mask, every))
                e.store(e.b.select(every, value, fill), to, at, mask)
