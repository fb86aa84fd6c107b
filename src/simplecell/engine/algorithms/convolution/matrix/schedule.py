"""What the kernels of convolution on a matrix unit are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simplecell.engine.algorithms.convolution.matrix.blocking import (
    BLOCK,
    CHUNK,
    Blocking,
    Picture,
    merged,
    merges,
    near,
    reach,
    slab_bytes,
)
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.matrix_unit import DEPTH, TILE
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.tile import LINE
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target

PLACES = 3 + 2 * CHUNK
"""words that note the places of a chunk: where its two tiles begin (pixels); how many outputs exist; for each of these
its number among the sums and its offset in dst"""
PART_BYTES = 320 * 1024
"""of weights that chunk after chunk reads from L2 while the next are fetched"""


@dataclass(frozen=True)
class MatrixSchedule(Schedule):
    """Extents of src (`i…`) and dst (`o…`) along depth, height and width; `oc`: values from one pixel of dst to the
    next."""

    n: int
    od: int
    oh: int
    ow: int
    oc: int
    channels: int
    """output channels that are computed"""
    id: int
    ih: int
    iw: int
    ic: int
    stride_d: int
    stride_h: int
    stride_w: int
    pad_d: int
    pad_h: int
    pad_w: int
    dilation_d: int
    kd: int
    """planes of the kernel"""
    reach_h: int
    reach_w: int
    """input rows and columns from the first tap to the last"""
    phases_h: int
    phases_w: int
    """of the strides, as far as taps look at them"""
    taps: int
    rows: int
    columns: int
    """outputs in a block"""
    shares: int
    """of the output channels"""
    tile_rows: int
    per_row: int
    """pixels in a tile, tiles in a row"""
    across: int
    pitch: int
    phase: int
    plane: int
    part: int
    """scratch: pixels in a row, then bytes from one pixel, phase, plane, part to the next"""
    slabs: int
    """32 input channels each, added at a time"""
    sums: int
    sums_chunk: int
    """where sums wait in scratch, and bytes from one chunk's to the next's"""
    places: int
    """where in scratch the places of a block's outputs are noted"""
    finished: int
    """pixels to finish with each 32 input channels of a tap"""
    ahead: int
    """values to fetch with each 32 input channels of a tap: of the weights needed next, or of inputs"""
    next_weights: int = 0
    """where the next step's weights lie; 0 if that is not known"""
    run: int | None = None
    """values that a row of taps reads, where it counts as one tap"""

    @staticmethod
    def of(problem: ConvolutionProblem, target: Target, cut: Blocking, parts: int, dst_pixel: int) -> MatrixSchedule:
        """dst_pixel: values from one pixel of dst to the next."""
        unpooled = problem.without_pool()
        p, tiling = merged(unpooled), cut.tiling
        picture = Picture.of(p, cut.rows, cut.columns)
        deep = ceil_div(p.ic, DEPTH)
        slabs = min(deep, max(1, PART_BYTES // slab_bytes(p, parts)))
        slabs = ceil_div(deep, ceil_div(deep, slabs))
        # the last tiles read on behind the last pixel
        sums = round_up(parts * picture.part + picture.pitch * (picture.across + CHUNK), 64)
        sums_chunk = 4 * BLOCK * CHUNK if slabs < deep else 0
        windows = problem.pool.taps if problem.pool is not None else 1
        return MatrixSchedule(
            p.n, *p.dst, dst_pixel, p.oc, *unpooled.src, unpooled.ic,
            *p.strides[:2], unpooled.strides[2], *p.low[:2], unpooled.low[2],
            dilation_d=p.dilation[0], kd=p.kernel[0], reach_h=reach(p, 1), reach_w=reach(p, 2),
            phases_h=picture.phases[0], phases_w=picture.phases[1], taps=p.taps,
            rows=cut.rows, columns=cut.columns, shares=cut.shares, tile_rows=tiling.tile_rows, per_row=tiling.per_row,
            across=picture.across, pitch=picture.pitch, phase=picture.phase, plane=picture.plane, part=picture.part,
            slabs=slabs, sums=sums, sums_chunk=sums_chunk,
            places=sums + 4 * BLOCK * CHUNK + sums_chunk * (tiling.chunks - 1),
            finished=2 * ceil_div(CHUNK, slabs * p.taps * windows),
            ahead=_ahead(unpooled, p, target, cut, parts),
            run=p.ic if merges(unpooled) else None,
        )  # fmt: skip

    def scratch_bytes(self, cut: Blocking) -> int:
        """of one thread"""
        return self.places + 8 * (PLACES * cut.tiling.chunks + 3)

    @property
    def lines(self) -> int:
        """Cache lines that hold `ahead` values: a power of two, since the number is compiled in."""
        return 1 << (ceil_div(self.ahead, LINE) - 1).bit_length()


def fetches_inputs(p: ConvolutionProblem, target: Target, cut: Blocking, parts: int) -> bool:
    """Are the next block's inputs fetched ahead, and not weights? Only the first block finds those far away."""
    units = p.n * p.dst[0] * ceil_div(p.dst[1], cut.rows) * ceil_div(p.dst[2], cut.columns)
    return near(p, target, parts) and units > 4


def _ahead(problem: ConvolutionProblem, p: ConvolutionProblem, target: Target, cut: Blocking, parts: int) -> int:
    """p: the problem as `merged` gives it."""
    if not fetches_inputs(p, target, cut, parts):
        return ceil_div(2 * parts * TILE // 4, cut.tiling.chunks)
    inputs = problem.strides[1] * problem.strides[2] * cut.rows * cut.columns * problem.ic
    return ceil_div(inputs, cut.tiling.chunks * p.taps * ceil_div(p.ic, DEPTH) * ceil_div(p.oc, BLOCK))


def offsets(p: ConvolutionProblem, cut: Blocking) -> np.ndarray:
    """Where each tap of a problem as `merged` gives it begins in scratch, in bytes."""
    picture = Picture.of(p, cut.rows, cut.columns)
    (kd, kh, kw), (_, dh, dw), (_, sh, sw) = p.kernel, p.dilation, p.strides
    return np.array(
        [
            picture.plane * z
            + picture.phase * (y % sh * picture.phases[1] + x % sw)
            + picture.pitch * (y // sh * picture.across + x // sw)
            for z in range(kd)
            for y in range(0, kh * dh, dh)
            for x in range(0, kw * dw, dw)
        ],
        np.int64,
    )


@dataclass(frozen=True)
class MatrixWeightsSchedule(Schedule):
    taps: int
    ic: int
    oc: int
