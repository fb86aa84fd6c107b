"""Planning convolution on a matrix unit: blocks, the picture of them in scratch, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS
from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.matrix.kernel import ACROSS_ROWS, BLOCK, CHUNK, PLACES, ConvolutionMatrix
from simplecell.engine.algorithms.convolution.matrix.weights import MatrixWeights
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan, Loose, Packing
from simplecell.engine.algorithms.convolution.pool_stage import Pool
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.bfloat16 import PRODUCTS
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.matrix_unit import DEPTH, ROWS, TILE
from simplecell.engine.code.tile import LINE
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

PARTS = {"fast": 2, "tight": 3}
"""By precision: bfloat16 values for each float32."""

# Nanoseconds on one core at 2.9 GHz, measured.
MULTIPLY = {16: 6.8, 15: 6.5, 14: 6.2, 13: 5.9, 12: 5.6, 11: 5.3, 10: 5.0, 9: 4.75, 8: 4.45, 7: 4.15}
"""One instruction, by rows, as power allows on random numbers. (On zeros it is 5.45 of 16 rows: the clock falls with
the bits that change.)"""
CHUNK_NS = 80.0
"""to begin a chunk, and to wait for its last sums"""
STORE_NS, STORE_FAR_NS, STORE_HIDDEN = 3.0, 6.0, 0.5
"""a vector of sums through the epilogue to dst, which is near or far; as much as that share of the multiplications'
time is not seen"""
SPLIT_NS, SPLIT_FAR_NS = 6.0, 9.0
"""32 values, into two parts, where these stay in L1, and where not"""
FEWEST = 7
"""rows in a tile"""
MOST_POOLED = 4
"""columns of a window that is pooled: the kernel has a copy of the epilogue for each"""
POOLED_LEAST = 14
"""rows below which a tile takes no less time: its weights come from L2 as fast as they can (18×18 64→64: 12 chunks of
15 rows 47 µs, 18 of 10 rows 65)"""
POOL_NS = 0.02
"""a byte of a map that is read and pooled by a step of its own"""
UNIT_NS = 150.0
PART_BYTES = 320 * 1024
"""of weights that chunk after chunk reads from L2 while the next are fetched"""
WEIGHT_NS, L2_NS = 0.05, 0.02
"""a byte of weights from memory; what one from L2 costs, where inputs and outputs pass through it too"""


class Matrix(ConvolutionAlgorithm):
    """Products of bfloat16 parts on a matrix unit."""

    name = "matrix"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return refusal(problem, setting.target, setting.precision)

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return matrix_cost(problem, setting.target, setting.precision)

    def weights_cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return matrix_weights_cost(problem)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionMatrix]:
        return plan_matrix(problem, setting.target, epilogue, setting.precision, setting.threads, dst_pixel)

    def refuses_pool(self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue | None) -> str | None:
        return (
            pool_refusal(problem)
            or Direct().refuses_pool(problem, setting, epilogue)
            or pooling_costs(problem, setting.target, setting.precision)
        )


@dataclass(frozen=True)
class Blocks:
    """How the outputs are cut, and what one thread is predicted to take for it."""

    rows: int
    columns: int
    shares: int
    """of the output channels"""
    tile_rows: int
    per_row: int
    chunks: int
    cost: float


def refusal(problem: ConvolutionProblem, target: Target, precision: str) -> str | None:
    """Why not, if not."""
    if not target.matrix:
        return "no matrix unit"
    if precision not in PARTS:
        return f"precision is {precision}"
    if problem.groups > 1:
        return "it has groups"
    return None


def matrix_cost(problem: ConvolutionProblem, target: Target, precision: str) -> float:
    """Predicted nanoseconds on one thread."""
    return _blocks(_merged(problem), target, PARTS[precision], 1).cost


def matrix_weights_cost(problem: ConvolutionProblem) -> float:
    """of packing the weights."""
    return 4 * problem.taps * problem.ic * problem.oc / BYTES_PER_NS * 2


def plan_matrix(
    problem: ConvolutionProblem,
    target: Target,
    epilogue: Epilogue,
    precision: str,
    threads: int = 1,
    dst_pixel: int = 0,
) -> ConvolutionPlan[ConvolutionMatrix]:
    """Kernel, arguments, sizes and the table of offsets. `threads` only moves the borders between blocks."""
    parts, merged, pool = PARTS[precision], _merges(problem), problem.pool
    problem = problem.without_pool()
    p = _merged(problem)
    b = _blocks(p, target, parts, threads, pool)
    view = _View.of(p, b.rows, b.columns)
    (id_, ih, iw), (od, oh, ow) = problem.src, p.dst
    sh, sw = p.strides[1:]
    offsets = np.array(
        [
            view.plane * z
            + view.phase * (y % sh * view.phases[1] + x % sw)
            + view.pitch * (y // sh * view.across + x // sw)
            for z in range(p.kernel[0])
            for y in range(0, p.kernel[1] * p.dilation[1], p.dilation[1])
            for x in range(0, p.kernel[2] * p.dilation[2], p.dilation[2])
        ],
        np.int64,
    )
    deep = -(-p.ic // DEPTH)
    slabs = min(deep, max(1, PART_BYTES // (p.taps * 2 * parts * TILE)))
    slabs = -(-deep // -(-deep // slabs))
    packed = -(-p.oc // BLOCK) * p.taps * deep * 2 * parts * TILE
    units = p.n * od * -(-oh // b.rows) * -(-ow // b.columns)
    near = _near(p, target, parts) and units > 4  # only the first block finds its weights far away
    if near:
        ahead = -(
            -problem.strides[1]
            * problem.strides[2]
            * b.rows
            * b.columns
            * problem.ic
            // (b.chunks * p.taps * deep * -(-p.oc // BLOCK))
        )
    else:
        ahead = -(-2 * parts * TILE // 4 // b.chunks)
    lines = 1 << (-(-ahead // LINE) - 1).bit_length()
    sums = _rounded(
        parts * view.part + view.pitch * (view.across + CHUNK), 64
    )  # the last tiles read on behind the last pixel
    sums_chunk = 4 * BLOCK * CHUNK if slabs < deep else 0
    places = sums + 4 * BLOCK * CHUNK + sums_chunk * (b.chunks - 1)
    arguments = dict(
        next_weights=0, n=p.n, od=od, oh=oh, ow=ow, oc=dst_pixel or p.oc, channels=p.oc, id=id_, ih=ih, iw=iw,
        ic=problem.ic, stride_d=p.strides[0], stride_h=p.strides[1], stride_w=problem.strides[2],
        pad_d=p.low[0], pad_h=p.low[1], pad_w=problem.low[2],
        dilation_d=p.dilation[0], kd=p.kernel[0], reach_h=_reach(p, 1), reach_w=_reach(p, 2), phases_h=view.phases[0],
        phases_w=view.phases[1],
        taps=p.taps, rows=b.rows, columns=b.columns, shares=b.shares, tile_rows=b.tile_rows, per_row=b.per_row,
        across=view.across, pitch=view.pitch, phase=view.phase, plane=view.plane, part=view.part,
        slabs=slabs, sums=sums, sums_chunk=sums_chunk, places=places, ahead=ahead,
        finished=2 * -(-CHUNK // (slabs * p.taps * (pool.taps if pool is not None else 1))),
    )  # fmt: skip
    if merged:
        arguments["run"] = p.ic
    packing = dict(taps=p.taps, ic=p.ic, oc=p.oc)
    kernel = ConvolutionMatrix(parts, epilogue, merged, lines, near, pool)
    return ConvolutionPlan(
        kernel,
        Loose.of(arguments),
        places + 8 * (PLACES * b.chunks + 3),
        {"offsets": offsets},
        title=f"matrix bf16x{parts}",
        packing=Packing(MatrixWeights(parts), Loose.of(packing), packed, scales=True),
    )


def pool_refusal(problem: ConvolutionProblem) -> str | None:
    """Why the problem's pool is too large, or None."""
    pool = problem.pool
    assert pool is not None
    if pool.size[1] > 2 or pool.size[2] > MOST_POOLED:
        return f"windows are larger than 2×{MOST_POOLED}"
    return None


