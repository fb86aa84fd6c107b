"""Planning the gradient of a convolution for its weights: tile, bands, parts and the arguments of its kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simplecell.engine.algorithms.convolution.direct.gradient_kernel import AXES, GradientWeights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.tile import Tile
from simplecell.engine.target import Target

UNITS = 8
"""Pieces of work to aim at, so that a few threads get equal shares; it must not depend on how many threads there
are."""
MOST_PARTS = 8
"""Partial sums where the weights are too few to divide: their sum costs less than a thousandth."""

FEW_CHANNELS = 16
CYCLES_PER_NS = 2.6
"""A clock of 3 GHz, less what caches cost. Only ratios of predicted times decide."""


@dataclass(frozen=True)
class Rows:
    """How the taps and input channels become rows of register tiles: `channels` rows in a run, `segments` runs in a
    tile, and the taps that are left to the kernel's loops."""

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


def row_choices(p: ConvolutionProblem, halo: bool) -> list[Rows]:
    """Every way to make rows of this problem's taps and channels; with a halo, padding does not keep taps apart."""
    kd, kh, kw = p.kernel
    found = [Rows(p.ic // p.groups, 1, p.kernel, "a row per input channel")]
    if kw > 1 and p.groups == 1 and p.dilation[2] == 1 and (halo or not (p.low[2] or p.high[2])):
        found.append(Rows(kw * p.ic, 1, (kd, kh, 1), "rows of kw × ic, which are neighbours"))
        if kh > 1 and (halo or not (p.low[1] or p.high[1])):
            found.append(Rows(kw * p.ic, kh, (kd, 1, 1), "a tile of all kh × kw × ic"))
    return found


def tile_cycles(rows: int, vectors: int) -> float:
    """Cycles of one step of a tile: two multiplications and two loads a cycle, four cycles from one multiplication to
    the next on the same accumulator, and the loop itself."""
    loads = rows + vectors
    return max(rows * vectors / 2, loads / 2, 4.0) + 0.5 + 0.25 * (rows / 16 + 1)


def tile_heights(target: Target, vectors: int) -> range:
    """Rows that a tile may have: accumulators beside a step's vectors of one operand and one value of the other."""
    return range(min(28, target.registers - vectors - 1) // vectors, 0, -1)


def choose_tile(p: ConvolutionProblem, target: Target, halo: bool) -> tuple[Rows, Tile, float]:
    """The rows and the tile with the fewest cycles per pixel, and these."""
    columns = -(-p.oc // p.groups // target.lanes)
    best: tuple[float, Rows, Tile] | None = None
    for rows in row_choices(p, halo):
        for vectors in range(1, min(4, columns) + 1):
            most = tile_heights(target, vectors)[0] // rows.segments
            for height in range(min(rows.channels, most), 0, -1):
                whole, rest = divmod(rows.channels, height)
                cycles = whole * tile_cycles(height * rows.segments, vectors)
                cycles += tile_cycles(rest * rows.segments, vectors) if rest else 0.0
                taps = rows.taps[0] * rows.taps[1] * rows.taps[2]
                # Copying diff_dst costs a load and a store per vector, and misses.
                cost = -(-columns // vectors) * (taps * cycles + 2.0 * vectors)
                if best is None or cost < 0.99 * best[0]:
                    best = cost, rows, Tile(height * rows.segments, vectors)
    assert best is not None
    return best[1], best[2], best[0]


def weights_cost(p: ConvolutionProblem, target: Target) -> float:
    """Predicted nanoseconds of all threads together."""
    cycles = choose_tile(p, target, needs_halo(p))[2] * p.pixels * p.groups
    return cycles / CYCLES_PER_NS * (1.0 if target.fma else 2.0)


def plan_weights(
    problem: ConvolutionProblem, images: int, target: Target, threads: int, halo: bool | None = None
) -> WeightsPlan:
    """`images`: of the original problem, where `problem` has joined them to one row."""
    p = problem
    (od, oh, ow), (id_, ih, iw) = p.dst, p.src
    n = p.n
    if n == 1 < images and p.dst == p.src == (1, 1, ow):  # 1×1: one row per image, so that images can be divided
        n, ow, iw = images, ow // images, iw // images
    if halo is None:
        halo = needs_halo(p)
    sampled = halo and p.taps == 1 and not p.padded
    rows, tile, _ = choose_tile(p, target, halo)
    width, oc_group = tile.vectors * target.lanes, p.oc // p.groups
    height = tile.pixels // rows.segments
    panels, row_tiles = -(-oc_group // width), -(-rows.channels // height)
    taps = rows.taps[0] * rows.taps[1] * rows.taps[2]
    jobs = taps * row_tiles
    packed = jobs >= 4 and (p.oc != width)

    pixel_bytes = 4 * p.ic * p.strides[1] * p.strides[2]
    band_n, band_y, band_x = bands(n, (od, oh, ow), width, 4 * taps * rows.channels * width, pixel_bytes, target)
    parts = min(n, MOST_PARTS) if p.groups * panels * jobs < UNITS else 1
    # As many panels as keep their weights in L2 pass over a band of src while it is there; then the threads must get
    # equal shares.
    block = max(1, min(panels, target.l2 // 2 // (4 * taps * rows.channels * width)))
    if parts * p.groups * -(-panels // block) < threads:
        block = max(1, panels * parts * p.groups // threads)
    units = parts * p.groups * -(-panels // block)
    splits = 1 if units % threads == 0 or units >= 8 * threads else min(jobs, 4 * threads)
    kernel = GradientWeights(tile, rows.segments, rows.channels % height, oc_group % width != 0, packed, halo, sampled)
    image, plane, row = id_ * ih * iw * p.ic, ih * iw * p.ic, iw * p.ic
    arguments: dict[str, Any] = {
        **{
            "n": n,
            "channels": rows.channels,
            "ic": p.ic // p.groups,
            "oc": p.oc,
            "oc_group": oc_group,
            "conv_groups": p.groups,
        },
        **{"src_image": image, "segment_dst": rows.channels * p.oc},
        **{"band_n": band_n, "band_y": band_y, "band_x": band_x, "block": block},
        **{"parts": parts, "part_size": p.taps * p.ic // p.groups * p.oc, "splits": splits},
    }
    extents = zip(AXES, (od, oh, ow), (id_, ih, iw), rows.taps, p.strides, p.dilation, p.low, (plane, row, p.ic))
    for axis, *values in extents:
        arguments |= {f"{what}_{axis}": value for what, value in zip(("o", "i", "k", "s", "d", "p", "src"), values)}
    pixels = min(band_n, n) * od * min(band_y, oh) * min(band_x, ow)
    scratch = GradientWeights.scratch_bytes(tile, target.lanes, pixels) if packed else 0
    if halo:
        (_, reach_y, reach_x), joined = (
            ((k - 1) * d for k, d in zip(p.kernel, p.dilation)),
            rows.channels > p.ic // p.groups,
        )
        pitch = p.ic if joined or not crowded(p) else p.ic + target.lanes
        arguments |= {"reach_y": reach_y, "reach_x": reach_x, "pitch": pitch, "halo_begin": scratch // 4}
        high, wide = min(band_y, oh), min(band_x, ow)
        if not sampled:
            high, wide = (high - 1) * p.strides[1] + reach_y + 1, (wide - 1) * p.strides[2] + reach_x + 1
        copy = 4 * min(band_n, n) * high * wide * pitch
        if copy > target.l2 // 2:
            return plan_weights(p, images, target, threads, halo=False)
        scratch += copy
    reason = f"{rows.what}{', src copied with its halo' if halo else ''}; {panels * jobs} tiles" + (
        f", too few to divide: {parts} partial sums" if parts > 1 else ""
    )
    return WeightsPlan(kernel, arguments, parts, scratch, reason)


def crowded(p: ConvolutionProblem) -> bool:
    """Whether neighbouring pixels of src fall into so few sets of L1 that they drive each other out (where several taps
    read them they come from L2 anyhow)."""
    return p.taps == 1 and p.strides[2] * p.ic * 4 % 2048 == 0


def needs_halo(p: ConvolutionProblem) -> bool:
    """Whether to copy the band of src: where pixels crowd in L1 (14×14, 1024→256, 1×1: 0.95 → 1.03 of PyTorch), or
    where padding keeps taps with few channels apart that would otherwise fill a tile together (32×32, 3→32: 93 → 121
    GFLOP/s). Elsewhere it costs a few percent."""
    one_plane = p.kernel[0] == p.src[0] == p.dst[0] == 1
    return one_plane and (crowded(p) or (p.padded and p.ic < FEW_CHANNELS))


def bands(
    n: int, dst: tuple[int, int, int], width: int, weights_bytes: int, pixel_bytes: int, target: Target
) -> tuple[int, int, int]:
    """Images, rows and pixels of a row in a band.

    A band's panel of diff_dst takes a third of L1, beside the pixels of src that stream through it. Where the panel of
    weights does not stay in L2 beside src, a band is longer, so that the weights' coming and going is paid for; but its
    src, `pixel_bytes` for each pixel of diff_dst, has to stay, in a quarter of L2 (28×28×256, stride 2: 0.92 of PyTorch
    with a half, 1.01 with a quarter).
    """
    od, oh, ow = dst
    pixels = max(target.l1 // 3 // (4 * width), 16)
    if weights_bytes > target.l2 // 4:
        pixels *= 6
    elif weights_bytes > target.l2 // 16:
        pixels *= 2
    pixels = max(16, min(pixels, target.l2 // 4 // pixel_bytes))
    if ow * od >= pixels:
        return 1, 1, max(pixels // od, 16) if ow * od > 2 * pixels else ow
    rows = max(1, round(pixels / (ow * od)))
    if rows < oh:
        return 1, rows, ow
    return max(1, min(n, round(pixels / (ow * od * oh)))), oh, ow
