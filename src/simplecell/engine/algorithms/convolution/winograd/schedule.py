"""How Winograd convolution is cut into patches of the picture, blocks of patches and chunks of output channels; and the
run-time arguments of its kernels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from simplecell.engine.algorithms.convolution.blocks import even, fetch_ahead, unroll_for
from simplecell.engine.algorithms.convolution.costs import MEMORY_BYTES_PER_NS, SHARED_BYTES_PER_NS
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd import costs
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.tile import Tile, tiles
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target

# --- the kernels' arguments ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patches(Schedule):
    """Extents of src and dst, and the patches of dst. A patch is what one transform gives: `outputs` pixels along each
    of its axes."""

    n: int
    id: int
    ih: int
    iw: int
    ic: int
    od: int
    oh: int
    ow: int
    oc: int
    dst_pixel: int
    """values from one pixel of dst to the next: oc, or more where dst is a part of a concatenation"""
    slices: int
    """places in which the kernel's other taps look at the input, `shift_d`, … pixels apart"""
    shift_d: int
    shift_h: int
    shift_w: int
    pad_d: int
    pad_h: int
    pad_w: int
    patches_h: int
    """of a plane of dst, down"""
    patches_w: int
    chunks: int
    """of output channels"""
    chunk_blocks: int
    """blocks of output channels in a chunk"""


@dataclass(frozen=True)
class Blocks(Schedule):
    """Blocks of patches, and where V and M lie in scratch, in values."""

    block: int
    """patches in a block"""
    parts: int
    """of the chunks"""
    v_pixel: int
    """from one patch to the next in V"""
    v_point: int
    """from one point to the next in V"""
    m_pixel: int
    m_point: int
    m_begin: int
    """from V's begin to M's"""
    edge_begin: int
    """from V's begin to that of the copy of a patch that reaches over an edge"""
    ahead: int
    """values of weights to fetch in each turn of the loop over depth, in cache lines as many as the kernel's `lines`"""
    next_weights: int = 0
    """where the next step's weights lie, which is known when all steps are"""


@dataclass(frozen=True)
class WinogradSchedule(Schedule):
    """All run-time arguments of the convolution but addresses."""

    patches: Patches
    blocks: Blocks


@dataclass(frozen=True)
class ApartSchedule(Schedule):
    """All run-time arguments of the direct sums of outlying patches but addresses."""

    patches: Patches
    width: int
    """output channels in a block of weights"""


# --- how a kernel's taps fall to a transform -------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """How a kernel's taps fall to the transform and to direct sums: the transform goes along `axes`, in each of
    `slices` runs (or squares) of taps, whose inputs lie `shift` (depth, height, width) apart. In the weights, slices
    lie `taps` apart, what the transform takes `row` and `column`."""

    axes: str
    slices: int
    shift: tuple[int, int, int]
    taps: int
    row: int
    column: int

    @staticmethod
    def of(p: ConvolutionProblem, t: Transform) -> Form | None:
        """The form in which a transform computes a kernel, or None. (Squares along the rows only, each row of taps by
        itself, take more multiplications and fewer weights than both ways; measured, they were never the fastest, not
        at 7×7 pixels of 512 channels either.)"""
        (depth, height, width), r = p.kernel, t.taps
        if (height, width) == (r, r):
            return Form("hw", depth, (1, 0, 0), r * r, r, 1)
        if depth == height == 1 and width % r == 0:
            return Form("w", width // r, (0, 0, r), r, 0, 1)
        if depth == width == 1 and height % r == 0:
            return Form("h", height // r, (0, r, 0), r, 0, 1)
        return None

    def points(self, t: Transform) -> int:
        """of a patch"""
        return t.points * t.points if len(self.axes) == 2 else t.points

    def patches(self, p: ConvolutionProblem, t: Transform) -> tuple[int, int]:
        """of a plane of dst, down and across"""
        down, across = (ceil_div(size, t.outputs) if a in self.axes else size for a, size in zip("hw", p.dst[1:]))
        return down, across


# --- how the work is cut ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blocking:
    """How the work is cut; `cost` is its predicted time on one thread in nanoseconds."""

    tile: Tile
    block: int
    """patches in a block, a multiple of the register tile's pixels"""
    parts: int
    chunk_blocks: int
    """blocks of output channels in a chunk"""
    cost: float


