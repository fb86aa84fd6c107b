"""One row times a matrix."""

from __future__ import annotations

from simplecell.engine.algorithms.products.algorithm import KernelAlgorithm
from simplecell.engine.algorithms.products.matvec.kernel import MatVec
from simplecell.engine.algorithms.products.matvec.schedule import MatVecSchedule
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting

LEAST_COLUMNS = 64
"""Fewer keep their sums in registers from the first value of k to the last."""


class OneRow(KernelAlgorithm):
    """b is read once, a few of its rows at a time, each a stream; the sums wait in L1."""

    name = "matvec"

    def refuses(self, problem: Product, setting: Setting) -> str | None:
        if problem.m != 1:
            return "more than one row"
        if problem.batch != 1:
            return "more than one matrix"
        if problem.transpose_b:
            return "b is transposed"
        if problem.n < LEAST_COLUMNS:
            return f"less than {LEAST_COLUMNS} columns, whose sums stay in registers"
        return None

    def plan(self, problem: Product, setting: Setting, epilogue: Epilogue) -> Plan[MatVec]:
        return Plan(
            MatVec(epilogue),
            MatVecSchedule.of(problem, setting),
            title=self.name,
            reason="one row: b is read once, at the bandwidth of memory",
        )
