"""How direct convolution is cut into tiles, blocks and parts, and the run-time arguments of its kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd, lcm

from simplecell.engine.algorithms.convolution.blocks import even, fetch_ahead, unroll_for
from simplecell.engine.algorithms.convolution.direct import costs
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.tile import Tile, best_tile, tiles
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target

# --- the kernel's arguments ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loops(Schedule):
    """Extents and strides of the loops over outputs. Strides are in float32 values unless it says pixels."""

    n: int
    od: int
    oh: int
    ow: int
    oc: int
    """from one pixel of dst to the next"""
    ic: int
    """from one pixel of src to the next"""
    id: int
    ih: int
    iw: int
    stride_d: int
    """of the convolution, in pixels"""
    stride_h: int
    stride_w: int
    pixel: int
    """from one output pixel's input to the next's, where the tile reads"""
    block_rows: int
    """rows of dst in a block"""
    block_columns: int
    """pixels of a row in a block, a multiple of the tile's"""
    parts: int
    """of the output channels"""
    group_ic: int
    group_oc: int
    group_blocks: int
    """blocks of output channels in a group"""
    blocks: int
    """blocks of output channels in all"""
    ahead: int
    """values of weights to fetch in each turn of the loop over depth, in cache lines as many as the kernel's `lines`"""
    next_weights: int = 0
    """where the next step's weights lie, which is known when all steps are"""


@dataclass(frozen=True)
class TapLoops(Schedule):
    """Three nested loops over taps: how many, and values from one to the next where the tile reads. A tap is `run`
    contiguous values."""

    taps0: int
    tap0: int
    taps1: int
    tap1: int
    taps2: int
    tap2: int
    run: int


@dataclass(frozen=True)
class Copy(Schedule):
    """Of the copy of a block's input in scratch: the halo, the kernel's reach, and values from one pixel, row and plane
    to the next."""

    pad_d: int
    pad_h: int
    pad_w: int
    kd: int
    kh: int
    kw: int
    dilation_d: int
    dilation_h: int
    dilation_w: int
    pitch: int
    row_stride: int
    plane_stride: int


@dataclass(frozen=True)
class Sums(Schedule):
    """Where sums wait."""

    sums: int
    """in values from the begin of a thread's scratch"""


@dataclass(frozen=True)
class Spread(Schedule):
    """Values of dst from one image, plane, row and pixel to the next, where it is not dense."""

    spread_image: int
    spread_plane: int
    spread_row: int
    spread_pixel: int


@dataclass(frozen=True)
class DirectSchedule(Schedule):
    """All run-time arguments but addresses."""

    loops: Loops
    taps: TapLoops
    copy: Copy | None = None
    sums: Sums | None = None
    spread: Spread | None = None


