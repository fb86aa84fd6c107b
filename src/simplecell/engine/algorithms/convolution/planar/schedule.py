"""How planar convolution is cut into tiles, and what its kernels are given."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target


@dataclass(frozen=True)
class PlanarTile:
    """What is kept in registers: `vectors` vectors of neighbouring pixels in each of `rows` neighbouring rows, all
    output channels of them."""

    vectors: int
    rows: int

    @staticmethod
    def of(problem: ConvolutionProblem, target: Target) -> PlanarTile:
        """Rows share inputs, which pays if the zeros between their weights are few; vectors fill the registers."""
        p, kh = problem, problem.kernel[1]
        budget = 24 if target.registers >= 32 else 9
        rows = 1
        if p.dilation[1] == 1:
            for r in (2, 4):
                if r <= p.dst[1] and r * p.oc <= budget // 3 and (kh + r - 1) / kh <= 1.4:
                    rows = r
        return PlanarTile(max(1, min(budget // (rows * p.oc), ceil_div(p.dst[2], target.lanes), 8)), rows)

    def read_rows(self, problem: ConvolutionProblem) -> int:
        """Rows of inputs that a tile reads, of one plane."""
        return problem.kernel[1] + self.rows - 1


@dataclass(frozen=True)
class PlanarSchedule(Schedule):
    """Extents of src (`i…`), dst (`o…`) and the kernel (`k…`), along depth, height and width."""

    n: int
    id: int
    ih: int
    iw: int
    ic: int
    od: int
    oh: int
    ow: int
    kd: int
    kh: int
    kw: int
    dilation_d: int
    dilation_h: int
    dilation_w: int
    pad_d: int
    pad_h: int
    pad_w: int
    segment: int
    """values in scratch of one row of a tile's inputs"""
    cells: int | None = None
    """bytes of marks for a row of outputs, where only marked tiles are computed"""

    @staticmethod
    def of(problem: ConvolutionProblem, tile: PlanarTile, lanes: int, cells: int | None = None) -> PlanarSchedule:
        p = problem
        segment = round_up(tile.vectors * lanes + (p.kernel[2] - 1) * p.dilation[2], lanes)
        return PlanarSchedule(p.n, *p.src, p.ic, *p.dst, *p.kernel, *p.dilation, *p.low, segment, cells)

    def scratch_bytes(self, tile: PlanarTile) -> int:
        """of the inputs of a tile"""
        return 4 * self.kd * (self.kh + tile.rows - 1) * self.ic * self.segment


@dataclass(frozen=True)
class PlanarWeightsSchedule(Schedule):
    """Extents of the weights."""

    kd: int
    kh: int
    kw: int
    ic: int
    oc: int
    rows: int
    """of a tile"""

    @staticmethod
    def of(problem: ConvolutionProblem, tile: PlanarTile) -> PlanarWeightsSchedule:
        return PlanarWeightsSchedule(*problem.kernel, problem.ic, problem.oc, tile.rows)

    @property
    def nbytes(self) -> int:
        """of the packed weights"""
        return 4 * self.kd * (self.kh + self.rows - 1) * self.ic * self.kw * self.rows * self.oc
