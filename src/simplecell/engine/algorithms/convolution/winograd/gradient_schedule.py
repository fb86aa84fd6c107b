"""How the gradient for weights by Winograd is cut: which channels, and how many patches, are in scratch at a time; and
the run-time arguments of its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from simplecell.engine.algorithms.convolution.gradient_weights.costs import CYCLES_PER_NS, tile_cycles, tile_heights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd import costs
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.tile import Tile
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target

# --- the kernel's arguments ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GradientSchedule(Schedule):
    """All run-time arguments but addresses. Places in scratch are in values from its begin, where V lies."""

    n: int
    ih: int
    iw: int
    ic: int
    oh: int
    ow: int
    oc: int
    pad_h: int
    pad_w: int
    patches_h: int
    """of a plane of dst, down"""
    patches_w: int
    parts: int
    """of the patches, each with a gradient of its own"""
    part_size: int
    patches: int
    """in scratch at a time"""
    ic_block: int
    oc_block: int
    ic_pitch: int
    """a block rounded up to register tiles"""
    oc_pitch: int
    m_begin: int
    u_begin: int
    edge_begin: int
    """where the copy of a patch that reaches over an edge lies"""
    energies: int
    """where those of the patches in scratch lie, of src and of diff_dst"""
    marks: int
    """where a byte for each patch of a part lies"""


# --- how the work is cut ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blocking:
    """Blocks of channels, patches at a time, and the predicted nanoseconds of all threads together."""

    tile: Tile
    ic_block: int
    oc_block: int
    patches: int
    cost: float


@lru_cache(maxsize=4096)
def blocking(p: ConvolutionProblem, t: Transform, target: Target, threads: int) -> Blocking | None:
    """The cheapest blocks whose V, M and U fit L2 together; None if there are none."""
    points, count = points_of(p, t), count_of(p, t)
    lanes, parts = target.lanes, parts_of(p, t)
    scale = 1.0 if target.fma else 2.0
    best: Blocking | None = None
    for ic_block in _blocks(p.ic, lanes):
        for oc_block in _blocks(p.oc, lanes):
            ic_blocks, oc_blocks = ceil_div(p.ic, ic_block), ceil_div(p.oc, oc_block)
            tile = _tile(target, ic_block, oc_block)
            rows, panels = ceil_div(ic_block, tile.pixels), ceil_div(oc_block, tile.vectors * lanes)
            u = 4 * points * rows * tile.pixels * panels * tile.vectors * lanes
            products = points * count * rows * panels * tile_cycles(tile.pixels, tile.vectors) * scale / CYCLES_PER_NS
            vectors = ceil_div(ic_block, lanes) + ceil_div(oc_block, lanes)
            transforms = points * count * vectors * costs.TRANSFORM_NS
            for at_once in costs.PATCHES:
                v_and_m = 4 * points * at_once * (rows * tile.pixels + panels * tile.vectors * lanes)
                if u + v_and_m > 0.85 * target.l2:
                    break
                back_and_forth = ceil_div(count, at_once) * 2 * u / costs.U_BYTES_PER_NS
                units = parts * ic_blocks * oc_blocks
                cost = (products + transforms + back_and_forth) * ic_blocks * oc_blocks
                cost *= threads * ceil_div(units, threads) / units  # some wait for the others
                if best is None or cost < best.cost:
                    best = Blocking(tile, ic_block, oc_block, at_once, cost)
    return best


def _blocks(channels: int, lanes: int) -> Iterator[int]:
    """Widths of blocks: all channels, a half, a third, … down to two vectors."""
    seen = set()
    for count in range(1, channels // (2 * lanes) + 2):
        width = max(ceil_div(channels, count), min(lanes, channels))
        if width not in seen and width >= lanes:
            seen.add(width)
            yield width


def _tile(target: Target, ic_block: int, oc_block: int) -> Tile:
    """The register tile for a block: rows and columns that it does not have are computed in vain."""
    vectors = ceil_div(oc_block, target.lanes)

    def cycles(tile: Tile) -> float:
        tiles = ceil_div(ic_block, tile.pixels) * ceil_div(vectors, tile.vectors)
        return tiles * tile_cycles(tile.pixels, tile.vectors)

    return min(
        (Tile(h, v) for v in range(1, min(4, vectors) + 1) for h in tile_heights(target, v) if h <= ic_block),
        key=cycles,
    )


def dimensions_of(p: ConvolutionProblem) -> int:
    """along which the transform goes"""
    return 2 if p.kernel[1] > 1 else 1


def points_of(p: ConvolutionProblem, t: Transform) -> int:
    """of a patch"""
    return t.points * t.points if dimensions_of(p) == 2 else t.points


def patches_of(p: ConvolutionProblem, t: Transform) -> tuple[int, int]:
    """of a picture, down and across"""
    return ceil_div(p.dst[1], t.outputs) if dimensions_of(p) == 2 else 1, ceil_div(p.dst[2], t.outputs)


def count_of(p: ConvolutionProblem, t: Transform) -> int:
    """Patches in all."""
    down, across = patches_of(p, t)
    return p.n * down * across


def parts_of(p: ConvolutionProblem, t: Transform) -> int:
    """A function of the problem alone, since it decides the order of summing."""
    if p.ic * p.oc >= costs.FEW_WEIGHTS:
        return 1
    return min(costs.PARTS, max(1, count_of(p, t) // costs.PATCHES[0]))


# --- the schedule ----------------------------------------------------------------------------------------------------


def schedule(p: ConvolutionProblem, t: Transform, cut: Blocking, lanes: int) -> GradientSchedule:
    """The arguments that follow from the blocking."""
    points, (down, across) = points_of(p, t), patches_of(p, t)
    ic_pitch = round_up(cut.ic_block, cut.tile.pixels)
    oc_pitch = round_up(cut.oc_block, cut.tile.vectors * lanes)
    m_begin = points * cut.patches * ic_pitch
    u_begin = m_begin + points * cut.patches * oc_pitch
    edge_begin = u_begin + points * ic_pitch * oc_pitch
    energies = edge_begin + points * max(cut.ic_block, cut.oc_block)
    return GradientSchedule(
        n=p.n, ih=p.src[1], iw=p.src[2], ic=p.ic, oh=p.dst[1], ow=p.dst[2], oc=p.oc, pad_h=p.low[1], pad_w=p.low[2],
        patches_h=down, patches_w=across, parts=parts_of(p, t), part_size=p.taps * p.ic * p.oc, patches=cut.patches,
        ic_block=cut.ic_block, oc_block=cut.oc_block, ic_pitch=ic_pitch, oc_pitch=oc_pitch,
        m_begin=m_begin, u_begin=u_begin, edge_begin=edge_begin, energies=energies, marks=energies + 2 * cut.patches,
    )  # fmt: skip
