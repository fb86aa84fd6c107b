"""What an algorithm for pooling answers, besides what every algorithm does."""

from __future__ import annotations

from typing import Any

from simplecell.engine.algorithms.pooling.problem import PoolProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.algorithm import Algorithm, Plan
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import predicted_ns


class PoolAlgorithm(Algorithm[PoolProblem]):
    """One way to pool, or to compute the gradient. The first in the table that does not refuse is taken."""

    decisive = True

    def cost(self, problem: PoolProblem, setting: Setting) -> float:
        return predicted_ns(0, problem.nbytes)

    def plan(self, problem: PoolProblem, setting: Setting, epilogue: Epilogue) -> Plan[Any]:
        """Kernel and schedule for a problem that it does not refuse. Gradients have no epilogue."""
        raise NotImplementedError
