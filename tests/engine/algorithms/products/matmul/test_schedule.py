"""How products are cut."""

from __future__ import annotations

from simplecell.engine.algorithms.products.matmul.schedule import MatMulSchedule, blocked, matmul_tile
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.code.tile import Tile
from simplecell.engine.host import target
from tests.engine.harness import available_targets


def test_tiles_fit() -> None:
    for on in available_targets():
        t = target(on)
        for m, n in [(1, 1), (3, 1000), (128, 10), (128, 512), (13, 64)]:
            tile = matmul_tile(t, m, n)
            assert tile.pixels <= m and (tile.vectors - 1) * t.lanes < n


def test_few_panels_are_divided_by_rows() -> None:
    tile, on = Tile(4, 2), target()
    wide, narrow = (MatMulSchedule.of(Product(800, n, 64, False, False), tile, on) for n in (64 * on.lanes, on.lanes))
    assert wide.m_block >= 800 > narrow.m_block and narrow.m_block % tile.pixels == 0


def test_long_sums_of_several_tiles_are_cut_into_blocks() -> None:
    tile, on = Tile(4, 2), target()
    for product, blocks in ((Product(64, 32, 513, False, False), True), (Product(4, 32, 513, False, False), False)):
        schedule = MatMulSchedule.of(product, tile, on)
        assert blocked(product, tile) == blocks and schedule.k_block == (256 if blocks else 513)
        assert schedule.panel_bytes(tile, on.lanes) == 4 * 2 * on.lanes * schedule.k_block
