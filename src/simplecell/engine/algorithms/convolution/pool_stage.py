"""Pooling as the last stage of a convolution: windows that do not overlap, combined in registers after the epilogue.

The values, and the order in which they are combined, are those of the pooling kernel (`pooling.py`), so the bits are,
too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from simplecell.engine.algorithms.pooling.combine import combine
from simplecell.engine.code.emit import Emitter, Value


@dataclass(frozen=True)
class Pool:
    """Of the outputs of a convolution: every window of `size` (depth, height, width) is one pixel of dst; what is left
    over at the ends of the axes is not stored."""

    function: str
    """`max` or `average`"""
    size: tuple[int, int, int]

    @property
    def taps(self) -> int:
        return prod(self.size)

    @property
    def name(self) -> str:
        """For kernel names: `max2x2`."""
        return self.function + "x".join(map(str, self.size[1:] if self.size[0] == 1 else self.size))

    def __str__(self) -> str:
        first = next((i for i, size in enumerate(self.size) if size > 1), 2)
        return f"{self.function} pool {'×'.join(map(str, self.size[first:]))}"


def pooled(e: Emitter, function: str, window: Sequence[Sequence[Value]]) -> Value:
    """One value of a window's rows: each column from the top, then the columns from the left."""
    columns = []
    for column in zip(*window):
        total = e.fadd(e.zero(), column[0]) if function == "average" else column[0]  # 0 + -0 is 0
        for value in column[1:]:
            total = combine(e, function, total, value)
        columns.append(total)
    result = columns[0]
    for column in columns[1:]:
        result = combine(e, function, result, column)
    return e.fmul(result, e.number(1 / (len(window) * len(columns)))) if function == "average" else result