def pooling_costs(problem: ConvolutionProblem, target: Target, precision: str) -> str | None:
    """Does pooling take longer than it saves, since tiles end with their rows? Then the figures."""
    p = _merged(problem.without_pool())
    pooled, whole = (_blocks(p, target, PARTS[precision], 1, pool).cost for pool in (problem.pool, None))
    apart = whole + POOL_NS * 4 * p.pixels * p.oc
    return f"predicted µs: {pooled / 1e3:.0f}, apart {apart / 1e3:.0f}" if pooled > apart else None


def _merges(p: ConvolutionProblem) -> bool:
    """Is a row of taps one run of few values?"""
    return p.kernel[2] > 1 and p.dilation[2] == 1 and p.kernel[2] * p.ic <= DEPTH


def _merged(p: ConvolutionProblem) -> ConvolutionProblem:
    """With the rows of taps taken as one tap, of an input that holds for each output what the row reads."""
    if not _merges(p):
        return p
    (kd, kh, kw), (sd, sh, _), (dd, dh, _) = p.kernel, p.strides, p.dilation
    return replace(
        p, ic=kw * p.ic, src=(*p.src[:2], p.dst[2]), kernel=(kd, kh, 1), strides=(sd, sh, 1), dilation=(dd, dh, 1),
        low=(*p.low[:2], 0), high=(*p.high[:2], 0),
    )  # fmt: skip


