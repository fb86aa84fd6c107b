"""Planning convolution by Fourier transforms: the size of the transform, the block, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS
from simplecell.engine.algorithms.convolution.fourier_levels import level_sizes
from simplecell.engine.algorithms.convolution.fourier_rows.kernel import ConvolutionFourier
from simplecell.engine.algorithms.convolution.fourier_rows.weights import FourierWeights
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan, Loose, Packing
from simplecell.engine.algorithms.convolution.planar.algorithm import plan_marked
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.fourier import roots_and_order, twiddles
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

MOST_CHANNELS = 8
"""of inputs and of outputs: more would fill the lanes of direct convolution"""
LEAST_TAPS = 5
"""along the columns: with fewer it never pays"""
RADICES = ((4, 8), (8, 8), (4, 4, 8), (4, 8, 8), (8, 8, 8), (4, 4, 8, 8), (4, 8, 8, 8))
"""Butterflies of eight fill 32 registers with their factors. The last pass, with the sums along the row, wants to be
one of eight: its rows of inputs and outputs fit L1."""
LEAST_VECTORS, MOST_VECTORS = 8, 24
"""of columns in a block of a picture: narrower ones read and write rows in pieces of a few lines, wider ones do not fit
L2"""

PASS_NS, COPY_NS, ROW_NS, TILE_NS, TAP_NS, FAR_NS, FARTHER_NS = 2.8, 5.0, 1.7, 2.5, 0.15, 1.1, 4.1
"""Per row of the transform: for each vector, a pass, the copy between picture and scratch, and what a column that
leaves L1, or a block that leaves L2, adds; for each row of a channel; for each tile of sums, and each tap of it. Fitted
to 650 timings of blocks of all kinds, half of them within 10%."""
WEIGHTS_NS = 3.0
"""of the weights' transform, for each frequency, tap and vector of values in float64"""
SHARE, GROUPS_SHARE = 0.75, 0.85
"""of the multipliers' peak, in the sums along the row, without and with groups of taps"""


class FourierRows(ConvolutionAlgorithm):
    """Fourier transforms down the columns of a picture, vectors along its rows, for few channels."""

    name = "fourier"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return refusal(problem, setting.target, setting.precision)

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return fourier_cost(problem, setting.target)

    def weights_cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return fourier_weights_cost(problem, setting.target)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionFourier]:
        return plan_fourier(problem, setting.target, epilogue, setting.local)


def refusal(problem: ConvolutionProblem, target: Target, precision: str) -> str | None:
    """Why not, or None."""
    p = problem
    if precision == "exact":
        return "precision is exact"
    if p.groups != 1:
        return "groups"
    if max(p.ic, p.oc) > MOST_CHANNELS:
        return f"more than {MOST_CHANNELS} channels"
    if p.strides != (1, 1, 1):
        return "strides"
    if p.src[0] != 1 or p.dst[0] != 1 or p.kernel[0] != 1:
        return "three dimensions"
    if _signal(p):
        if p.dilation[2] != 1:
            return "a dilated signal"
        if p.src[1] != 1 or p.dst[1] != 1:
            return "rows of their own"
        if p.kernel[2] < 4 * target.lanes:
            return "a short kernel"
    elif p.kernel[1] < LEAST_TAPS:
        return "a flat kernel"
    if (_rows_and_taps(p, target, 1)[1] - 1) * p.dilation[1] >= prod(RADICES[-1]):
        return "a kernel taller than the largest transform"
    if precision == "tight" and p.dilation[1] != 1:
        return "precision is tight, and what lies between the kernel's rows may be much louder than what they see"
    return None


def _signal(p: ConvolutionProblem) -> bool:
    return p.kernel[1] == 1


