"""Products on the register tile."""

from __future__ import annotations

from simplecell.engine.algorithms.products.algorithm import KernelAlgorithm
from simplecell.engine.algorithms.products.matmul.costs import FEW_TILES, IN_PLACE_BYTES
from simplecell.engine.algorithms.products.matmul.kernel import MatMul, Panels
from simplecell.engine.algorithms.products.matmul.schedule import MatMulSchedule, blocked, matmul_tile
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.setting import Setting


class InPanels(KernelAlgorithm):
    """Tiles of rows × vectors of columns; b is read panel by panel. A panel is as wide as the tile, and is read where
    it lies (`direct`), from a copy in scratch (`copied`), or from a copy that is transposed on the way
    (`transposed`). The last refuses nothing but a b that is transposed."""

    def __init__(self, panels: Panels) -> None:
        self.panels: Panels = panels
        self.name = f"matmul {panels}"

    def refuses(self, problem: Product, setting: Setting) -> str | None:
        p = problem
        if p.transpose_b != (self.panels == "transposed"):
            return "b is transposed" if p.transpose_b else "b is not transposed"
        if self.panels == "direct" and not _small(p) and not _few_rows(p, setting):
            return f"b has more than {IN_PLACE_BYTES >> 10} KB"
        return None

    def plan(self, problem: Product, setting: Setting, epilogue: Epilogue) -> Plan[MatMul]:
        p, target = problem, setting.target
        tile = matmul_tile(target, p.m, p.n)
        schedule = MatMulSchedule.of(p, tile, target)
        ragged = p.n % (tile.vectors * target.lanes) != 0
        return Plan(
            MatMul(tile, p.transpose_a, self.panels, ragged, blocked(p, tile), epilogue),
            schedule,
            0 if self.panels == "direct" else schedule.panel_bytes(tile, target.lanes),
            title=f"matmul {tile} {self.panels}",
            reason=self._reason(p),
        )

    def _reason(self, p: Product) -> str:
        if self.panels == "transposed":
            return "b is transposed: panels are transposed into scratch"
        if self.panels == "copied":
            return f"b has more than {IN_PLACE_BYTES >> 10} KB: panels are copied into scratch"
        if _small(p):
            return f"b has at most {IN_PLACE_BYTES >> 10} KB: read in place"
        return f"{p.m} rows are too few to pay for packing b: read in place, at the bandwidth of memory"


def _small(p: Product) -> bool:
    return 4 * p.k * p.n <= IN_PLACE_BYTES


def _few_rows(p: Product, setting: Setting) -> bool:
    return p.m <= FEW_TILES * matmul_tile(setting.target, p.m, p.n).pixels
