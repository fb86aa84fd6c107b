"""Planning direct convolution: tile, blocks, parts and the arguments of its kernels."""

from __future__ import annotations

from math import gcd, lcm

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.direct.kernel import ConvolutionDirect
from simplecell.engine.algorithms.convolution.direct.weights import PackConvolutionWeights
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan, Loose, Packing
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.tile import LINE, Tile, best_tile, tiles
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

BYTES_PER_NS = 10.0
"""of one core from and to memory or a large shared cache: a guess that errs on the slow side (measured 8 to 14)"""


def peak(target: Target) -> float:
    return target.peak


def merged_groups(problem: ConvolutionProblem, lanes: int) -> int:
    """How many groups to treat as one, so that their output channels fill a vector."""
    oc = problem.oc // problem.groups
    if problem.groups == 1 or oc >= lanes:
        return 1
    return max(m for m in range(1, lanes // oc + 1) if problem.groups % m == 0)


class Direct(ConvolutionAlgorithm):
    """Sums of products, on the register tile. It refuses nothing."""

    name = "direct"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return direct_cost(problem, setting.target)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionDirect]:
        return plan_direct(problem, setting.target, epilogue, setting.threads, dst_pixel=dst_pixel)

    def refuses_pool(self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue | None) -> str | None:
        return direct_pool_refusal(problem, epilogue)


def plan_direct(
    problem: ConvolutionProblem,
    target: Target,
    epilogue: Epilogue,
    threads: int = 1,
    spread: bool = False,
    dst_pixel: int = 0,
) -> ConvolutionPlan[ConvolutionDirect]:
    """Kernel, arguments and sizes. `threads` only moves the borders between blocks, never a sum. The arguments of
    `spread` are the caller's. dst_pixel: see ConvolutionAlgorithm; 0: the output channels."""
    p, pool, lanes = problem.without_pool(), problem.pool, target.lanes
    (id_, ih, iw), (od, oh, ow), (kd, kh, kw) = p.src, p.dst, p.kernel
    (sd, sh, sw), (dd, dh, dw) = p.strides, p.dilation
    merged = merged_groups(p, lanes)
    groups = p.groups // merged
    group_ic, group_oc = p.ic // groups, p.oc // groups
    joining = joined_tile(p, target) if pool is None and not spread else None
    tile = joining or direct_tile(p, target)
    width = tile.vectors * lanes
    group_blocks = -(-group_oc // width)
    blocks, depth = groups * group_blocks, p.taps * group_ic
    packed_bytes = 4 * blocks * depth * width

    conflict = _conflict(p, tile, target)
    copy = p.padded or conflict
    pitch = p.ic + (lanes if copy and conflict else 0)
    small = packed_bytes <= target.l2 // 2
    rows, columns = _block(
        p, tile, pitch, 1 + epilogue.kinds.count("full") if small else 0, target.l2 // (4 if small else 2)
    )
    joined = joining is not None and columns >= ow  # blocks of whole rows
    units = p.n * od * -(-oh // rows) * -(-ow // columns)
    if small and not even(units, threads):  # smaller blocks, of one size if possible
        if oh > 1:
            rows = next(
                (r for r in range(min(rows, -(-oh // threads)), 0, -1) if even(p.n * od * -(-oh // r), threads)), 1
            )
        else:
            columns = _rounded(-(-ow // (threads * max(1, -(-ow // columns // threads)))), tile.pixels)
    if pool is not None:
        rows, columns = _rounded(rows, pool.size[1]), _rounded(columns, lcm(tile.pixels, pool.size[2]))
    units = p.n * od * -(-oh // rows) * -(-ow // columns)
    parts = 1 if even(units, threads) else min(blocks, threads)

    row, pixel = (((columns - 1) * sw + (kw - 1) * dw + 1) * pitch, pitch) if copy else (iw * p.ic, p.ic)
    plane = ((rows - 1) * sh + (kh - 1) * dh + 1) * row if copy else dd * ih * row
    whole_rows = dw == 1 and groups == 1 and pixel == p.ic
    arguments = dict(
        next_weights=0, n=p.n, od=od, oh=oh, ow=ow, oc=dst_pixel or p.oc, ic=p.ic, id=id_, ih=ih, iw=iw,
        stride_d=sd, stride_h=sh, stride_w=sw,
        taps0=kd, tap0=plane, taps1=kh, tap1=dh * row, taps2=1 if whole_rows else kw, tap2=dw * pixel,
        run=kw * p.ic if whole_rows else group_ic, pixel=sw * pixel, rows=rows, columns=columns, parts=parts,
        group_ic=group_ic, group_oc=group_oc, group_blocks=group_blocks, blocks=blocks,
    )  # fmt: skip
    if copy:
        arguments |= dict(
            pad_d=p.low[0], pad_h=p.low[1], pad_w=p.low[2], kd=kd, kh=kh, kw=kw,
            dilation_d=dd, dilation_h=dh, dilation_w=dw, pitch=pitch, row_stride=row, plane_stride=plane,
        )  # fmt: skip
    packing = dict(
        taps=p.taps,
        ic=p.ic // p.groups,
        oc=p.oc // p.groups,
        groups=p.groups,
        merged=merged,
        blocks=group_blocks,
        width=width,
    )
    scratch = _input_bytes(p, rows, columns, pitch) if copy else 0
    tap_bytes = 4 * group_ic * width
    # Weights of one tap that fit into L1, where those of a row of taps do not, are read from there by all tiles but the
    # first: 3% less time.
    by_taps = copy and joined and kd == 1 and tap_bytes <= target.l1 * 3 // 4 < kw * tap_bytes
    if by_taps:
        arguments |= dict(taps0=kh, tap0=dh * row, taps1=kw, tap1=dw * pixel, taps2=1, run=group_ic)
    partial = by_taps or (copy and kd * kh > 1 and 4 * depth * width > target.l2 // 4)
    if partial:
        arguments["sums"] = scratch // 4
        scratch += 4 * rows * columns * width
    passes = (
        -(-rows * ow // tile.pixels) if joined else rows * -(-columns // tile.pixels)
    )  # over a block of weights; meanwhile the next one is fetched
    steps = 1 if arguments["run"] % 2 else 2
    lines, arguments["ahead"] = fetch_ahead(tile, target, passes, steps)
    kernel = ConvolutionDirect(
        tile, epilogue, copy, lines=lines, steps=steps, partial=partial, spread=spread, joined=joined, pool=pool
    )
    weights = Packing(PackConvolutionWeights(), Loose.of(packing), packed_bytes, scales=True)
    return ConvolutionPlan(kernel, Loose.of(arguments), scratch, title=f"direct {tile}", packing=weights)


def direct_pool_refusal(problem: ConvolutionProblem, epilogue: Epilogue | None) -> str | None:
    """Why the problem's pool cannot be had with the convolution, or None."""
    pool = problem.pool
    assert pool is not None
    if pool.size[0] > 1:
        return "windows have several planes"
    if problem.taps == 1 and problem.strides == (1, 1, 1):
        return "pointwise, the rows of a map are one"
    if epilogue is not None and "full" in epilogue.kinds:
        return "the epilogue reads an array like the map"
    return None


def direct_tile(p: ConvolutionProblem, target: Target) -> Tile:
    """The register tile, by `best_tile` with corrections for what its inner loop does not show.

    Measured on whole layers, weights from memory as in a network, 32 registers of 16 lanes, two steps in a turn,
    GFLOP/s:

                                  14×2   9×3   7×3   6×4
        64→256, 3136 pixels        155   143   144   165
        256→64, 3136 pixels        167     -     -   174
        512→128, 784 pixels        177   155   159   182
        256→1024, 196 pixels       163   158   157   169
        384→64, 196 pixels         172     -     -   157
        384→96, 196 pixels         180   173   175     -
        24→144, 3136 pixels        137   159   159     -
        2048→512, 49 pixels        141   134   142   128

    6×4 has the fewest loads for each multiplication (0.42; 14×2: 0.57, which at a high clock is held back by its
    power), but reads
    most weights: many passes must share a block of them, and the first block, which nobody fetched, must be one of
        many.
    """
    merged = merged_groups(p, target.lanes)
    vectors, depth = -(-p.oc // p.groups * merged // target.lanes), p.taps * p.ic // p.groups * merged
    corrections: dict[Tile, float] = {}
    if target.registers >= 32:
        block = 4 * depth * _MOST_WEIGHTS.vectors * target.lanes
        shared = p.pixels >= 400 or (p.pixels >= 150 and vectors >= 4 * _MOST_WEIGHTS.vectors)
        corrections = {
            Tile(10, 2): 0.96,
            Tile(7, 3): 0.97,
            _MOST_WEIGHTS: 1.05 if shared and block <= target.l2 // 4 else 0.92,
        }
    for t in tiles(target):
        if not p.padded and _conflict(p, t, target):  # it would have to copy
            corrections[t] = 0.92 * corrections.get(t, 1.0)
    return best_tile(target, vectors, p.dst[2], corrections)


def joined_tile(p: ConvolutionProblem, target: Target) -> Tile | None:
    """The tile that goes on from row to row, where that saves more than 5% of the time: rows of 7 in tiles of 6 or 4
    pixels waste much.

    Measured with AVX2, 14×14 512→512 3×3 at stride 2 (49 pixels), ms: row by row in 4×3 2.45; joined 5×2 2.11, 6×2
    2.28, 4×3 2.30. With 32 registers 7×3, 14×2 and 9×3 leave little to save.
    """
    (_, height, width), vectors = p.dst, -(-p.oc // p.groups * merged_groups(p, target.lanes) // target.lanes)
    if target.registers >= 32 or height == 1:
        return None
    shares = tiles(target)

    def cost(tile: Tile, runs: int, pixels: int) -> float:
        return runs * -(-vectors // tile.vectors) * -(-pixels // tile.pixels) * tile.accumulators / shares[tile]

    fitting = [t for t in shares if 1 < t.pixels <= min(width, _JOINED_PIXELS)]
    best = min(fitting, key=lambda t: cost(t, 1, height * width), default=None)
    return best if best and cost(best, 1, height * width) < 0.95 * cost(direct_tile(p, target), height, width) else None


_JOINED_PIXELS = 6
"""Each but the first has its distance in one of 15 general registers."""

_MOST_WEIGHTS = Tile(6, 4)


def _conflict(p: ConvolutionProblem, tile: Tile, target: Target) -> bool:
    """Pixels a multiple of 4096 bytes apart fall into one set of L1, which has a line (a way) for so many, besides what
    streams through."""
    return tile.pixels * gcd(4 * p.strides[2] * p.ic, 4096) > 4096 * (target.l1 // 4096 - 2)


def _input_bytes(p: ConvolutionProblem, rows: int, columns: int, pitch: int) -> int:
    """of the inputs that a block of output rows and columns reads, pixels `pitch` values apart."""
    height, width = (
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip((rows, columns), p.strides[1:], p.kernel[1:], p.dilation[1:])
    )
    return 4 * p.kernel[0] * height * width * pitch


def _block(p: ConvolutionProblem, tile: Tile, pitch: int, outputs: int, budget: int) -> tuple[int, int]:
    """Rows and columns (whole tiles) of a block whose inputs and `outputs` arrays like dst take at most `budget` bytes:
    a block of output channels after the other reads the inputs, and fills in its part of each pixel's line of
    outputs."""

    def fits(rows: int, columns: int) -> bool:
        return _input_bytes(p, rows, columns, pitch) + 4 * rows * columns * p.oc * outputs <= budget

    columns, pieces, rows = _rounded(p.dst[2], tile.pixels), 1, p.dst[1]
    while not fits(1, columns) and columns > tile.pixels:
        pieces += 1
        columns = _rounded(-(-p.dst[2] // pieces), tile.pixels)
    while rows > 1 and not fits(rows, columns):
        rows = -(-rows // 2)
    return rows, columns


def fetch_ahead(tile: Tile, target: Target, passes: int, steps: int = 1) -> tuple[int, int]:
    """Cache lines, and values to move on, in each turn of `steps` steps, so that `passes` over one block of weights
    fetch the next block. In a network all weights come from memory; where they are in L2 already, one such instruction
    in a step costs up to 2% of the time."""
    step = -(-steps * tile.vectors * target.lanes // passes)
    return -(-step // LINE), step


def even(units: int, threads: int) -> bool:
    """Do the units divide among the threads with little waiting?"""
    return -(-units // threads) * threads <= 1.06 * units


def direct_cost(problem: ConvolutionProblem, target: Target) -> float:
    """Predicted nanoseconds on one thread: the multiplications that the tiles do, waste included, or the bytes that
    must move."""
    oc = problem.oc // problem.groups * merged_groups(problem, target.lanes)
    groups = problem.groups // merged_groups(problem, target.lanes)
    joined = joined_tile(problem.without_pool(), target) if problem.pool is None else None
    vectors, row = -(-oc // target.lanes), problem.dst[2]
    tile = joined or direct_tile(problem, target)
    runs, pixels = (1, row * problem.dst[1]) if joined else (problem.dst[1], row)
    done = runs * -(-pixels // tile.pixels) * tile.pixels * -(-vectors // tile.vectors) * tile.vectors * target.lanes
    flops = 2 * problem.taps * (problem.ic // groups) * done * groups * problem.n * problem.dst[0]
    return max(flops / (target.peak * tiles(target)[tile]), problem.nbytes / BYTES_PER_NS)


def _rounded(value: int, to: int) -> int:
    return -(-value // to) * to
