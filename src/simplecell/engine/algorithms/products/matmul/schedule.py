"""How a product is cut: the register tile, blocks of rows and of k."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from simplecell.engine.algorithms.products.matmul.costs import K_BLOCK
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.tile import Tile, tiles
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target

UNITS = 8
"""Units of work to aim at, so that a few threads get equal shares; it must not depend on how many threads there
are."""


@dataclass(frozen=True)
class MatMulSchedule(Schedule):
    """Run-time arguments but addresses. Strides are in elements."""

    m: int
    n: int
    k: int
    lda: int
    """from one row of a to the next, as it lies in memory"""
    ldb: int
    m_block: int
    """rows of a that share one reading of b"""
    k_block: int
    """values of k in a panel, where k is cut into blocks"""
    outer: int
    """matrices along the outer batch axis"""
    inner: int
    a_outer: int
    """from one matrix to the next; 0 repeats it"""
    a_inner: int
    b_outer: int
    b_inner: int

    @staticmethod
    def of(problem: Product, tile: Tile, target: Target) -> MatMulSchedule:
        p = problem
        # A block of rows of a stays in L2 while all panels of b pass; where there are few panels the rows are divided
        # among the threads.
        m_block = max(target.l2 // 2 // (4 * max(p.k, 1)), 8 * tile.pixels)
        units = p.batch * ceil_div(p.n, tile.vectors * target.lanes)
        if units < UNITS:
            m_block = min(m_block, ceil_div(p.m * units, UNITS))
        return MatMulSchedule(
            m=p.m, n=p.n, k=p.k,
            lda=p.m if p.transpose_a else p.k, ldb=p.k if p.transpose_b else p.n,
            m_block=round_up(m_block, tile.pixels), k_block=K_BLOCK if blocked(p, tile) else max(p.k, 1),
            outer=p.outer.extent, inner=p.inner.extent,
            a_outer=p.outer.a, a_inner=p.inner.a, b_outer=p.outer.b, b_inner=p.inner.b,
        )  # fmt: skip

    def panel_bytes(self, tile: Tile, lanes: int) -> int:
        """of a panel of b in scratch"""
        return 4 * tile.vectors * lanes * min(self.k, self.k_block)


def blocked(problem: Product, tile: Tile) -> bool:
    """Is k cut into blocks?"""
    return problem.k > 2 * K_BLOCK and problem.m > tile.pixels


@lru_cache(1024)
def matmul_tile(target: Target, m: int, n: int) -> Tile:
    """The tile that takes the least time for m × n; rows that it leaves over go through tiles of four rows and of
    one."""
    shares = tiles(target)
    vectors = ceil_div(n, target.lanes)

    def time(tile: Tile) -> float:
        total, left = 0.0, m
        for rows in dict.fromkeys((tile.pixels, *(h for h in (4, 1) if h < tile.pixels))):
            accumulators = rows * tile.vectors
            share = shares[tile] if rows == tile.pixels else min(0.9, accumulators / 10)
            total += left // rows * accumulators / share
            left %= rows
        return total * ceil_div(vectors, tile.vectors)

    usable = [t for t in shares if t.pixels <= m and t.vectors <= max(vectors, 1)]
    best = min(map(time, usable))
    return next(t for t in usable if time(t) <= 1.03 * best)
