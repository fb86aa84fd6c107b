"""Planning Winograd convolution: which F(m, r), the register tile, blocks of tiles and chunks of output channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.direct.algorithm import BYTES_PER_NS, even, fetch_ahead, peak
from simplecell.engine.algorithms.convolution.plan import Apart, ConvolutionPlan, Loose, Packing
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.direct_sums import WinogradDirect
from simplecell.engine.algorithms.convolution.winograd.kernel import WinogradForward
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.algorithms.convolution.winograd.weights import WinogradWeights
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.tile import Tile, tiles
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

MEMORY_BYTES_PER_NS, SHARED_BYTES_PER_NS = 12.0, 26.0
"""of one core, for weights that do not fit L2: from memory, and from the shared cache"""
PRODUCTS, WIDEST = 0.84, 0.9
"""of what the register tile's loop alone gives (at most the second), in the products, where weights come from L2 and
are fetched there meanwhile"""
TILE_NS, AGAIN_BYTES_PER_NS = 12.0, 170.0
"""start and store of a register tile; and V, read again for each chunk of output channels after the first"""
SRC_NS, DST_NS = {4: 2.4, 6: 2.4, 8: 2.6}, {4: 0.9, 6: 0.9, 8: 2.3}
"""per vector of channels at a point of a tile: transforming inputs and outputs, by points in one dimension (the 64
values of an 8×8 tile do not fit the registers). These and the constants in `blocking` are fitted to 1,300 runs of 15
layers cut in 70 ways each, alone and one behind the other
with other weights: half of them are predicted within 5%, and the cheapest cut is within 10% of the fastest for most
layers."""
LEAST_BLOCK = 12
"""tiles in a block, if there are so many: fewer use up weights faster than L2 brings them"""
TIGHT_POINTS = 6
"""F(4,3) errs as little as summing directly (winograd_transforms.py). With F(6,3), training runs of a hundred steps
left float64's losses by 1e-4 two times in three, with all others as rarely as with direct sums: an error of 1e-5 turns
a relu on or off here and there."""


class Winograd(ConvolutionAlgorithm):
    """F(outputs, taps): transforms of inputs and outputs, products at each point between them."""

    knows_weights = True

    def __init__(self, outputs: int, taps: int) -> None:
        self.transform = Transform(outputs, taps)
        self.name = f"winograd F({outputs},{taps})"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return refusal(problem, self.transform, setting.target, setting.precision)

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return winograd_cost(problem, self.transform, setting.target, setting.weights_from_memory)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[WinogradForward]:
        return plan_winograd(
            problem,
            self.transform,
            setting.target,
            epilogue,
            setting.threads,
            setting.weights_from_memory,
            setting.local,
            dst_pixel,
        )

    def refuses_pool(self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue | None) -> str | None:
        return pool_refusal(problem, self.transform)


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


def form(p: ConvolutionProblem, t: Transform) -> Form | None:
    """The form in which a transform computes a kernel, or None. (Squares along the rows only, each row of taps by
    itself, take more multiplications and fewer weights than both ways; measured, they were never the fastest, not at
    7×7 pixels of 512 channels either.)"""
    (depth, height, width), r = p.kernel, t.taps
    if (height, width) == (r, r):
        return Form("hw", depth, (1, 0, 0), r * r, r, 1)
    if depth == height == 1 and width % r == 0:
        return Form("w", width // r, (0, 0, r), r, 0, 1)
    if depth == width == 1 and height % r == 0:
        return Form("h", height // r, (0, r, 0), r, 0, 1)
    return None


def refusal(problem: ConvolutionProblem, transform: Transform, target: Target, precision: str) -> str | None:
    """Why this transform cannot compute the problem, or None."""
    p = problem
    if precision == "exact":
        return "precision is exact"
    if precision == "tight" and transform.points > TIGHT_POINTS:
        return "precision is tight"
    if form(p, transform) is None:
        return (
            f"the kernel is not made of {transform.taps}×{transform.taps} planes or of {transform.taps} taps in a row"
        )
    if p.strides != (1, 1, 1) or p.dilation != (1, 1, 1):
        return "it has strides or dilation"
    if p.groups > 1:
        return "it has groups"
    if min(p.ic, p.oc) < target.lanes:
        return f"fewer than {target.lanes} channels"
    return None


MOST_POOLED = 9
"""pixels of a window that is pooled: the kernel has a copy of the epilogue for each"""


def pool_refusal(problem: ConvolutionProblem, transform: Transform) -> str | None:
    """Why the problem's pool cannot be had with the transform's outputs, or None."""
    pool, shape = problem.pool, form(problem, transform)
    assert pool is not None and shape is not None
    tile = (1, *(transform.outputs if axis in shape.axes else 1 for axis in "hw"))
    if any(size % window for size, window in zip(tile, pool.size)):
        return f"its tiles of {tile[1]}×{tile[2]} outputs are not made of whole windows"
    return "windows are too large" if pool.taps > MOST_POOLED else None


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


@lru_cache(maxsize=4096)
def blocking(
    problem: ConvolutionProblem, transform: Transform, target: Target, threads: int = 1, from_memory: bool = False
) -> Blocking:
    """The cheapest way to cut the work, by trying the register tiles and multiples of them.

    What it weighs: channels and tiles that fill up register tiles; weights that stream by once for each block, unless
    they fit L2 beside V and M; transforms, which are the slower the more of L2 is taken; and an even division among the
    threads.

    Args:
        from_memory: the weights of the whole network do not fit the shared cache, so these come from memory: with 7×7
            pixels of 512 channels, F(2,3) takes 1.0 ms alone and 2.1 ms in ResNet-50, direct convolution 1.3 and 1.6.
    """
    shape = form(problem, transform)
    assert shape is not None
    count, points = _counts(problem, transform, shape)
    lanes, ic, oc, l2 = target.lanes, shape.slices * problem.ic, problem.oc, target.l2
    vectors = -(-oc // lanes)
    best: Blocking | None = None
    outputs = _transforms(problem, transform, shape, target, 0)
    inputs = _transforms(problem, transform, shape, target, 1) - outputs
    for tile, share in tiles(target).items():
        if tile.pixels > count or tile.vectors > vectors:
            continue
        width = tile.vectors * lanes
        blocks = -(-vectors // tile.vectors)
        u = 4 * points * ic * blocks * width
        down = -(-count // tile.pixels)  # register tiles; the last block may be shorter
        done = points * down * tile.pixels * blocks * width
        products = 2 * done * ic / (peak(target) * min(share, WIDEST) * PRODUCTS) + points * down * blocks * TILE_NS
        most = max(
            1, int(1.5 * l2 / (4 * points * tile.pixels * (ic + width)))
        )  # register tiles whose V and M do not leave L2 far behind
        least = min(-(-min(LEAST_BLOCK, count) // tile.pixels), most)
        for k in range(least, min(down, most) + 1):
            block = k * tile.pixels
            v, m = 4 * points * block * ic, 4 * points * block * width
            units = -(-down // k)
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


def _counts(p: ConvolutionProblem, t: Transform, form: Form) -> tuple[int, int]:
    """Tiles in all, and points of a tile."""
    down, across = _tiles(p, t, form)
    return p.n * p.dst[0] * down * across, t.points ** len(form.axes)


def _tiles(p: ConvolutionProblem, t: Transform, form: Form) -> tuple[int, int]:
    """of a plane, down and across"""
    down, across = (-(-size // t.outputs) if axis in form.axes else size for axis, size in zip("hw", p.dst[1:]))
    return down, across


def _transforms(p: ConvolutionProblem, t: Transform, form: Form, target: Target, parts: int) -> float:
    """Nanoseconds in the transforms of inputs (once per part and slice) and outputs."""
    count, points = _counts(p, t, form)
    n = t.points if points > t.points else 6  # one dimension has no more values than registers
    return count * points * (parts * form.slices * p.ic * SRC_NS[n] + p.oc * DST_NS[n]) / target.lanes


def plan_winograd(
    problem: ConvolutionProblem,
    transform: Transform,
    target: Target,
    epilogue: Epilogue,
    threads: int = 1,
    from_memory: bool = False,
    local: bool = False,
    dst_pixel: int = 0,
) -> ConvolutionPlan[WinogradForward]:
    """Kernels, arguments and sizes for a problem that `refusal` does not refuse. local: see outliers.py."""
    p, lanes, t = problem, target.lanes, transform
    shape = form(p, t)
    assert shape is not None
    depth = shape.slices * p.ic
    _, points = _counts(p, t, shape)
    covered = p.without_pool()
    cut = blocking(covered, t, target, threads, from_memory)
    tile, block, chunk_blocks = cut.tile, cut.block, cut.chunk_blocks
    width = tile.vectors * lanes
    chunks = -(-p.oc // (width * chunk_blocks))
    v_pixel = _rounded(depth, lanes)
    v_pixel += lanes if v_pixel % 512 == 0 else 0  # 14 tiles 2048 bytes apart would crowd into two sets of L1
    v_point, m_point = block * v_pixel + lanes, block * chunk_blocks * width + lanes
    m_begin = points * v_point
    patch = m_begin + points * m_point
    tiles_h, tiles_w = _tiles(covered, t, shape)
    arguments = dict(
        next_weights=0, n=p.n, id=p.src[0], ih=p.src[1], iw=p.src[2], ic=p.ic, od=p.dst[0], oh=p.dst[1], ow=p.dst[2],
        oc=p.oc, dst_pixel=dst_pixel or p.oc,
        slices=shape.slices, shift_d=shape.shift[0], shift_h=shape.shift[1], shift_w=shape.shift[2], pad_d=p.low[0],
        pad_h=p.low[1], pad_w=p.low[2],
        tiles_h=tiles_h, tiles_w=tiles_w,
        block=block, parts=cut.parts, chunks=chunks, chunk_blocks=chunk_blocks,
        v_pixel=v_pixel, v_point=v_point, m_pixel=chunk_blocks * width, m_point=m_point, patch=patch, m_begin=m_begin,
    )  # fmt: skip
    packed_bytes = 4 * points * chunks * chunk_blocks * width * depth
    steps = 1 if depth % 2 else 2
    lines, arguments["ahead"] = fetch_ahead(tile, target, block // tile.pixels, steps)
    again = WinogradDirect(t, shape.axes, epilogue, p.pool)
    apart = Apart(
        again,
        Loose.of({a: v for a, v in (arguments | {"width": width}).items() if a in again.arguments}),
        marks=p.n * p.dst[0] * tiles_h * tiles_w,
        scratch_bytes=4 * points * depth,
    )
    packing = dict(
        slices=shape.slices,
        slice_taps=shape.taps,
        row_taps=shape.row,
        column_taps=shape.column,
        ic=p.ic,
        oc=p.oc,
        chunks=chunks,
        chunk_blocks=chunk_blocks,
        width=width,
    )
    weights = WinogradWeights(t, len(shape.axes))
    return ConvolutionPlan(
        WinogradForward(t, tile, epilogue, shape.axes, lines, steps, p.pool, local),
        Loose.of(arguments),
        4 * (patch + points * p.ic),
        title=f"winograd F({t.outputs},{t.taps}) {tile}",
        packing=Packing(weights, Loose.of(packing), packed_bytes, title="transform weights", scales=True),
        apart=apart,
    )


def winograd_cost(
    problem: ConvolutionProblem, transform: Transform, target: Target, from_memory: bool = False
) -> float:
    """Predicted nanoseconds on one thread: products, transforms, and the weights, which are larger than direct
    convolution's."""
    return max(blocking(problem, transform, target, from_memory=from_memory).cost, problem.nbytes / BYTES_PER_NS)


def _rounded(value: int, to: int) -> int:
    return -(-value // to) * to
