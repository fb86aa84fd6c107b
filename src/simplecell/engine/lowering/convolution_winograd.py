"""Planning Winograd convolution: which F(m, r), the register tile, blocks of tiles and chunks of output channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from simplecell.engine.expression import Epilogue
from simplecell.engine.kernels.tile import Tile, tiles
from simplecell.engine.kernels.winograd import WinogradForward
from simplecell.engine.kernels.winograd_transforms import Transform
from simplecell.engine.kernels.winograd_weights import WinogradWeights
from simplecell.engine.lowering.convolution_direct import BYTES_PER_NS, even, fetch_ahead, peak
from simplecell.engine.lowering.convolution_problem import ConvolutionProblem
from simplecell.engine.target import Target

MEMORY_BYTES_PER_NS, SHARED_BYTES_PER_NS = 12.0, 26.0
"""of one core, for weights that do not fit L2: from memory, and from the shared cache"""
PRODUCTS, WIDEST = 0.84, 0.9
"""of what the register tile's loop alone gives (at most the second), in the products, where weights come from L2 and are fetched there meanwhile"""
TILE_NS, AGAIN_BYTES_PER_NS = 12.0, 170.0
"""start and store of a register tile; and V, read again for each chunk of output channels after the first"""
SRC_NS, DST_NS = {4: 2.4, 6: 2.4, 8: 2.6}, {4: 0.9, 6: 0.9, 8: 2.3}
"""per vector of channels at a point of a tile: transforming inputs and outputs, by points in one dimension (the 64 values of an 8×8 tile do not fit
the registers). These and the constants in `blocking` are fitted to 1,300 runs of 15 layers cut in 70 ways each, alone and one behind the other
with other weights: half of them are predicted within 5%, and the cheapest cut is within 10% of the fastest for most layers."""
LEAST_BLOCK = 12
"""tiles in a block, if there are so many: fewer use up weights faster than L2 brings them"""
TIGHT_POINTS = 6
"""F(4,3) errs as little as summing directly (winograd_transforms.py). With F(6,3), training runs of a hundred steps left float64's losses by
1e-4 two times in three, with all others as rarely as with direct sums: an error of 1e-5 turns a relu on or off here and there."""


@dataclass(frozen=True)
class WinogradPlan:
    kernel: WinogradForward
    arguments: dict[str, Any]
    weights: WinogradWeights
    packing: dict[str, Any]
    packed_bytes: int
    scratch_bytes: int


def refusal(problem: ConvolutionProblem, transform: Transform, target: Target, precision: str) -> str | None:
    """Why this transform cannot compute the problem, or None."""
    p, taps = problem, transform.taps
    if precision == "exact":
        return "precision is exact"
    if precision == "tight" and transform.points > TIGHT_POINTS:
        return "precision is tight"
    if p.kernel[1:] not in ((taps, taps), (1, taps), (taps, 1)):
        return f"the kernel is not {taps}×{taps}, nor {taps} in one dimension"
    if p.kernel[0] > 1 and p.kernel[1:] != (taps, taps):
        return "its planes are not square"
    if any(k == 1 and low + high > 0 for k, low, high in zip(p.kernel, p.low, p.high)):
        return "an axis that the kernel does not span is padded"
    if p.strides != (1, 1, 1) or p.dilation != (1, 1, 1):
        return "it has strides or dilation"
    if p.groups > 1:
        return "it has groups"
    if min(p.ic, p.oc) < target.lanes:
        return f"fewer than {target.lanes} channels"
    return None


@dataclass(frozen=True)
class Blocking:
    """How the work is cut; `cost` is its predicted time on one thread in nanoseconds."""

    tile: Tile
    block: int
    """tiles of the picture in a block, a multiple of the register tile's pixels"""
    parts: int
    chunk_blocks: int
    """blocks of output channels in a chunk"""
    cost: float


