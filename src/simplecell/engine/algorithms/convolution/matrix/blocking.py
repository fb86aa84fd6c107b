"""How the outputs of a convolution on a matrix unit are cut into blocks, chunks and tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from simplecell.engine.algorithms.convolution.matrix import costs
from simplecell.engine.algorithms.convolution.pool_stage import Pool
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.bfloat16 import PRODUCTS
from simplecell.engine.code.matrix_unit import COLUMNS, DEPTH, ROWS, TILE
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.target import Target

BLOCK = 2 * COLUMNS
"""output channels that are computed together"""
CHUNK = 2 * ROWS
"""pixels, at most: two tiles"""
ACROSS_ROWS = 1 << 30
"""as the number of tiles in a row: they go on across the ends of rows"""
FEWEST = 7
"""pixels in a tile"""
MOST_POOLED = 4
"""columns of a window that is pooled: the kernel has a copy of the epilogue for each"""


def merges(p: ConvolutionProblem) -> bool:
    """Is a row of taps one run of few values?"""
    return p.kernel[2] > 1 and p.dilation[2] == 1 and p.kernel[2] * p.ic <= DEPTH


def merged(p: ConvolutionProblem) -> ConvolutionProblem:
    """With the rows of taps taken as one tap, of an input that holds for each output what the row reads."""
    if not merges(p):
        return p
    (kd, kh, kw), (sd, sh, _), (dd, dh, _) = p.kernel, p.strides, p.dilation
    return replace(
        p, ic=kw * p.ic, src=(*p.src[:2], p.dst[2]), kernel=(kd, kh, 1), strides=(sd, sh, 1), dilation=(dd, dh, 1),
        low=(*p.low[:2], 0), high=(*p.high[:2], 0),
    )  # fmt: skip


def can_pool(pool: Pool) -> bool:
    """Are its windows small enough?"""
    return pool.size[1] <= 2 and pool.size[2] <= MOST_POOLED


def reach(p: ConvolutionProblem, axis: int) -> int:
    """Inputs from the first tap to the last."""
    return (p.kernel[axis] - 1) * p.dilation[axis]


def slab_bytes(p: ConvolutionProblem, parts: int) -> int:
    """of the weights of 32 input and 32 output channels, all taps"""
    return p.taps * 2 * parts * TILE


def weights_bytes(p: ConvolutionProblem, parts: int) -> int:
    """of all packed weights"""
    return ceil_div(p.oc, BLOCK) * ceil_div(p.ic, DEPTH) * slab_bytes(p, parts)


def near(p: ConvolutionProblem, target: Target, parts: int) -> bool:
    """Do all weights stay in L2, and leave most of it to others?"""
    return weights_bytes(p, parts) <= target.l2 // 4


@dataclass(frozen=True)
class Picture:
    """The parts of a block's inputs in scratch: pixels in a row; bytes from one pixel, phase, plane, part to the
    next."""

    phases: tuple[int, int]
    across: int
    pitch: int
    phase: int
    plane: int
    part: int

    @staticmethod
    def of(p: ConvolutionProblem, rows: int, columns: int) -> Picture:
        """Of a block of so many rows and columns of outputs."""
        phases_h, phases_w = (min(p.strides[a], reach(p, a) + 1) for a in (1, 2))
        across = columns + reach(p, 2) // p.strides[2]
        pitch = 2 * DEPTH * ceil_div(p.ic, DEPTH)
        if pitch % 128 == 0:
            # an odd number of lines, lest the pixels of a tile fall into few sets of L1 (up to 15% of the time)
            pitch += 64
        phase = pitch * across * (rows + reach(p, 1) // p.strides[1])
        plane = phase * phases_h * phases_w
        return Picture((phases_h, phases_w), across, pitch, phase, plane, plane * p.kernel[0])


@dataclass(frozen=True)
class Tiling:
    """The two tiles of pixels of each chunk: `per_row` tiles in a row, or ACROSS_ROWS."""

    chunks: int
    """of a block"""
    tile_rows: int
    """pixels in a tile"""
    per_row: int
    multiply_ns: float
    """of one instruction"""

    @staticmethod
    def of(picture: Picture, rows: int, columns: int, pool: Pool | None) -> Tiling:
        """The faster one of tiles across the ends of rows and rows of equal tiles. Those of a pool hold full windows
        of a row."""
        if pool is not None:
            along = pool.size[2]
            per_row = ceil_div(columns, ROWS // along * along)
            by_row = max(round_up(FEWEST, along), round_up(ceil_div(columns, per_row), along))
            chunks = rows // 2 * per_row if pool.size[1] == 2 else ceil_div(rows * per_row, 2)
            return Tiling(chunks, by_row, per_row, costs.MULTIPLY[max(by_row, costs.POOLED_LEAST)])
        flat = (rows - 1) * picture.across + columns
        chunks = ceil_div(flat, CHUNK)
        tile_rows = max(FEWEST, ceil_div(flat, 2 * chunks))
        per_row = ceil_div(columns, ROWS)
        by_row = max(FEWEST, ceil_div(columns, per_row))
        across = Tiling(chunks, tile_rows, ACROSS_ROWS, costs.MULTIPLY[tile_rows])
        by_rows = Tiling(ceil_div(rows * per_row, 2), by_row, per_row, costs.MULTIPLY[by_row])
        return min(across, by_rows, key=lambda t: t.chunks * t.multiply_ns)


@dataclass(frozen=True)
class Blocking:
    """How the outputs are cut, and what one thread is predicted to take for it."""

    rows: int
    columns: int
    """of outputs in a block"""
    shares: int
    """of the output channels"""
    tiling: Tiling
    cost: float
    """nanoseconds"""


_PIECES = (*range(1, 17), *(round(20 * 1.25**i) for i in range(50)))
"""Numbers of blocks of rows, or of a row, that are tried."""


@lru_cache(maxsize=4096)
def blocking(p: ConvolutionProblem, target: Target, parts: int, threads: int, pool: Pool | None = None) -> Blocking:
    """The cheapest blocks whose picture in scratch leaves half of L2 to weights and outputs.

    Args:
        p: as `merged` gives it.
        parts: of a float32 value.
        threads: only move the borders between blocks.
    """
    room = target.l2 // (4 if near(p, target, parts) else 2)
    shapes = list(_shapes(p, pool))
    fitting = [s for s in shapes if parts * Picture.of(p, *s).part <= room] or shapes[-1:]
    cuts = [_cut(p, target, parts, threads, *s, shares, pool) for s in fitting for shares in sorted({1, threads})]
    return min(cuts, key=lambda cut: cut.cost)


def _shapes(p: ConvolutionProblem, pool: Pool | None) -> Iterator[tuple[int, int]]:
    """Rows and columns of blocks that are tried: some rows, or parts of one; the last has fewest inputs."""
    _, height, width = p.dst
    shapes = [(ceil_div(height, n), width) for n in _PIECES if n <= height]
    shapes += [(1, ceil_div(width, n)) for n in _PIECES if n * CHUNK <= width]
    shapes += [(1, min(n * CHUNK, width)) for n in (2, 1)]
    down, along = pool.size[1:] if pool is not None else (1, 1)
    return ((round_up(rows, down), round_up(columns, along)) for rows, columns in shapes)


def _cut(
    p: ConvolutionProblem,
    target: Target,
    parts: int,
    threads: int,
    rows: int,
    columns: int,
    shares: int,
    pool: Pool | None,
) -> Blocking:
    picture = Picture.of(p, rows, columns)
    tiling = Tiling.of(picture, rows, columns, pool)
    deep, across = ceil_div(p.ic, DEPTH), ceil_div(p.oc, BLOCK)
    store = costs.STORE_NS if 4 * rows * columns * p.oc <= target.l2 // 4 else costs.STORE_FAR_NS
    products = tiling.chunks * deep * p.taps * 4 * len(PRODUCTS[parts]) * tiling.multiply_ns
    stores = max(2 * rows * columns * store - costs.STORE_HIDDEN * products, 0)
    block = products + tiling.chunks * costs.CHUNK_NS + stores
    weights = deep * slab_bytes(p, parts)  # of a block of output channels
    if across * weights > target.l2 // 2:
        block = max(block, weights * costs.WEIGHT_NS)
    elif across * weights > target.l2 // 4:
        block += weights * costs.L2_NS
    split = costs.SPLIT_NS if parts * picture.part < target.l1 else costs.SPLIT_FAR_NS
    inputs = picture.part // picture.pitch * deep * split * (parts - 1)
    units = p.n * p.dst[0] * ceil_div(p.dst[1], rows) * ceil_div(p.dst[2], columns)
    own = ceil_div(units * shares, threads)
    return Blocking(rows, columns, shares, tiling, own * (costs.BLOCK_NS + inputs + ceil_div(across, shares) * block))
