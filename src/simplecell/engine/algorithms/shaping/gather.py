"""Look-ups by index: rows gathered, rows added up where they came from, and one-hot rows.

Arrays are seen as (outer, n, inner) with the indexed axis in the middle. Indices come from users: one that is out of
range never becomes an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import llvmlite.ir as ir

from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, I64, Emitter, Index, Value
from simplecell.engine.code.gather import gather
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.units import units

STRIP = 64
"""Vectors of indices in a unit of work."""


def _index(e: Emitter, dtype: str, pointer: Value, position: Index) -> Index:
    """The index at `position`, as a signed 64-bit integer (an unsigned one beyond that range comes out negative)."""
    return Index(e, elementwise.cast(e, elementwise.load(e, dtype, pointer, position, 1), dtype, "int64"))


def _wrapped(e: Emitter, index: Index, n: Index) -> tuple[Index, Value]:
    """The index counted from 0, and whether it is in range; negative ones count from the end."""
    positive = e.select(index < 0, index + n, index)
    return positive, e.b.icmp_unsigned("<", positive.ir, n.ir)


@contextmanager
def _vectors(e: Emitter, count: Index) -> Iterator[tuple[Index, Value | None]]:
    """A loop over `count` elements by masked vectors."""
    with e.loop(count, step=e.lanes, name="inner") as loop:
        yield loop.index, e.mask(count - loop.index)


@dataclass(frozen=True)
class Gather(Kernel):
    """dst[o, j, :] = src[o, indices[j], :], NaN (for floats) or 0 where the index is out of range."""

    arguments: ClassVar[tuple[str, ...]] = ("src", "indices", "dst", "outer", "n", "count", "inner")
    dtype: str
    index_dtype: str
    nan: bool
    single: bool = False
    """inner is 1: vectors run along the indices"""

    @property
    def name(self) -> str:
        what, nan = "elements" if self.single else "rows", "_nan" if self.nan else ""
        return f"gather_{what}_{self.dtype}_{self.index_dtype}{nan}"

    def emit(self, e: Emitter) -> None:
        src, indices, dst = e.pointer("src"), e.pointer("indices"), e.pointer("dst")
        outer, n, count, inner = (e.index(a) for a in ("outer", "n", "count", "inner"))
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
            index, inside = _wrapped(e, _index(e, self.index_dtype, indices, j), n)
            row = e.at(src, (o * n + e.select(inside, index, 0)) * inner, element)
            to = e.at(dst, loop.index * inner, element)
            every = e.splat(inside)
            with _vectors(e, inner) as (at, mask):
                value = e.load(row, at, element=element, mask=e.b.and_(mask, every))
                e.store(e.b.select(every, value, fill), to, at, mask)


@dataclass(frozen=True)
class ScatterAdd(Kernel):
    """dst = 0, then dst[o, indices[j], :] += updates[o, j, :] in the order of j.

    Threads divide the rows of dst; each looks at all indices and takes those of its rows, so the order of additions is
    fixed.
    """

    arguments: ClassVar[tuple[str, ...]] = ("indices", "updates", "dst", "outer", "n", "count", "inner")
    dtype: str
    index_dtype: str

    @property
    def name(self) -> str:
        return f"scatter_add_{self.dtype}_{self.index_dtype}"

    def emit(self, e: Emitter) -> None:
        indices, updates, dst = e.pointer("indices"), e.pointer("updates"), e.pointer("dst")
        outer, n, count, inner = (e.index(a) for a in ("outer", "n", "count", "inner"))
        element = ELEMENT[self.dtype]
        add = e.fadd if self.dtype in elementwise.FLOATS else e.b.add
        first, last = e.my_share(outer * n)
        mine, zero = e.at(dst, first * inner, element), ir.Constant(e.vector(element=element), None)
        with _vectors(e, (last - first) * inner) as (at, mask):
            e.store(zero, mine, at, mask)
        with e.loop((last + (n - 1)) // n, first // n, name="outer") as loop:
            low, high = (first - loop.index * n).maximum(0), (last - loop.index * n).minimum(n)
            with e.loop(count, name="update") as update:
                index, inside = _wrapped(e, _index(e, self.index_dtype, indices, update.index), n)
                here = e.b.and_(inside, e.b.and_(index >= low, index < high))
                with e.when(here):
                    row = e.at(dst, (loop.index * n + index) * inner, element)
                    added = e.at(updates, (loop.index * count + update.index) * inner, element)
                    with _vectors(e, inner) as (at, mask):
                        total = add(
                            e.load(row, at, element=element, mask=mask), e.load(added, at, element=element, mask=mask)
                        )
                        e.store(total, row, at, mask)


@dataclass(frozen=True)
class OneHot(Kernel):
    """dst[j, :] = 1 at indices[j], 0 elsewhere."""

    arguments: ClassVar[tuple[str, ...]] = ("indices", "dst", "count", "depth")
    dtype: str
    index_dtype: str

    @property
    def name(self) -> str:
        return f"one_hot_{self.dtype}_{self.index_dtype}"

    def emit(self, e: Emitter) -> None:
        indices, dst = e.pointer("indices"), e.pointer("dst")
        count, depth = e.index("count"), e.index("depth")
        lane = ir.Constant(ir.VectorType(I64, e.lanes), list(range(e.lanes)))
        first, last = e.my_share(count)
        with e.loop(last, first, name="row") as loop:
            index = _index(e, self.index_dtype, indices, loop.index)
            row = e.at(dst, loop.index * depth, ELEMENT[self.dtype])
            with _vectors(e, depth) as (at, mask):
                hit = e.b.icmp_signed("==", lane, e.splat((index - at).ir))
                elementwise.store(e, self.dtype, elementwise.cast(e, hit, "bool", self.dtype), row, at, mask)
