"""What the gradients for weights cost on the register tile with strides (`code/matmul_tile.py`)."""

from __future__ import annotations

from simplecell.engine.target import Target

CYCLES_PER_NS = 2.6
"""A clock of 3 GHz, less what caches cost. Only ratios of predicted times decide."""


def tile_cycles(rows: int, vectors: int) -> float:
    """Cycles of one step of depth of a tile: two multiplications and two loads a cycle, four cycles from one
    multiplication to the next on the same accumulator, and the loop itself."""
    loads = rows + vectors
    return max(rows * vectors / 2, loads / 2, 4.0) + 0.5 + 0.25 * (rows / 16 + 1)


def tile_heights(target: Target, vectors: int) -> range:
    """Rows that a tile may have: accumulators beside a step's vectors of one operand and one value of the other."""
    return range(min(28, target.registers - vectors - 1) // vectors, 0, -1)
