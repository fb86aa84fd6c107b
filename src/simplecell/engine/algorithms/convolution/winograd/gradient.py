"""Planning the gradient for the weights by Winograd: which channels and how many tiles are in scratch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from simplecell.engine.algorithms.convolution.direct.gradient import CYCLES_PER_NS, tile_cycles, tile_heights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.algorithm import TIGHT_POINTS
from simplecell.engine.algorithms.convolution.winograd.gradient_kernel import WinogradGradientWeights
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.tile import Tile
from simplecell.engine.target import Target

TRANSFORM_NS = 1.6
"""per point and vector of channels, loads and stores included (measured for the forward transforms)"""
TILES = (16, 24, 32, 48, 64)
"""Tiles in scratch at a time: enough to pay for the coming and going of U's register tiles, few enough to stay in
L2."""
FEW_WEIGHTS = 64 * 64
"""Fewer pairs of channels than this make too few blocks to divide: there the tiles are divided into PARTS sums."""
PARTS = 4
WORTH_FLOPS = 2e7
"""Some 0.1 ms of direct summing. The kernel takes 0.15 s to compile, and would save half of that in each step."""
U_BYTES_PER_NS = 60.0
"""of L2, to which U comes and goes with each block of tiles"""


@dataclass(frozen=True)
class Cut:
    """Blocks of channels, tiles at a time, and the predicted nanoseconds of all threads together."""

    tile: Tile
    ic_block: int
    oc_block: int
    tiles: int
    cost: float


@dataclass(frozen=True)
class WinogradWeightsPlan:
    kernel: WinogradGradientWeights
    arguments: dict[str, Any]
    parts: int
    scratch_bytes: int
    reason: str


def refusal(problem: ConvolutionProblem, transform: Transform, target: Target, precision: str) -> str | None:
    """Why this transform cannot compute the gradient, or None."""
    p, taps = problem, transform.taps
    if precision == "exact":
        return "precision is exact"
    if precision == "tight" and transform.points > TIGHT_POINTS:
        return "precision is tight"
    if p.kernel not in ((1, taps, taps), (1, 1, taps)) or (p.kernel[1] == 1 and p.src[1] > 1) or p.src[0] > 1:
        return f"the kernel is not {taps}×{taps}, nor {taps} in one dimension"
    if any(k == 1 and low + high > 0 for k, low, high in zip(p.kernel, p.low, p.high)):
        return "an axis that the kernel does not span is padded"
    if p.strides != (1, 1, 1) or p.dilation != (1, 1, 1):
        return "it has strides or dilation"
    if p.groups > 1:
        return "it has groups"
    if min(p.ic, p.oc) < target.lanes:
        return f"fewer than {target.lanes} channels"
    if p.flops < WORTH_FLOPS:
        return "too little work to pay for compiling it"
    if cut(p, transform, target, 1) is None:
        return "its scratch does not fit L2"
    return None


@lru_cache(maxsize=4096)
def cut(p: ConvolutionProblem, t: Transform, target: Target, threads: int) -> Cut | None:
    """The cheapest blocks whose V, M and U fit L2 together."""
    _, points, tiles = _counts(p, t)
    lanes, parts = target.lanes, _parts(p, t)
    scale = 1.0 if target.fma else 2.0
    best: Cut | None = None
    for ic_block in _blocks(p.ic, lanes):
        for oc_block in _blocks(p.oc, lanes):
            ic_blocks, oc_blocks = -(-p.ic // ic_block), -(-p.oc // oc_block)
            tile = _tile(target, ic_block, oc_block)
            rows, panels = -(-ic_block // tile.pixels), -(-oc_block // (tile.vectors * lanes))
            u = 4 * points * rows * tile.pixels * panels * tile.vectors * lanes
            products = points * tiles * rows * panels * tile_cycles(tile.pixels, tile.vectors) * scale / CYCLES_PER_NS
            transforms = points * tiles * (-(-ic_block // lanes) + -(-oc_block // lanes)) * TRANSFORM_NS
            for at_once in TILES:
                v_and_m = 4 * points * at_once * (rows * tile.pixels + panels * tile.vectors * lanes)
                if u + v_and_m > 0.85 * target.l2:
                    break
                back_and_forth = -(-tiles // at_once) * 2 * u / U_BYTES_PER_NS
                units = parts * ic_blocks * oc_blocks
                cost = (products + transforms + back_and_forth) * ic_blocks * oc_blocks
                cost *= threads * -(-units // threads) / units  # some wait for the others
                if best is None or cost < best.cost:
                    best = Cut(tile, ic_block, oc_block, at_once, cost)
    return best


def _blocks(channels: int, lanes: int) -> Iterator[int]:
    """Widths of blocks: all channels, a half, a third, … down to two vectors."""
    seen = set()
    for count in range(1, channels // (2 * lanes) + 2):
        width = max(-(-channels // count), min(lanes, channels))
        if width not in seen and width >= lanes:
            seen.add(width)
            yield width


def _tile(target: Target, ic_block: int, oc_block: int) -> Tile:
    """The register tile for a block: rows and columns that it does not have are computed in vain."""
    vectors = -(-oc_block // target.lanes)

    def cycles(tile: Tile) -> float:
        return -(-ic_block // tile.pixels) * -(-vectors // tile.vectors) * tile_cycles(tile.pixels, tile.vectors)

    return min(
        (Tile(h, v) for v in range(1, min(4, vectors) + 1) for h in tile_heights(target, v) if h <= ic_block),
        key=cycles,
    )


def _dimensions(p: ConvolutionProblem) -> int:
    return 2 if p.kernel[1] > 1 else 1


def _counts(p: ConvolutionProblem, t: Transform) -> tuple[tuple[int, int], int, int]:
    """Tiles down and across a picture, points of a tile, tiles in all."""
    down, across = (-(-p.dst[1] // t.outputs), t.points**2) if _dimensions(p) == 2 else (1, t.points)
    wide = -(-p.dst[2] // t.outputs)
    return (down, wide), across, p.n * down * wide


def _parts(p: ConvolutionProblem, t: Transform) -> int:
    """A function of the problem alone, since it decides the order of summing."""
    tiles = _counts(p, t)[2]
    return min(PARTS, max(1, tiles // TILES[0])) if p.ic * p.oc < FEW_WEIGHTS else 1


def plan_winograd_weights(
    p: ConvolutionProblem, t: Transform, target: Target, threads: int, local: bool = False
) -> WinogradWeightsPlan:
    """Kernel, arguments and sizes for a problem that `refusal` does not refuse."""
    chosen = cut(p, t, target, threads)
    assert chosen is not None
    (down, across), points, count = _counts(p, t)
    tile, width = chosen.tile, chosen.tile.vectors * target.lanes
    ic_pitch, oc_pitch = -(-chosen.ic_block // tile.pixels) * tile.pixels, -(-chosen.oc_block // width) * width
    parts = _parts(p, t)
    m_begin = points * chosen.tiles * ic_pitch
    u_begin = m_begin + points * chosen.tiles * oc_pitch
    patch = u_begin + points * ic_pitch * oc_pitch
    energies = patch + points * max(chosen.ic_block, chosen.oc_block)
    marks = energies + 2 * chosen.tiles
    arguments: dict[str, Any] = {
        **{"n": p.n, "ih": p.src[1], "iw": p.src[2], "ic": p.ic, "oh": p.dst[1], "ow": p.dst[2], "oc": p.oc},
        **{"pad_h": p.low[1], "pad_w": p.low[2], "tiles_h": down, "tiles_w": across},
        **{"parts": parts, "part_size": p.taps * p.ic * p.oc, "tiles": chosen.tiles},
        **{"ic_block": chosen.ic_block, "oc_block": chosen.oc_block, "ic_pitch": ic_pitch, "oc_pitch": oc_pitch},
        **{"m_begin": m_begin, "u_begin": u_begin, "patch": patch, "energies": energies, "marks": marks},
    }
    reason = f"blocks of {chosen.ic_block}×{chosen.oc_block} channels, {chosen.tiles} tiles at a time"
    scratch = 4 * (marks + -(-(count // parts + 1) // 4))
    return WinogradWeightsPlan(
        WinogradGradientWeights(t, tile, _dimensions(p), local), arguments, parts, scratch, reason
    )


def winograd_weights_cost(p: ConvolutionProblem, t: Transform, target: Target) -> float:
    """Predicted nanoseconds on one thread."""
    chosen = cut(p, t, target, 1)
    return chosen.cost if chosen is not None else float("inf")
