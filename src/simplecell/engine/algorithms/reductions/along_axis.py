"""Walking along one axis in order: what positions of extremes, running sums and softmax share.

Arrays are seen as (outer, n, inner), the axis in the middle. With inner = 1 the axis itself lies along the vectors
(`rows`), otherwise each lane walks a column of its own (`columns`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class AlongAxisSchedule(Schedule):
    """Run-time arguments but addresses."""

    outer: int
    """how many indices there are before the axis"""
    n: int
    """the axis's extent"""
    inner: int
    """how many indices there are behind it"""

    @staticmethod
    def of(shape: tuple[int, ...], axis: int) -> AlongAxisSchedule:
        axis %= len(shape)
        return AlongAxisSchedule(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))

    @property
    def single(self) -> bool:
        """Does the axis lie along the vectors?"""
        return self.inner == 1

    @property
    def direction(self) -> str:
        return "rows" if self.single else "columns"


@dataclass(frozen=True)
class AlongAxis(Kernel):
    """Base: `src` (outer, n, inner) to `dst`."""

    arguments = ("src", "dst", *AlongAxisSchedule.names())


@contextmanager
def column_vectors(e: Emitter, outer: Index, inner: Index) -> Iterator[tuple[Index, Index, Value]]:
    """This thread's share of (outer × vectors of columns): outer index, first column, mask."""
    blocks = (inner + (e.lanes - 1)) // e.lanes
    first, last = e.my_share(outer * blocks)
    with e.loop(last, first, name="columns") as loop:
        column = loop.index % blocks * e.lanes
        yield loop.index // blocks, column, e.mask(inner - column)
