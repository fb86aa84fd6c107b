"""How algorithms on the register tile share out blocks, unroll the loop over depth, and fetch weights ahead."""

from __future__ import annotations

from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.code.tile import LINE, Tile
from simplecell.engine.target import Target


def even(units: int, threads: int) -> bool:
    """Do the units of work divide among the threads with little waiting?"""
    return ceil_div(units, threads) * threads <= 1.06 * units


def unroll_for(depth: int) -> int:
    """Steps of depth in a turn of the tile's loop. Two take 2 to 6% less time than one."""
    return 1 if depth % 2 else 2


def fetch_ahead(tile: Tile, target: Target, passes: int, unroll: int) -> int:
    """Values of weights to fetch in each turn of `unroll` steps of depth.

    So `passes` over one block of weights fetch the next block: in a network all weights come from memory. Where they
    are in L2 already, one such instruction in a step costs up to 2% of the time.
    """
    return ceil_div(unroll * tile.vectors * target.lanes, passes)


def lines_of(ahead: int) -> int:
    """Cache lines that hold the next `ahead` values."""
    return ceil_div(ahead, LINE)
