"""Pooling by any window."""

from __future__ import annotations

from simplecell.engine.algorithms.pooling.algorithm import PoolAlgorithm
from simplecell.engine.algorithms.pooling.any_window.kernel import PoolAny
from simplecell.engine.algorithms.pooling.columns.algorithm import columns_of
from simplecell.engine.algorithms.pooling.problem import PoolProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting


class AnyWindow(PoolAlgorithm):
    """Everything about the window is known at run time only. It refuses nothing."""

    name = "any window"

    def refuses(self, problem: PoolProblem, setting: Setting) -> str | None:
        return None

    def plan(self, problem: PoolProblem, setting: Setting, epilogue: Epilogue) -> Plan[PoolAny]:
        window = problem.window
        ragged = window.oc % setting.target.lanes != 0
        return Plan(
            PoolAny(problem.function, window.planes, ragged, epilogue),
            window.schedule(setting, columns=True),
            reason=f"unrolled: {columns_of(problem, setting.target)}",
        )
