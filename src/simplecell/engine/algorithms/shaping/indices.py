"""Look-ups by index: what gathering, scattering and one-hot rows share.

Arrays are seen as (outer, n, inner) with the indexed axis in the middle. Indices come from users: one that is out of
range never becomes an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class IndexedSchedule(Schedule):
    """Run-time arguments but addresses."""

    outer: int
    """how many indices there are before the axis"""
    n: int
    """the axis's extent"""
    count: int
    """how many indices are looked up"""
    inner: int
    """how many indices there are behind the axis"""

    @staticmethod
    def of(shape: tuple[int, ...], axis: int, count: int) -> IndexedSchedule:
        axis %= len(shape)
        return IndexedSchedule(prod(shape[:axis]), shape[axis], count, prod(shape[axis + 1 :]))


def index_at(e: Emitter, dtype: str, pointer: Value, position: Index) -> Index:
    """The index at `position`, as a signed 64-bit integer (an unsigned one beyond that range comes out negative)."""
    return Index(e, elementwise.cast(e, elementwise.load(e, dtype, pointer, position, 1), dtype, "int64"))


def from_zero(e: Emitter, index: Index, n: Index) -> tuple[Index, Value]:
    """The index counted from 0, and whether it is in range; negative ones count from the end."""
    positive = e.select(index < 0, index + n, index)
    return positive, e.b.icmp_unsigned("<", positive.ir, n.ir)


@contextmanager
def masked_vectors(e: Emitter, count: Index) -> Iterator[tuple[Index, Value | None]]:
    """A loop over `count` elements by masked vectors."""
    with e.loop(count, step=e.lanes, name="inner") as loop:
        yield loop.index, e.mask(count - loop.index)
