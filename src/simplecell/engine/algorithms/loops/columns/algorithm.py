"""Loops down the columns of short rows."""

from __future__ import annotations

from simplecell.engine.algorithms.loops.algorithm import LoopAlgorithm
from simplecell.engine.algorithms.loops.columns.kernel import CHANNEL, FULL, ROW, SCALAR, ColumnLoop
from simplecell.engine.algorithms.loops.columns.schedule import ColumnLoopSchedule
from simplecell.engine.algorithms.loops.costs import LONG, cost
from simplecell.engine.algorithms.loops.problem import LoopProblem
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting

SHORT_ROW = 8
"""Vectors: rows up to this length are taken several at a time, in columns."""
FEW_ROWS = 8
"""do not pay for it"""
MOST_VECTORS = 4
"""of a row at a time"""


class DownColumns(LoopAlgorithm):
    """A few vectors of a row stay in registers' reach while the loop goes down the rows: for rows too short to go
    along."""

    name = "columns"

    def refuses(self, problem: LoopProblem, setting: Setting) -> str | None:
        p = problem
        if len(p.extents) < 2:
            return "there is but one row"
        if ceil_div(p.extents[-1], setting.target.lanes) > SHORT_ROW:
            return f"rows of more than {SHORT_ROW} vectors"
        if p.extents[-2] < FEW_ROWS:
            return f"less than {FEW_ROWS} rows"
        inner = p.strides[-1]
        if any(stride not in (0, 1) for stride in inner) or 0 in inner[p.inputs :]:
            return "rows are not contiguous"
        return None

    def plan(self, problem: LoopProblem, setting: Setting) -> Plan[ColumnLoop]:
        p, n, lanes = problem, problem.extents[-1], setting.target.lanes
        # Blocks of vectors of equal number; long expressions are written out once.
        filled = ceil_div(n, lanes)
        vectors = 1 if cost(p.expression) > LONG else ceil_div(filled, ceil_div(filled, MOST_VECTORS))
        down, inner = (strides[: p.inputs] for strides in p.strides[-2:])
        how = tuple((FULL if d else CHANNEL) if i else (ROW if d else SCALAR) for d, i in zip(down, inner))
        kernel = ColumnLoop(p.expression, how, vectors, n % (vectors * lanes) != 0, len(p.extents) - 2)
        return Plan(kernel, ColumnLoopSchedule.of(p), title="element-wise columns")
