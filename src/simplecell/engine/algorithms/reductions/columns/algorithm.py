"""Reductions down columns."""

from __future__ import annotations

from simplecell.engine.algorithms.loops.nest import how
from simplecell.engine.algorithms.reductions.algorithm import ReductionAlgorithm
from simplecell.engine.algorithms.reductions.columns.kernel import ReduceColumns
from simplecell.engine.algorithms.reductions.nest import MOST_VECTORS
from simplecell.engine.algorithms.reductions.problem import ReductionProblem
from simplecell.engine.algorithms.reductions.schedule import ReductionSchedule
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting


class DownColumns(ReductionAlgorithm):
    """Vectors lie along the innermost axis, which is kept, and go down the others."""

    name = "columns"

    def refuses(self, problem: ReductionProblem, setting: Setting) -> str | None:
        return "the innermost axis is reduced" if problem.nest.inner_reduced else None

    def plan(self, problem: ReductionProblem, setting: Setting) -> Plan[ReduceColumns]:
        lanes = setting.target.lanes
        parts, per = problem.whole.parts(lanes)
        nest = problem.nest.writing_parts() if parts > 1 else problem.nest
        vectors, scattered = nest.vectors(lanes), nest.inner[-2] != 1
        kernel = ReduceColumns(
            problem.function,
            problem.expression,
            tuple(map(how, nest.inner[:-2])),
            len(nest.kept),
            len(nest.reduced),
            MOST_VECTORS // problem.whole.vectors(lanes),
            vectors,
            nest.n % (vectors * lanes) != 0,
            scattered,
        )
        return Plan(kernel, ReductionSchedule(nest, parts, per, scattered), title="reduce columns")
