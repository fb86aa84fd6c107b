"""Pooling by tiles of pixels."""

from __future__ import annotations

from simplecell.engine.algorithms.pooling.algorithm import PoolAlgorithm
from simplecell.engine.algorithms.pooling.columns.kernel import PoolColumns
from simplecell.engine.algorithms.pooling.problem import PoolProblem
from simplecell.engine.algorithms.sliding import MOST_PIXELS
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.window import WindowColumns
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

SPARE = 6
"""Registers for loads and comparisons, besides one for each column."""


class UnrolledColumns(PoolAlgorithm):
    """The window's columns are compiled in: those that neighbouring pixels share are combined once, and those that
    padding cuts off are known."""

    name = "columns"

    def refuses(self, problem: PoolProblem, setting: Setting) -> str | None:
        columns = columns_of(problem, setting.target)
        return columns if isinstance(columns, str) else None

    def plan(self, problem: PoolProblem, setting: Setting, epilogue: Epilogue) -> Plan[PoolColumns]:
        window, columns = problem.window, columns_of(problem, setting.target)
        assert isinstance(columns, WindowColumns)
        ragged = window.oc % setting.target.lanes != 0
        return Plan(
            PoolColumns(problem.function, columns, window.planes, ragged, epilogue),
            window.schedule(setting),
            reason="columns unrolled, borders known",
        )


def columns_of(problem: PoolProblem, target: Target) -> WindowColumns | str:
    """The tiles of a row, or why the columns cannot be unrolled."""
    width = problem.window.width
    most = (target.registers - SPARE - width.taps) // width.stride + 1
    if most <= 0:
        return f"{width.taps} columns are more than the registers"
    return problem.window.columns(min(MOST_PIXELS, most))
