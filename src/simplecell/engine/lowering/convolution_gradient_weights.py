"""Planning the gradient of a convolution for its weights: tile, bands, parts and the arguments of its kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simplecell.engine.kernels.convolution_gradient_weights import AXES, GradientWeights
from simplecell.engine.kernels.tile import Tile
from simplecell.engine.lowering.convolution_problem import ConvolutionProblem
from simplecell.engine.target import Target

UNITS = 8
"""Pieces of work to aim at, so that a few threads get equal shares; it must not depend on how many threads there are."""
MOST_PARTS = 8
"""Partial sums where the weights are too few to divide: their sum costs less than a thousandth."""


@dataclass(frozen=True)
class Rows:
    """How the taps and input channels become rows of register tiles: `channels` rows in a run, `segments` runs in a tile, and the
    taps that are left to the kernel's loops."""

    channels: int
    segments: int
    taps: tuple[int, int, int]
    what: str


@dataclass(frozen=True)
class WeightsPlan:
    kernel: GradientWeights
    arguments: dict[str, Any]
    parts: int
    scratch_bytes: int
    reason: str


def row_choices(p: ConvolutionProblem) -> list[Rows]:
    """Every way to make rows of this problem's taps and channels."""
    kd, kh, kw = p.kernel
    found = [Rows(p.ic // p.groups, 1, p.kernel, "a row per input channel")]
    if kw > 1 and p.groups == 1 and p.dilation[2] == 1 and not p.low[2] and not p.high[2]:
        found.append(Rows(kw * p.ic, 1, (kd, kh, 1), "rows of kw × ic, which are neighbours"))
        if kh > 1 and not p.low[1] and not p.high[1]:
            found.append(Rows(kw * p.ic, kh, (kd, 1, 1), "a tile of all kh × kw × ic"))
    return found


def tile_cycles(rows: int, vectors: int) -> float:
    """Cycles of one step of a tile: two multiplications and two loads a cycle, four cycles from one multiplication to the next on the
    same accumulator, and the loop itself."""
    loads = rows + vectors
    return max(rows * vectors / 2, loads / 2, 4.0) + 0.5 + 0.25 * (rows / 16 + 1)


def choose_tile(p: ConvolutionProblem, target: Target) -> tuple[Rows, Tile]:
    """The rows and the tile with the fewest cycles per pixel."""
    columns = -(-p.oc // p.groups // target.lanes)
    best: tuple[float, Rows, Tile] | None = None
    for rows in row_choices(p):
        for vectors in range(1, min(4, columns) + 1):
            accumulators = min(28, target.registers - vectors - 1)  # beside a step's vectors of diff_dst and one value of src
            most = min(rows.channels, accumulators // vectors // rows.segments)
            for height in range(most, 0, -1):
                whole, rest = divmod(rows.channels, height)
                cycles = whole * tile_cycles(height * rows.segments, vectors)
                cycles += tile_cycles(rest * rows.segments, vectors) if rest else 0.0
                taps = rows.taps[0] * rows.taps[1] * rows.taps[2]
                # Copying diff_dst costs a load and a store per vector, and misses.
                cost = -(-columns // vectors) * (taps * cycles + 2.0 * vectors)
                if best is None or cost < 0.99 * best[0]:
                    best = cost, rows, Tile(height * rows.segments, vectors)
    assert best is not None
    return best[1], best[2]


def plan_weights(problem: ConvolutionProblem, images: int, target: Target, threads: int) -> WeightsPlan:
    """`images`: of the original problem, where `problem` has joined them to one row."""
    p = problem
    (od, oh, ow), (id_, ih, iw) = p.dst, p.src
    n = p.n
    if n == 1 < images and p.dst == p.src == (1, 1, ow):  # 1×1: one row per image, so that images can be divided
        n, ow, iw = images, ow // images, iw // images
    rows, tile = choose_tile(p, target)
    width, oc_group = tile.vectors * target.lanes, p.oc // p.groups
    height = tile.pixels // rows.segments
    panels, row_tiles = -(-oc_group // width), -(-rows.channels // height)
    taps = rows.taps[0] * rows.taps[1] * rows.taps[2]
    jobs = taps * row_tiles
    packed = jobs >= 4 and (p.oc != width)

    band_n, band_y, band_x = bands(n, (od, oh, ow), width, 4 * taps * rows.channels * width, target)
    parts = min(n, MOST_PARTS) if p.groups * panels * jobs < UNITS else 1
    # As many panels as keep their weights in L2 pass over a band of src while it is there; then the threads must get equal shares.
    block = max(1, min(panels, target.l2 // 2 // (4 * taps * rows.channels * width)))
    if parts * p.groups * -(-panels // block) < threads:
        block = max(1, panels * parts * p.groups // threads)
    units = parts * p.groups * -(-panels // block)
    splits = 1 if units % threads == 0 or units >= 8 * threads else min(jobs, 4 * threads)
    kernel = GradientWeights(tile, rows.segments, rows.channels % height, oc_group % width != 0, packed)
    image, plane, row = id_ * ih * iw * p.ic, ih * iw * p.ic, iw * p.ic
    arguments: dict[str, Any] = {
        **{"n": n, "channels": rows.channels, "ic": p.ic // p.groups, "oc": p.oc, "oc_group": oc_group, "conv_groups": p.groups},
        **{"src_image": image, "segment_src": p.dilation[1] * row, "segment_dst": rows.channels * p.oc},
        **{"band_n": band_n, "band_y": band_y, "band_x": band_x, "block": block},
        **{"parts": parts, "part_size": p.taps * p.ic // p.groups * p.oc, "splits": splits},
    }
    extents = zip(AXES, (od, oh, ow), (id_, ih, iw), rows.taps, p.strides, p.dilation, p.low, (plane, row, p.ic))
    for axis, *values in extents:
        arguments |= {f"{what}_{axis}": value for what, value in zip(("o", "i", "k", "s", "d", "p", "src"), values)}
    pixels = min(band_n, n) * od * min(band_y, oh) * min(band_x, ow)
    scratch = GradientWeights.scratch_bytes(tile, target.lanes, pixels) if packed else 0
    reason = f"{rows.what}; {panels * jobs} tiles" + (f", too few to divide: {parts} partial sums" if parts > 1 else "")
    return WeightsPlan(kernel, arguments, parts, scratch, reason)


def bands(n: int, dst: tuple[int, int, int], width: int, weights_bytes: int, target: Target) -> tuple[int, int, int]:
    """Images, rows and pixels of a row in a band.

    A band's panel of diff_dst takes a third of L1, beside the pixels of src that stream through it. Where the panel of weights does
    not stay in L2 beside src, a band is longer, so that the weights' coming and going is paid for.
    """
    od, oh, ow = dst
    pixels = max(target.l1 // 3 // (4 * width), 16)
    if weights_bytes > target.l2 // 4:
        pixels *= 6
    elif weights_bytes > target.l2 // 16:
        pixels *= 2
    if ow * od >= pixels:
        return 1, 1, max(pixels // od, 16) if ow * od > 2 * pixels else ow
    rows = max(1, round(pixels / (ow * od)))
    if rows < oh:
        return 1, rows, ow
    return max(1, min(n, round(pixels / (ow * od * oh)))), oh, ow