@dataclass(frozen=True)
class _View:
    """The parts of a block's inputs in scratch: pixels in a row; bytes from one pixel, phase, plane, part to the
    next."""

    phases: tuple[int, int]
    across: int
    pitch: int
    phase: int
    plane: int
    part: int

    @staticmethod
    def of(p: ConvolutionProblem, rows: int, columns: int) -> _View:
        phases = tuple(min(p.strides[a], _reach(p, a) + 1) for a in (1, 2))
        across = columns + _reach(p, 2) // p.strides[2]
        pitch = 2 * DEPTH * -(-p.ic // DEPTH)
        if (
            pitch % 128 == 0
        ):  # an odd number of lines, lest the pixels of a tile fall into few sets of L1 (up to 15% of the time)
            pitch += 64
        phase = pitch * across * (rows + _reach(p, 1) // p.strides[1])
        plane = phase * phases[0] * phases[1]
        return _View((phases[0], phases[1]), across, pitch, phase, plane, plane * p.kernel[0])


def _near(p: ConvolutionProblem, target: Target, parts: int) -> bool:
    """Do all weights stay in L2, and leave most of it to others?"""
    return -(-p.oc // BLOCK) * p.taps * -(-p.ic // DEPTH) * 2 * parts * TILE <= target.l2 // 4


def _reach(p: ConvolutionProblem, axis: int) -> int:
    """Inputs from the first tap to the last."""
    return (p.kernel[axis] - 1) * p.dilation[axis]


def _tiles(view: _View, rows: int, columns: int, pool: Pool | None) -> tuple[tuple[int, int, int], float]:
    """(chunks, pixels in a tile, tiles in a row), and nanoseconds of a multiplication: tiles across the ends of rows,
    or rows of equal tiles."""
    flat = (rows - 1) * view.across + columns
    chunks = -(-flat // CHUNK)
    tile_rows = max(FEWEST, -(-flat // (2 * chunks)))
    per_row = -(-columns // ROWS)
    by_row = max(FEWEST, -(-columns // per_row))
    if pool is not None:
        per_row = -(-columns // (ROWS // pool.size[2] * pool.size[2]))
        by_row = max(_rounded(FEWEST, pool.size[2]), _rounded(-(-columns // per_row), pool.size[2]))
        return (rows // 2 * per_row if pool.size[1] == 2 else -(-rows * per_row // 2), by_row, per_row), MULTIPLY[
            max(by_row, POOLED_LEAST)
        ]
    found = [
        ((chunks, tile_rows, ACROSS_ROWS), MULTIPLY[tile_rows]),
        ((-(-rows * per_row // 2), by_row, per_row), MULTIPLY[by_row]),
    ]
    return min(found, key=lambda f: f[0][0] * f[1])


_PIECES = (*range(1, 17), *(round(20 * 1.25**i) for i in range(50)))
"""Numbers of blocks of rows, or of a row, that are tried."""


@lru_cache(maxsize=4096)
def _blocks(p: ConvolutionProblem, target: Target, parts: int, threads: int, pool: Pool | None = None) -> Blocks:
    """The cheapest cut whose picture in scratch leaves half of L2 to weights and outputs."""
    _, height, width = p.dst
    shapes = [(-(-height // n), width) for n in _PIECES if n <= height]
    shapes += [(1, -(-width // n)) for n in _PIECES if n * CHUNK <= width] + [
        (1, min(n * CHUNK, width)) for n in (2, 1)
    ]
    room = target.l2 // (4 if _near(p, target, parts) else 2)
    if pool is not None:
        shapes = [(_rounded(rows, pool.size[1]), _rounded(columns, pool.size[2])) for rows, columns in shapes]
    fitting = [s for s in shapes if parts * _View.of(p, *s).part <= room] or shapes[-1:]
    cuts = [
        _cut(p, target, parts, threads, *shape, shares, pool) for shape in fitting for shares in sorted({1, threads})
    ]
    return min(cuts, key=lambda cut: cut.cost)


def _cut(
    p: ConvolutionProblem,
    target: Target,
    parts: int,
    threads: int,
    rows: int,
    columns: int,
    shares: int,
    pool: Pool | None,
) -> Blocks:
    view = _View.of(p, rows, columns)
    deep, across = -(-p.ic // DEPTH), -(-p.oc // BLOCK)
    (chunks, tile_rows, per_row), multiply = _tiles(view, rows, columns, pool)
    store = STORE_NS if 4 * rows * columns * p.oc <= target.l2 // 4 else STORE_FAR_NS
    products = chunks * deep * p.taps * 4 * len(PRODUCTS[parts]) * multiply
    block = products + chunks * CHUNK_NS + max(2 * rows * columns * store - STORE_HIDDEN * products, 0)
    weights = p.taps * deep * 2 * parts * TILE  # of a block
    if across * weights > target.l2 // 2:
        block = max(block, weights * WEIGHT_NS)
    elif across * weights > target.l2 // 4:
        block += weights * L2_NS
    inputs = (
        view.part // view.pitch * deep * (SPLIT_NS if parts * view.part < target.l1 else SPLIT_FAR_NS) * (parts - 1)
    )
    units = p.n * p.dst[0] * -(-p.dst[1] // rows) * -(-p.dst[2] // columns)
    own = -(-units * shares // threads)
    return Blocks(
        rows, columns, shares, tile_rows, per_row, chunks, own * (UNIT_NS + inputs + -(-across // shares) * block)
    )


def _rounded(value: int, to: int) -> int:
    return -(-value // to) * to