@cache
def blocking(problem: ConvolutionProblem, transform: Transform, target: Target, threads: int = 1, from_memory: bool = False) -> Blocking:
    """The cheapest way to cut the work, by trying the register tiles and multiples of them.

    What it weighs: channels and tiles that fill up register tiles; weights that stream by once for each block, unless they fit L2 beside V and M;
    transforms, which are the slower the more of L2 is taken; and an even division among the threads.

    Args:
        from_memory: the weights of the whole network do not fit the shared cache, so these come from memory: with 7×7 pixels of 512 channels,
            F(2,3) takes 1.0 ms alone and 2.1 ms in ResNet-50, direct convolution 1.3 and 1.6.
    """
    count, points = _counts(problem, transform)
    lanes, ic, oc, l2 = target.lanes, problem.kernel[0] * problem.ic, problem.oc, target.l2
    vectors = -(-oc // lanes)
    best: Blocking | None = None
    outputs = _transforms(problem, transform, target, 0)
    inputs = _transforms(problem, transform, target, 1) - outputs
    for tile, share in tiles(target).items():
        if tile.pixels > count or tile.vectors > vectors:
            continue
        width = tile.vectors * lanes
        blocks = -(-vectors // tile.vectors)
        u = 4 * points * ic * blocks * width
        rows = -(-count // tile.pixels)  # of register tiles; the last block may be shorter
        done = points * rows * tile.pixels * blocks * width
        products = 2 * done * ic / (peak(target) * min(share, WIDEST) * PRODUCTS) + points * rows * blocks * TILE_NS
        for k in range(1, rows + 1):
            block = k * tile.pixels
            v, m = 4 * points * block * ic, 4 * points * block * width
            if k > 1 and v + m > 1.5 * l2:
                break
            if block < min(LEAST_BLOCK, count):
                continue
            units = -(-rows // k)
            for parts in (1,) if even(units, threads) else (1, min(blocks, threads)):
                for chunk_blocks in {-(-blocks // (parts * c)) for c in (1, 2, 4, 8, 16)}:
                    chunks = -(-blocks // chunk_blocks)
                    if parts > chunks or 0 < oc % (chunk_blocks * width) < lanes:  # the last chunk needs a whole vector
                        continue
                    scratch = v + m * chunk_blocks
                    near = scratch + u <= l2
                    reads = u / MEMORY_BYTES_PER_NS if from_memory else 0.0
                    if not near:
                        reads += (units - bool(from_memory)) * u / SHARED_BYTES_PER_NS
                    # Fetching ahead hides the shorter of the two where they differ much.
                    cost = (products**3 + reads**3) ** (1 / 3) + units * v * (chunks - parts) / AGAIN_BYTES_PER_NS
                    # Weights that stream through L2 drive out what waits there.
                    pressure = min(max((scratch + (u if near else 0.8 * min(u / chunks, l2))) / l2 - 0.65, 0.0), 2.0)
                    cost += (parts * inputs + outputs) * (1 + 1.5 * pressure)
                    cost *= threads * -(-units * parts // threads) / (units * parts)  # some wait for the others
                    if best is None or cost < best.cost:
                        best = Blocking(tile, block, parts, chunk_blocks, cost)
    assert best is not None
    return best


def _axes(p: ConvolutionProblem) -> str:
    """The axes along which the kernel extends within a plane."""
    return ("h" if p.kernel[1] > 1 else "") + ("w" if p.kernel[2] > 1 else "")


def _counts(p: ConvolutionProblem, t: Transform) -> tuple[int, int]:
    """Tiles in all, and points of a tile."""
    axes = _axes(p)
    down, across = (-(-size // t.outputs) if axis in axes else size for axis, size in zip("hw", p.dst[1:]))
    return p.n * p.dst[0] * down * across, t.points ** len(axes)


def _transforms(p: ConvolutionProblem, t: Transform, target: Target, parts: int) -> float:
    """Nanoseconds in the transforms of inputs (once per part and plane) and outputs."""
    count, points = _counts(p, t)
    n = t.points if points > t.points else 6  # one dimension has no more values than registers
    return count * points * (parts * p.kernel[0] * p.ic * SRC_NS[n] + p.oc * DST_NS[n]) / target.lanes


def plan_winograd(
    problem: ConvolutionProblem, transform: Transform, target: Target, epilogue: Epilogue, threads: int = 1, from_memory: bool = False
) -> WinogradPlan:
    """Kernels, arguments and sizes for a problem that `refusal` does not refuse."""
    p, lanes, t = problem, target.lanes, transform
    axes, depth = _axes(p), p.kernel[0] * p.ic
    _, points = _counts(p, t)
    cut = blocking(p, t, target, threads, from_memory)
    tile, block, chunk_blocks = cut.tile, cut.block, cut.chunk_blocks
    width = tile.vectors * lanes
    chunks = -(-p.oc // (width * chunk_blocks))
    v_pixel = _rounded(depth, lanes)
    v_pixel += lanes if v_pixel % 512 == 0 else 0  # 14 tiles 2048 bytes apart would crowd into two sets of L1
    v_point, m_point = block * v_pixel + lanes, block * chunk_blocks * width + lanes
    m_begin = points * v_point
    patch = m_begin + points * m_point
    n, planes, height = (p.n, (p.src[0], p.dst[0]), (p.src[1], p.dst[1])) if "h" in axes else (p.n * p.dst[0] * p.dst[1], (1, 1), (1, 1))
    arguments = dict(
        n=n, id=planes[0], ih=height[0], iw=p.src[2], ic=p.ic, od=planes[1], oh=height[1], ow=p.dst[2], oc=p.oc, dst_pixel=p.oc,
        kd=p.kernel[0], pad_d=p.low[0], pad_h=p.low[1], pad_w=p.low[2],
        tiles_h=-(-p.dst[1] // t.outputs) if "h" in axes else 1, tiles_w=-(-p.dst[2] // t.outputs) if "w" in axes else p.dst[2],
        block=block, parts=cut.parts, chunks=chunks, chunk_blocks=chunk_blocks,
        v_pixel=v_pixel, v_point=v_point, m_pixel=chunk_blocks * width, m_point=m_point, patch=patch, m_begin=m_begin,
    )  # fmt: skip
    packed_bytes = 4 * points * chunks * chunk_blocks * width * depth
    lines, arguments["ahead"] = fetch_ahead(tile, target, block // tile.pixels)
    return WinogradPlan(
        WinogradForward(t, tile, epilogue, axes, lines),
        arguments,
        WinogradWeights(t, len(axes)),
        dict(kd=p.kernel[0], ic=p.ic, oc=p.oc, chunks=chunks, chunk_blocks=chunk_blocks, width=width),
        packed_bytes,
        4 * (patch + points * p.ic),
    )


def winograd_cost(problem: ConvolutionProblem, transform: Transform, target: Target, from_memory: bool = False) -> float:
    """Predicted nanoseconds on one thread: products, transforms, and the weights, which are larger than direct convolution's."""
    return max(blocking(problem, transform, target, from_memory=from_memory).cost, problem.nbytes / BYTES_PER_NS)


def _rounded(value: int, to: int) -> int:
    return -(-value // to) * to