def _rows_and_taps(p: ConvolutionProblem, target: Target, vectors: int) -> tuple[int, int, int]:
    """Output rows, and taps along columns and rows; of a signal, as cut into rows of `vectors` vectors."""
    if not _signal(p):
        return p.dst[1], p.kernel[1], p.kernel[2]
    width = vectors * target.lanes
    return -(-p.dst[2] // width), -(-p.kernel[2] // width), width


def _groups(kw: int, together: int, p: ConvolutionProblem, target: Target) -> int:
    """Two groups of taps if they leave few gaps and the registers hold their weights."""
    return 2 if together == 1 and p.dilation[2] == 1 and _padded(kw, 2, target) <= 1.15 * kw else 1


def _padded(kw: int, groups: int, target: Target) -> int:
    """Taps along a row, in whole groups of a vector each if there are several."""
    return kw if groups == 1 else -(-kw // (groups * target.lanes)) * groups * target.lanes


@dataclass(frozen=True)
class Blocking:
    radices: tuple[int, ...]
    vectors: int
    together: int
    tiles: int
    """of columns in a block"""
    groups: int
    """of taps"""
    cost: float


@lru_cache(maxsize=4096)
def blocking(problem: ConvolutionProblem, target: Target) -> Blocking:
    """The cheapest transform and block, by trying them."""
    p, lanes = problem, target.lanes
    budget = 8 if target.registers >= 32 else 4  # complex accumulators
    together = max(c for c in range(1, budget // 2 + 1) if p.oc % c == 0)
    row_vectors = -(-p.dst[2] // lanes)
    best: Blocking | None = None
    for vectors in range(1, min(budget // together, row_vectors) + 1):
        rows, kh, kw = _rows_and_taps(p, target, vectors)
        groups = _groups(kw, together, p, target)
        kw, share = _padded(kw, groups, target), SHARE if groups == 1 else GROUPS_SHARE
        for radices in RADICES:
            size = prod(radices)
            step = size - (kh - 1) * p.dilation[1]
            if step <= 0:
                continue
            for tiles in (1,) if _signal(p) else range(1, MOST_VECTORS // vectors + 1):
                columns = tiles * vectors
                across = 1 if _signal(p) else -(-row_vectors // columns)
                reach = -(-(columns * lanes + (kw - 1) * p.dilation[2]) // lanes)
                narrow = columns < min(LEAST_VECTORS, row_vectors) and not _signal(p)
                if narrow or reach * lanes > row_vectors * lanes + (kw - 1) * p.dilation[2] + vectors * lanes:
                    continue
                values = p.ic * reach + p.oc * columns  # vectors that go in and out
                passes = values * (len(radices) * PASS_NS + COPY_NS) + p.ic * ROW_NS
                if 8 * size * lanes > target.l1:
                    passes += values * FAR_NS
                if 8 * max(p.ic, p.oc) * size * reach * lanes > target.l2:
                    passes += values * FARTHER_NS
                sums = 8.0 * lanes * kw * p.ic * p.oc * columns / (target.peak * share)
                starts = tiles * p.oc / together * (TILE_NS + TAP_NS * kw * p.ic)
                cost = p.n * -(-(-(-rows // step) * across) // 2) * size * (passes + sums + starts)
                if best is None or cost < best.cost:
                    best = Blocking(radices, vectors, together, tiles, groups, cost)
    assert best is not None
    return best


def plan_fourier(
    problem: ConvolutionProblem, target: Target, epilogue: Epilogue, local: bool = False
) -> ConvolutionPlan[ConvolutionFourier]:
    """Kernel, arguments and sizes for a problem that `refusal` does not refuse. local: see
    algorithms/convolution/fourier_levels.py."""
    p, lanes = problem, target.lanes
    cut = blocking(p, target)
    rows, kh, line = _rows_and_taps(p, target, cut.vectors)
    kw = _padded(line, cut.groups, target)
    kernel = ConvolutionFourier(cut.radices, cut.vectors, cut.together, p.oc, p.ic == 1, cut.groups, epilogue, local)
    columns = cut.tiles * cut.vectors * lanes
    reach = -(-(columns + (kw - 1) * p.dilation[2]) // lanes) * lanes
    pitch = odd_lines(reach)
    row = 2 * pitch
    run = cut.radices[-1]
    sums_in = max(p.ic, p.oc) * kernel.size * row
    sums_out = sums_in + p.ic * run * row
    down, across = (0, line) if _signal(p) else (1, 0)
    # marks: bytes for a row of outputs; a signal's rows follow each other without a gap
    cells = columns // lanes if _signal(p) else -(-p.dst[2] // lanes)
    levels = sums_out + cut.together * run * row
    arguments = dict(
        n=p.n, ih=p.src[1], iw=p.src[2], ic=p.ic, oh=p.dst[1], ow=p.dst[2], pad_h=p.low[1], pad_w=p.low[2], rows=rows,
        step=kernel.size - (kh - 1) * p.dilation[1], columns=columns, down=down, across=across, kw=kw,
        dilation_w=p.dilation[2],
        reach=reach, pitch=pitch, sums_in=sums_in, sums_out=sums_out, cells=cells,
    )  # fmt: skip
    scratch = levels
    if local:
        sizes = level_sizes(kh, kernel.size, 2)
        arguments |= dict(levels=levels, window=line, **sizes)
        scratch += (2 * kernel.size // sizes["group"] + 1) * reach
    line_cells, lines = (rows * cells, p.n) if _signal(p) else (cells, p.dst[1] * p.n)
    apart = plan_marked(p, target, epilogue, line_cells, lines)
    values = p.kernel[1] * p.kernel[2] * p.ic * p.oc
    weights_run = kw * p.ic * p.oc
    packing = dict(values=values, line=line * p.ic * p.oc, run=weights_run, dilation=p.dilation[1], size=kernel.size)
    return ConvolutionPlan(
        kernel,
        Loose.of(arguments),
        4 * scratch,
        {"twiddles": twiddles(kernel.radices)},
        title=f"fourier {kernel.size}",
        packing=Packing(
            FourierWeights(),
            Loose.of(packing),
            8 * kernel.size * weights_run,
            dict(zip(("roots", "order"), roots_and_order(kernel.radices))),
            title="transform weights",
        ),
        apart=apart,
    )


def odd_lines(values: int) -> int:
    """At least so many values, an odd number of cache lines: rows then spread over the sets of a cache."""
    lines = -(-values // 16)
    return 16 * (lines + 1 - lines % 2)


def fourier_cost(problem: ConvolutionProblem, target: Target) -> float:
    """Predicted nanoseconds on one thread."""
    return max(blocking(problem, target).cost, problem.nbytes / BYTES_PER_NS)


def fourier_weights_cost(problem: ConvolutionProblem, target: Target) -> float:
    """Predicted nanoseconds to transform the weights."""
    p, cut = problem, blocking(problem, target)
    _, kh, kw = _rows_and_taps(p, target, cut.vectors)
    return prod(cut.radices) * kh * -(-kw * p.ic * p.oc // target.lanes) * WEIGHTS_NS
