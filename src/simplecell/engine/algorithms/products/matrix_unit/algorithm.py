"""Rows by parameters on a matrix unit."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.matrix.algorithm import Matrix
from simplecell.engine.algorithms.products.algorithm import PointwiseAlgorithm
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.planning.algorithm import DRAW
from simplecell.engine.planning.setting import Setting

LEAST = 16
"""Rows, columns and depth: fewer leave most of the unit's tiles empty."""


class OnMatrixUnit(PointwiseAlgorithm):
    """Products of bfloat16 parts. Since the bits are others, it is refused or taken for the whole batch."""

    name = "matrix"
    convolution = Matrix()

    def refuses(self, problem: Product, setting: Setting) -> str | None:
        if problem.whole_m is None:
            return "the whole batch is no single product"
        rows = problem.pointwise(problem.whole_m)
        if rows is None:
            return "it is not rows by a matrix of parameters"
        if min(rows.dst[2], rows.ic, rows.oc) < LEAST:
            return f"less than {LEAST} rows, columns or products in a sum"
        refusal = self.convolution.refuses(rows, setting)
        if refusal is not None:
            return refusal
        if self.convolution.cost(rows, setting) >= DRAW * Direct().cost(rows, setting):
            return "vectors are predicted to take no longer"
        return None

    def cost(self, problem: Product, setting: Setting) -> float:
        rows = problem.pointwise()
        assert rows is not None
        return self.convolution.cost(rows, setting)
