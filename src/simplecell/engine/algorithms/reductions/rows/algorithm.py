"""Reductions along rows."""

from __future__ import annotations

from simplecell.engine.algorithms.loops.nest import how
from simplecell.engine.algorithms.reductions.algorithm import ReductionAlgorithm
from simplecell.engine.algorithms.reductions.problem import ReductionProblem
from simplecell.engine.algorithms.reductions.rows.kernel import ReduceRows
from simplecell.engine.algorithms.reductions.schedule import ReductionSchedule
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting

ACCUMULATORS = 4
"""vectors at a time, in rows that fill some"""


class AlongRows(ReductionAlgorithm):
    """Vectors go along the innermost axis, which is reduced; their lanes are combined in the end."""

    name = "rows"

    def refuses(self, problem: ReductionProblem, setting: Setting) -> str | None:
        return None if problem.nest.inner_reduced else "the innermost axis is kept"

    def plan(self, problem: ReductionProblem, setting: Setting) -> Plan[ReduceRows]:
        lanes = setting.target.lanes
        parts, per = problem.whole.parts(lanes)
        nest = problem.nest.writing_parts() if parts > 1 else problem.nest
        kernel = ReduceRows(
            problem.function,
            problem.expression,
            tuple(map(how, nest.inner[:-2])),
            len(nest.kept),
            len(nest.reduced),
            ACCUMULATORS if nest.n > 2 * lanes else 1,
        )
        return Plan(kernel, ReductionSchedule(nest, parts, per), title="reduce rows")
