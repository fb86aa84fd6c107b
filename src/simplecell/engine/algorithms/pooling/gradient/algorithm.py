"""The gradients of pooling."""

from __future__ import annotations

from simplecell.engine.algorithms.pooling.algorithm import PoolAlgorithm
from simplecell.engine.algorithms.pooling.gradient.kernel import PoolGradient
from simplecell.engine.algorithms.pooling.gradient.schedule import PoolGradientSchedule
from simplecell.engine.algorithms.pooling.problem import PoolProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting

MANY_IMAGES = 4
"""Images for each thread: so many are divided evenly enough without dividing channels."""


class ByRows(PoolAlgorithm):
    """Threads divide the rows of outputs: no two of them touch one input."""

    name = "by rows"

    def refuses(self, problem: PoolProblem, setting: Setting) -> str | None:
        return None if problem.disjoint else "windows overlap"

    def plan(self, problem: PoolProblem, setting: Setting, epilogue: Epilogue) -> Plan[PoolGradient]:
        return _plan(problem, setting, by_rows=True, parts=1, reason="windows do not overlap: by rows")


class ByImages(PoolAlgorithm):
    """Threads divide images and blocks of channels. It refuses nothing."""

    name = "by images and channels"

    def refuses(self, problem: PoolProblem, setting: Setting) -> str | None:
        return None

    def plan(self, problem: PoolProblem, setting: Setting, epilogue: Epilogue) -> Plan[PoolGradient]:
        window, threads = problem.window, setting.threads
        vectors = ceil_div(max(window.oc, 1), setting.target.lanes)
        parts = 1 if window.n >= MANY_IMAGES * threads else min(vectors, threads)
        return _plan(problem, setting, by_rows=False, parts=parts, reason="windows overlap: by images and channels")


def _plan(problem: PoolProblem, setting: Setting, by_rows: bool, parts: int, reason: str) -> Plan[PoolGradient]:
    lanes, channels = setting.target.lanes, max(problem.window.oc, 1)
    return Plan(
        PoolGradient(problem.function, by_rows, channels % lanes != 0),
        PoolGradientSchedule.of(problem.window, round_up(ceil_div(channels, parts), lanes)),
        reason=reason,
    )