# --- how the work is cut ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Channels:
    """How channels fall to groups and blocks. Groups of few channels are merged, so that they fill a vector."""

    merged: int
    groups: int
    """merged ones"""
    ic: int
    oc: int
    """of a merged group"""
    vectors: int
    """of output channels in a merged group"""

    @staticmethod
    def of(p: ConvolutionProblem, lanes: int) -> Channels:
        oc, merged = p.oc // p.groups, 1
        if p.groups > 1 and oc < lanes:
            merged = max(m for m in range(1, lanes // oc + 1) if p.groups % m == 0)
        groups = p.groups // merged
        return Channels(merged, groups, p.ic // groups, p.oc // groups, ceil_div(oc * merged, lanes))


@dataclass(frozen=True)
class Blocking:
    """The tile, and blocks of output pixels and channels.

    `copy`: a block's input is copied to scratch, its pixels `pitch` values apart. `joined`: tiles go on from row to
    row.
    """

    tile: Tile
    joined: bool
    copy: bool
    pitch: int
    rows: int
    columns: int
    parts: int
    group_blocks: int
    packed_bytes: int
    """of all weights"""
    waiting: bool
    """Sums wait in scratch while one row of taps after the other goes over all tiles: a block of weights with many
    input channels does not stay in L2 meanwhile."""
    single_taps: bool
    """So do single taps: their weights fit into L1, where those of a row of taps do not, and are read from there by all
    tiles but the first, in 3% less time."""

    @staticmethod
    def of(problem: ConvolutionProblem, target: Target, threads: int, arrays: int, dense: bool) -> Blocking:
        """`threads` only moves the borders between blocks, never a sum.

        Args:
            arrays: like dst, dst itself included, that the epilogue reads and writes.
            dense: dst is not spread.
        """
        p, pool, channels = problem.without_pool(), problem.pool, Channels.of(problem, target.lanes)
        joining = joined_tile(p, target) if pool is None and dense else None
        tile = joining or direct_tile(p, target)
        width = tile.vectors * target.lanes
        group_blocks = ceil_div(channels.oc, width)
        blocks = channels.groups * group_blocks
        packed_bytes = 4 * blocks * p.taps * channels.ic * width

        conflict = conflicts(p, tile, target)
        copy = p.padded or conflict
        pitch = p.ic + (target.lanes if copy and conflict else 0)
        small = packed_bytes <= target.l2 // 2
        rows, columns = _block(p, tile, pitch, arrays if small else 0, target.l2 // (4 if small else 2))
        joined = joining is not None and columns >= p.dst[2]  # blocks of full rows
        if small and not even(_units(p, rows, columns), threads):  # smaller blocks, of one size if possible
            rows, columns = _evenly(p, tile, rows, columns, threads)
        if pool is not None:
            rows, columns = round_up(rows, pool.size[1]), round_up(columns, lcm(tile.pixels, pool.size[2]))
        parts = 1 if even(_units(p, rows, columns), threads) else min(blocks, threads)

        (kd, kh, kw), tap_bytes = p.kernel, 4 * channels.ic * width
        single_taps = copy and joined and kd == 1 and tap_bytes <= target.l1 * 3 // 4 < kw * tap_bytes
        waiting = single_taps or (copy and kd * kh > 1 and p.taps * tap_bytes > target.l2 // 4)
        return Blocking(
            tile, joined, copy, pitch, rows, columns, parts, group_blocks, packed_bytes, waiting, single_taps
        )

    def passes(self, ow: int) -> int:
        """Tiles that use a block of weights, one after the other; meanwhile the next block is fetched."""
        if self.joined:
            return ceil_div(self.rows * ow, self.tile.pixels)
        return self.rows * ceil_div(self.columns, self.tile.pixels)

    def copy_bytes(self, p: ConvolutionProblem) -> int:
        """of the copy of a block's input"""
        return _input_bytes(p, self.rows, self.columns, self.pitch) if self.copy else 0

    def scratch_bytes(self, p: ConvolutionProblem, lanes: int) -> int:
        """of one thread: the copy, and sums that wait behind it"""
        sums = 4 * self.rows * self.columns * self.tile.vectors * lanes if self.waiting else 0
        return self.copy_bytes(p) + sums


def direct_tile(p: ConvolutionProblem, target: Target) -> Tile:
    """The register tile, by `best_tile` with corrections for what its inner loop does not show (see costs.py)."""
    channels, corrections = Channels.of(p, target.lanes), dict[Tile, float]()
    if target.registers >= 32:
        most = costs.MOST_WEIGHTS
        block = 4 * p.taps * channels.ic * most.vectors * target.lanes
        shared = p.pixels >= 400 or (p.pixels >= 150 and channels.vectors >= 4 * most.vectors)
        stays = block <= target.l2 // 4
        corrections = costs.OTHERS | {most: costs.MOST_WEIGHTS_SHARED if shared and stays else costs.MOST_WEIGHTS_ALONE}
    for t in tiles(target):
        if not p.padded and conflicts(p, t, target):  # it would have to copy
            corrections[t] = costs.COPYING * corrections.get(t, 1.0)
    return best_tile(target, channels.vectors, p.dst[2], corrections)


def joined_tile(p: ConvolutionProblem, target: Target) -> Tile | None:
    """The tile that goes on from row to row, where that saves enough time: rows of 7 in tiles of 6 or 4 pixels waste
    much."""
    (_, height, width), vectors = p.dst, Channels.of(p, target.lanes).vectors
    if target.registers >= 32 or height == 1:
        return None
    shares = tiles(target)

    def cost(tile: Tile, runs: int, pixels: int) -> float:
        done = runs * ceil_div(vectors, tile.vectors) * ceil_div(pixels, tile.pixels) * tile.accumulators
        return done / shares[tile]

    fitting = [t for t in shares if 1 < t.pixels <= min(width, costs.JOINED_PIXELS)]
    best = min(fitting, key=lambda t: cost(t, 1, height * width), default=None)
    if best is None:
        return None
    saves = cost(best, 1, height * width) < costs.JOINED_PAYS * cost(direct_tile(p, target), height, width)
    return best if saves else None


def conflicts(p: ConvolutionProblem, tile: Tile, target: Target) -> bool:
    """Do a tile's pixels drive each other out of L1? Those a multiple of 4096 bytes apart fall into one set of it,
    which has a line (a way) for so many, besides what streams through."""
    return tile.pixels * gcd(4 * p.strides[2] * p.ic, 4096) > 4096 * (target.l1 // 4096 - 2)


def _units(p: ConvolutionProblem, rows: int, columns: int) -> int:
    """Blocks of output pixels."""
    return p.n * p.dst[0] * ceil_div(p.dst[1], rows) * ceil_div(p.dst[2], columns)


def _input_bytes(p: ConvolutionProblem, rows: int, columns: int, pitch: int) -> int:
    """of the inputs that a block of output rows and columns reads, pixels `pitch` values apart."""
    height, width = (
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip((rows, columns), p.strides[1:], p.kernel[1:], p.dilation[1:])
    )
    return 4 * p.kernel[0] * height * width * pitch


def _block(p: ConvolutionProblem, tile: Tile, pitch: int, arrays: int, budget: int) -> tuple[int, int]:
    """Rows and columns (a multiple of the tile's) of a block whose inputs and `arrays` like dst take at most `budget`
    bytes: a block of output channels after the other reads the inputs, and fills in its part of each pixel's line of
    outputs."""

    def fits(rows: int, columns: int) -> bool:
        return _input_bytes(p, rows, columns, pitch) + 4 * rows * columns * p.oc * arrays <= budget

    columns, pieces, rows = round_up(p.dst[2], tile.pixels), 1, p.dst[1]
    while not fits(1, columns) and columns > tile.pixels:
        pieces += 1
        columns = round_up(ceil_div(p.dst[2], pieces), tile.pixels)
    while rows > 1 and not fits(rows, columns):
        rows = ceil_div(rows, 2)
    return rows, columns


def _evenly(p: ConvolutionProblem, tile: Tile, rows: int, columns: int, threads: int) -> tuple[int, int]:
    """Smaller blocks, that threads share evenly."""
    n, (od, oh, ow) = p.n, p.dst
    if oh > 1:
        fewer = range(min(rows, ceil_div(oh, threads)), 0, -1)
        return next((r for r in fewer if even(n * od * ceil_div(oh, r), threads)), 1), columns
    pieces = threads * max(1, ceil_div(ceil_div(ow, columns), threads))
    return rows, round_up(ceil_div(ow, pieces), tile.pixels)


# --- the schedule ----------------------------------------------------------------------------------------------------


def schedule(
    p: ConvolutionProblem, cut: Blocking, target: Target, dst_pixel: int, spread: Spread | None
) -> DirectSchedule:
    """The arguments that follow from the blocking.

    Args:
        p: the problem without its pool.
        dst_pixel: values from one pixel of dst to the next.
    """
    (id_, ih, iw), (od, oh, ow), (kd, kh, kw) = p.src, p.dst, p.kernel
    (sd, sh, sw), (dd, dh, dw), channels = p.strides, p.dilation, Channels.of(p, target.lanes)
    pixel, row, plane = p.ic, iw * p.ic, dd * ih * iw * p.ic
    copy = None
    if cut.copy:
        pixel, row = cut.pitch, ((cut.columns - 1) * sw + (kw - 1) * dw + 1) * cut.pitch
        plane = ((cut.rows - 1) * sh + (kh - 1) * dh + 1) * row
        copy = Copy(*p.low, *p.kernel, *p.dilation, pitch=pixel, row_stride=row, plane_stride=plane)
    taps = TapLoops(kd, plane, kh, dh * row, kw, dw * pixel, run=channels.ic)
    if cut.single_taps:
        taps = TapLoops(kh, dh * row, kw, dw * pixel, 1, dw * pixel, run=channels.ic)
    elif dw == 1 and channels.groups == 1 and pixel == p.ic:  # a row of taps is contiguous
        taps = replace(taps, taps2=1, run=kw * p.ic)
    loops = Loops(
        n=p.n, od=od, oh=oh, ow=ow, oc=dst_pixel, ic=p.ic, id=id_, ih=ih, iw=iw, stride_d=sd, stride_h=sh, stride_w=sw,
        pixel=sw * pixel, block_rows=cut.rows, block_columns=cut.columns, parts=cut.parts,
        group_ic=channels.ic, group_oc=channels.oc, group_blocks=cut.group_blocks,
        blocks=channels.groups * cut.group_blocks,
        ahead=fetch_ahead(cut.tile, target, cut.passes(ow), unroll_for(taps.run)),
    )  # fmt: skip
    return DirectSchedule(loops, taps, copy, Sums(cut.copy_bytes(p) // 4) if cut.waiting else None, spread)
