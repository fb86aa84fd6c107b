"""Which reduction is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.loops.costs import cost
from simplecell.engine.algorithms.reductions.nest import ReductionNest
from simplecell.engine.code.expression import Expression


@dataclass(frozen=True)
class ReductionProblem:
    """Outputs = function over some axes of expression(inputs)."""

    function: str
    expression: Expression
    nest: ReductionNest
    whole: ReductionNest
    """for the whole batch, where `nest` is for some of its images: it decides how a sum is cut, and so its bits"""
    nbytes: int
    """that must be moved at least"""

    @property
    def flops(self) -> int:
        return self.nest.elements * (cost(self.expression) + 1)
