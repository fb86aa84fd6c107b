"""What an algorithm for reductions answers, besides what every algorithm does."""

from __future__ import annotations

from typing import Any

from simplecell.engine.algorithms.reductions.problem import ReductionProblem
from simplecell.engine.planning.algorithm import Algorithm, Plan
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import predicted_ns


class ReductionAlgorithm(Algorithm[ReductionProblem]):
    """One way to reduce. The first in the table that does not refuse is taken."""

    decisive = True

    def cost(self, problem: ReductionProblem, setting: Setting) -> float:
        return predicted_ns(problem.flops, problem.nbytes)

    def plan(self, problem: ReductionProblem, setting: Setting) -> Plan[Any]:
        """Kernel and schedule for a problem that it does not refuse."""
        raise NotImplementedError
