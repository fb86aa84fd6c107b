"""How loops along rows are cut."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from simplecell.engine.algorithms.loops.nest import extent_names, operand_names, stride_names
from simplecell.engine.algorithms.loops.problem import LoopProblem
from simplecell.engine.code.rounding import round_up
from simplecell.engine.planning.algorithm import Schedule

CHUNK = 4096
"""Elements of the innermost axis in a unit of work, where there are too few rows to divide among threads."""
MANY_ROWS = 64
"""From so many on, a unit of work is a whole row."""
GRAIN = 64
"""Elements that a unit of work is a multiple of, so that no two threads write one cache line."""


@dataclass(frozen=True)
class RowLoopSchedule(Schedule):
    """Run-time arguments but addresses; strides are in elements. How many there are depends on the nest."""

    n: int
    """elements of the innermost axis"""
    chunk: int
    """elements of the innermost axis in a unit of work, a multiple of GRAIN"""
    outer: tuple[int, ...]
    """`d0 …`: extents of the outer axes"""
    strides: tuple[tuple[int, ...], ...]
    """`i0_s0 …`: of each operand along the outer axes"""
    steps: tuple[int | None, ...]
    """`i0_step …`: of each operand along the innermost axis, where that is neither 0 nor 1"""
    inputs: int
    """how many of the operands are inputs"""

    @staticmethod
    def of(problem: LoopProblem) -> RowLoopSchedule:
        *outer, n = problem.extents
        *strides, inner = problem.strides
        return RowLoopSchedule(
            n,
            CHUNK if prod(outer) < MANY_ROWS else round_up(n, GRAIN),
            tuple(outer),
            tuple(zip(*strides)) if strides else ((),) * len(inner),
            tuple(None if stride in (0, 1) else stride for stride in inner),
            problem.inputs,
        )

    def arguments(self) -> dict[str, Any]:
        rank = len(self.outer)
        found: dict[str, Any] = {"n": self.n, "chunk": self.chunk} | dict(zip(extent_names(rank), self.outer))
        names = operand_names(self.inputs, len(self.strides) - self.inputs)
        for name, strides, step in zip(names, self.strides, self.steps):
            found |= zip(stride_names(name, rank), strides)
            if step is not None:
                found[f"{name}_step"] = step
        return found
