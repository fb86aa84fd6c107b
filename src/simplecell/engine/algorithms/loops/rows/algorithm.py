"""Loops along rows."""

from __future__ import annotations

from simplecell.engine.algorithms.loops.algorithm import LoopAlgorithm
from simplecell.engine.algorithms.loops.nest import how
from simplecell.engine.algorithms.loops.problem import LoopProblem
from simplecell.engine.algorithms.loops.rows.kernel import RowLoop
from simplecell.engine.algorithms.loops.rows.schedule import RowLoopSchedule
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting


class AlongRows(LoopAlgorithm):
    """Vectors go along the innermost axis, row after row. It refuses nothing."""

    name = "rows"

    def refuses(self, problem: LoopProblem, setting: Setting) -> str | None:
        return None

    def plan(self, problem: LoopProblem, setting: Setting) -> Plan[RowLoop]:
        p, moves = problem, tuple(how(stride) for stride in problem.strides[-1])
        kernel = RowLoop(p.expression, moves[: p.inputs], moves[p.inputs :], len(p.extents) - 1)
        return Plan(kernel, RowLoopSchedule.of(p), title="element-wise loop")
