"""How loops down the columns are cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simplecell.engine.algorithms.loops.nest import extent_names, operand_names, stride_names
from simplecell.engine.algorithms.loops.problem import LoopProblem
from simplecell.engine.planning.algorithm import Schedule

CHUNK = 16384
"""elements in a unit of work"""
LEAST_ROWS = 16
"""in a unit of work"""


@dataclass(frozen=True)
class ColumnLoopSchedule(Schedule):
    """Run-time arguments but addresses; strides are in elements. How many there are depends on the nest."""

    n: int
    """elements of a row"""
    rows: int
    chunk: int
    """rows in a unit of work"""
    outer: tuple[int, ...]
    """`d0 …`: extents of the outer axes"""
    strides: tuple[tuple[int, ...], ...]
    """`i0_s0 …`: of each operand along the outer axes"""
    down: tuple[int, ...]
    """`i0_row …`: of each operand from row to row, unless it stays"""
    inputs: int
    """how many of the operands are inputs"""

    @staticmethod
    def of(problem: LoopProblem) -> ColumnLoopSchedule:
        *outer, rows, n = problem.extents
        *strides, down, _ = problem.strides
        along = tuple(zip(*strides)) if strides else ((),) * len(down)
        return ColumnLoopSchedule(
            n, rows, max(LEAST_ROWS, CHUNK // n), tuple(outer), along, tuple(down), problem.inputs
        )

    def arguments(self) -> dict[str, Any]:
        rank = len(self.outer)
        found: dict[str, Any] = {"n": self.n, "rows": self.rows, "chunk": self.chunk}
        found |= zip(extent_names(rank), self.outer)
        names = operand_names(self.inputs, len(self.strides) - self.inputs)
        for k, (name, strides, down) in enumerate(zip(names, self.strides, self.down)):
            found |= zip(stride_names(name, rank), strides)
            if down or k >= self.inputs:
                found[f"{name}_row"] = down
        return found
