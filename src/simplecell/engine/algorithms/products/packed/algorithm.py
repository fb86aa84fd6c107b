"""Rows by parameters that are packed when they change."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.direct.schedule import direct_tile
from simplecell.engine.algorithms.products.algorithm import PointwiseAlgorithm
from simplecell.engine.algorithms.products.matmul.costs import IN_PLACE_BYTES
from simplecell.engine.algorithms.products.packed.costs import FEW_TILES, L2_SHARE, LEAST_ROWS, WIDE
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.planning.setting import Setting


class Packed(PointwiseAlgorithm):
    """b lies in panels as wide as the register tile, so that it is read once, from the first address to the last. That
    pays where a panel stays in L2 from one tile of rows to the next, or is needed for few tiles."""

    name = "packed"
    convolution = Direct()
    remark = ": they are packed when they change"

    def refuses(self, problem: Product, setting: Setting) -> str | None:
        p, target, rows = problem, setting.target, problem.pointwise()
        if rows is None:
            return "it is not rows by a matrix of parameters"
        if p.m < LEAST_ROWS:
            return f"less than {LEAST_ROWS} rows"
        if p.n < target.lanes:
            return "less columns than a vector has"
        if 4 * p.k * p.n <= IN_PLACE_BYTES:
            return f"b has at most {IN_PLACE_BYTES >> 10} KB"
        tile = direct_tile(rows, target)
        stays = 4 * p.k * tile.vectors * target.lanes <= L2_SHARE * target.l2
        if stays or (p.m <= FEW_TILES * tile.pixels and p.n >= WIDE * target.lanes):
            return None
        return "panels of b would leave L2 between many tiles of rows"

    def cost(self, problem: Product, setting: Setting) -> float:
        rows = problem.pointwise()
        assert rows is not None
        return self.convolution.cost(rows, setting)
