"""How a row times a matrix is cut into chunks of columns."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.planning.setting import Setting

MOST_COLUMNS = 4096
"""in a chunk: its sums stay in L1"""


@dataclass(frozen=True)
class MatVecSchedule(Schedule):
    """Run-time arguments but addresses."""

    n: int
    k: int
    chunk: int
    """columns in a unit of work"""

    @staticmethod
    def of(problem: Product, setting: Setting) -> MatVecSchedule:
        """A chunk for each thread: the longer a stream the better."""
        share = round_up(ceil_div(problem.n, setting.threads), setting.target.lanes)
        return MatVecSchedule(problem.n, problem.k, min(share, MOST_COLUMNS))
