"""How convolution by Fourier transforms along columns is cut into blocks, and what its kernels are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from simplecell.engine.algorithms.convolution.fourier_levels import RowLevels
from simplecell.engine.algorithms.convolution.fourier_rows.costs import row_ns
from simplecell.engine.algorithms.convolution.fourier_sizes import RADICES, odd_lines
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target

LEAST_VECTORS, MOST_VECTORS = 8, 24
"""of columns in a block of a picture: narrower ones read and write rows in pieces of a few lines, wider ones do not fit
L2"""
MOST_GAPS = 1.15
"""Taps along a row are added in two groups if they become no more than so many times as many."""


@dataclass(frozen=True)
class Rows:
    """The picture that is transformed: a signal (one row) is cut into rows."""

    rows: int
    """of outputs"""
    kh: int
    kw: int
    """taps along columns and rows"""

    @staticmethod
    def of(p: ConvolutionProblem, width: int) -> Rows:
        """width: values in a row that a signal is cut into."""
        if not is_signal(p):
            return Rows(p.dst[1], p.kernel[1], p.kernel[2])
        return Rows(ceil_div(p.dst[2], width), ceil_div(p.kernel[2], width), width)


def is_signal(p: ConvolutionProblem) -> bool:
    return p.kernel[1] == 1


def filled(kw: int, groups: int, target: Target) -> int:
    """Taps along a row, in full groups of a vector each if there are several."""
    return kw if groups == 1 else round_up(kw, groups * target.lanes)


@dataclass(frozen=True)
class Blocking:
    radices: tuple[int, ...]
    vectors: int
    """in a tile of sums"""
    together: int
    """output channels in a tile of sums"""
    tiles: int
    """of columns in a block"""
    groups: int
    """of taps"""
    cost: float
    """predicted nanoseconds on one thread"""

    @property
    def size(self) -> int:
        """rows of the transform"""
        return prod(self.radices)


@lru_cache(maxsize=4096)
def blocking(problem: ConvolutionProblem, target: Target) -> Blocking:
    """The cheapest transform and block, by trying them."""
    p, lanes = problem, target.lanes
    budget = 8 if target.registers >= 32 else 4  # complex accumulators
    together = max(c for c in range(1, budget // 2 + 1) if p.oc % c == 0)
    row_vectors, signal = ceil_div(p.dst[2], lanes), is_signal(p)
    best: Blocking | None = None
    for vectors in range(1, min(budget // together, row_vectors) + 1):
        cut = Rows.of(p, vectors * lanes)
        pays = together == 1 and p.dilation[2] == 1 and filled(cut.kw, 2, target) <= MOST_GAPS * cut.kw
        groups = 2 if pays else 1
        kw = filled(cut.kw, groups, target)
        for radices in RADICES:
            size = prod(radices)
            step = size - (cut.kh - 1) * p.dilation[1]
            if step <= 0:
                continue
            for tiles in (1,) if signal else range(1, MOST_VECTORS // vectors + 1):
                columns = tiles * vectors
                across = 1 if signal else ceil_div(row_vectors, columns)
                reach = ceil_div(columns * lanes + (kw - 1) * p.dilation[2], lanes)
                narrow = columns < min(LEAST_VECTORS, row_vectors) and not signal
                if narrow or reach * lanes > row_vectors * lanes + (kw - 1) * p.dilation[2] + vectors * lanes:
                    continue
                row = row_ns(p, target, radices, tiles * p.oc / together, columns, reach, kw, groups)
                cost = p.n * ceil_div(ceil_div(cut.rows, step) * across, 2) * size * row
                if best is None or cost < best.cost:
                    best = Blocking(radices, vectors, together, tiles, groups, cost)
    assert best is not None
    return best


@dataclass(frozen=True)
class FourierRowsSchedule(Schedule):
    n: int
    ih: int
    iw: int
    ic: int
    oh: int
    ow: int
    pad_h: int
    pad_w: int
    rows: int
    """of outputs in a picture: oh, or those that a signal is cut into"""
    step: int
    columns: int
    """output rows and columns in a block; columns are a multiple of a tile's"""
    down: int
    across: int
    """picture: 1, 0; signal: 0, its row's length"""
    kw: int
    dilation_w: int
    reach: int
    """input columns of a block, in full vectors"""
    pitch: int
    """values from one row of scratch to the next"""
    sums_in: int
    sums_out: int
    """where the inputs and outputs of one run of rows lie in scratch, in values"""
    cells: int
    """bytes of `apart` for a row of outputs"""
    local: RowLevels | None = None

    @staticmethod
    def of(p: ConvolutionProblem, target: Target, cut: Blocking, local: bool) -> FourierRowsSchedule:
        lanes, signal = target.lanes, is_signal(p)
        picture = Rows.of(p, cut.vectors * lanes)
        kw = filled(picture.kw, cut.groups, target)
        columns = cut.tiles * cut.vectors * lanes
        reach = round_up(columns + (kw - 1) * p.dilation[2], lanes)
        pitch = odd_lines(reach)
        row = 2 * pitch
        run = cut.radices[-1] * row
        sums_in = max(p.ic, p.oc) * cut.size * row
        sums_out = sums_in + p.ic * run
        levels = sums_out + cut.together * run
        return FourierRowsSchedule(
            p.n, *p.src[1:], p.ic, *p.dst[1:], *p.low[1:],
            rows=picture.rows, step=cut.size - (picture.kh - 1) * p.dilation[1], columns=columns,
            down=0 if signal else 1, across=picture.kw if signal else 0, kw=kw, dilation_w=p.dilation[2],
            reach=reach, pitch=pitch, sums_in=sums_in, sums_out=sums_out,
            cells=columns // lanes if signal else ceil_div(p.dst[2], lanes),
            local=RowLevels.along(levels, picture.kh, cut.size, picture.kw) if local else None,
        )  # fmt: skip

    def scratch_bytes(self, cut: Blocking) -> int:
        """of one thread"""
        values = self.sums_out + cut.together * cut.radices[-1] * 2 * self.pitch
        return 4 * (values + (self.local.values(cut.size, self.reach) if self.local is not None else 0))

    def marks(self, p: ConvolutionProblem) -> tuple[int, int]:
        """Bytes of `apart` for a row, and rows, as the problem has them: the rows of a signal follow each other without
        a gap."""
        return (self.rows * self.cells, p.n) if is_signal(p) else (self.cells, p.dst[1] * p.n)


@dataclass(frozen=True)
class FourierRowsWeightsSchedule(Schedule):
    values: int
    line: int
    """values in a row of taps"""
    run: int
    """values in a row of the transform"""
    dilation: int
    """input rows from one row of taps to the next"""
    size: int
    """rows of the transform"""

    @staticmethod
    def of(p: ConvolutionProblem, target: Target, cut: Blocking) -> FourierRowsWeightsSchedule:
        kw, pairs = Rows.of(p, cut.vectors * target.lanes).kw, p.ic * p.oc
        run = filled(kw, cut.groups, target) * pairs
        return FourierRowsWeightsSchedule(p.taps * pairs, kw * pairs, run, p.dilation[1], cut.size)

    @property
    def nbytes(self) -> int:
        """of the transformed weights"""
        return 8 * self.size * self.run