@lru_cache(maxsize=4096)
def blocking(
    problem: ConvolutionProblem, transform: Transform, target: Target, threads: int = 1, from_memory: bool = False
) -> Blocking:
    """The cheapest way to cut the work, by trying the register tiles and multiples of them.

    What it weighs: channels and patches that fill up register tiles; weights that stream by once for each block, unless
    they fit L2 beside V and M; transforms, which are the slower the more of L2 is taken; and an even division among the
    threads.

    Args:
        from_memory: the weights of the whole network do not fit the shared cache, so these come from memory: with 7×7
            pixels of 512 channels, F(2,3) takes 1.0 ms alone and 2.1 ms in ResNet-50, direct convolution 1.3 and 1.6.
    """
    form = Form.of(problem, transform)
    assert form is not None
    count, points = _count(problem, transform, form), form.points(transform)
    lanes, ic, oc, l2 = target.lanes, form.slices * problem.ic, problem.oc, target.l2
    vectors = ceil_div(oc, lanes)
    best: Blocking | None = None
    outputs = _transforms(problem, transform, form, target, 0)
    inputs = _transforms(problem, transform, form, target, 1) - outputs
    for tile, share in tiles(target).items():
        if tile.pixels > count or tile.vectors > vectors:
            continue
        width = tile.vectors * lanes
        blocks = ceil_div(vectors, tile.vectors)
        u = 4 * points * ic * blocks * width
        down = ceil_div(count, tile.pixels)  # register tiles; the last block may be shorter
        done = points * down * tile.pixels * blocks * width
        products = 2 * done * ic / (target.peak * min(share, costs.WIDEST) * costs.PRODUCTS)
        products += points * down * blocks * costs.TILE_NS
        # register tiles whose V and M do not leave L2 far behind
        most = max(1, int(1.5 * l2 / (4 * points * tile.pixels * (ic + width))))
        least = min(ceil_div(min(costs.LEAST_BLOCK, count), tile.pixels), most)
        for k in range(least, min(down, most) + 1):
            block = k * tile.pixels
            v, m = 4 * points * block * ic, 4 * points * block * width
            units = ceil_div(down, k)
            for parts in (1,) if even(units, threads) else (1, min(blocks, threads)):
                for chunk_blocks in {ceil_div(blocks, parts * c) for c in (1, 2, 4, 8, 16)}:
                    chunks = ceil_div(blocks, chunk_blocks)
                    if parts > chunks or 0 < oc % (chunk_blocks * width) < lanes:  # the last chunk needs a whole vector
                        continue
                    scratch = v + m * chunk_blocks
                    fits = scratch + u <= l2
                    reads = u / MEMORY_BYTES_PER_NS if from_memory else 0.0
                    if not fits:
                        reads += (units - bool(from_memory)) * u / SHARED_BYTES_PER_NS
                    # Fetching ahead hides the shorter of the two where they differ much.
                    cost = (products**3 + reads**3) ** (1 / 3)
                    cost += units * v * (chunks - parts) / costs.AGAIN_BYTES_PER_NS
                    # Weights that stream through L2 drive out what waits there.
                    pressure = min(max((scratch + (u if fits else 0.8 * min(u / chunks, l2))) / l2 - 0.65, 0.0), 2.0)
                    cost += (parts * inputs + outputs) * (1 + 1.5 * pressure)
                    cost *= threads * ceil_div(units * parts, threads) / (units * parts)  # some wait for the others
                    if best is None or cost < best.cost:
                        best = Blocking(tile, block, parts, chunk_blocks, cost)
    assert best is not None
    return best


def _count(p: ConvolutionProblem, t: Transform, form: Form) -> int:
    """Patches in all."""
    down, across = form.patches(p, t)
    return p.n * p.dst[0] * down * across


def _transforms(p: ConvolutionProblem, t: Transform, form: Form, target: Target, parts: int) -> float:
    """Nanoseconds in the transforms of inputs (once per part and slice) and outputs."""
    count, points = _count(p, t, form), form.points(t)
    n = t.points if points > t.points else 6  # one dimension has no more values than registers
    return count * points * (parts * form.slices * p.ic * costs.SRC_NS[n] + p.oc * costs.DST_NS[n]) / target.lanes


# --- the schedule ----------------------------------------------------------------------------------------------------


def schedule(
    problem: ConvolutionProblem, form: Form, transform: Transform, cut: Blocking, target: Target, dst_pixel: int
) -> WinogradSchedule:
    """The arguments that follow from the blocking. dst_pixel: values from one pixel of dst to the next."""
    p, lanes, depth, points = problem, target.lanes, form.slices * problem.ic, form.points(transform)
    width = cut.tile.vectors * lanes
    v_pixel = round_up(depth, lanes)
    v_pixel += lanes if v_pixel % 512 == 0 else 0  # 14 patches 2048 bytes apart would crowd into two sets of L1
    v_point, m_point = cut.block * v_pixel + lanes, cut.block * cut.chunk_blocks * width + lanes
    m_begin = points * v_point
    (id_, ih, iw), (od, oh, ow), (pad_d, pad_h, pad_w) = p.src, p.dst, p.low
    (shift_d, shift_h, shift_w), (down, across) = form.shift, form.patches(p.without_pool(), transform)
    patches = Patches(
        n=p.n, id=id_, ih=ih, iw=iw, ic=p.ic, od=od, oh=oh, ow=ow, oc=p.oc, dst_pixel=dst_pixel,
        slices=form.slices, shift_d=shift_d, shift_h=shift_h, shift_w=shift_w, pad_d=pad_d, pad_h=pad_h, pad_w=pad_w,
        patches_h=down, patches_w=across,
        chunks=ceil_div(p.oc, width * cut.chunk_blocks), chunk_blocks=cut.chunk_blocks,
    )  # fmt: skip
    blocks = Blocks(
        block=cut.block, parts=cut.parts,
        v_pixel=v_pixel, v_point=v_point, m_pixel=cut.chunk_blocks * width, m_point=m_point,
        m_begin=m_begin, edge_begin=m_begin + points * m_point,
        ahead=fetch_ahead(cut.tile, target, cut.block // cut.tile.pixels, unroll_for(depth)),
    )  # fmt: skip
    return WinogradSchedule(patches, blocks)
