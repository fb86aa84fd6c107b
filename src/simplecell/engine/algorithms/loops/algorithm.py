"""What an algorithm for element-wise loops answers, besides what every algorithm does."""

from __future__ import annotations

from typing import Any

from simplecell.engine.algorithms.loops.problem import LoopProblem
from simplecell.engine.planning.algorithm import Algorithm, Plan
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import predicted_ns


class LoopAlgorithm(Algorithm[LoopProblem]):
    """One way to go through a loop nest. The first in the table that does not refuse is taken."""

    decisive = True

    def cost(self, problem: LoopProblem, setting: Setting) -> float:
        return predicted_ns(problem.flops, problem.nbytes)

    def plan(self, problem: LoopProblem, setting: Setting) -> Plan[Any]:
        """Kernel and schedule for a problem that it does not refuse."""
        raise NotImplementedError
