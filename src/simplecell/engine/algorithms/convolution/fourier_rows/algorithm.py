"""Convolution with large kernels and few channels, by Fourier transforms along the columns of a picture."""

from __future__ import annotations

from math import prod

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS
from simplecell.engine.algorithms.convolution.fourier_rows.kernel import ConvolutionFourierRows
from simplecell.engine.algorithms.convolution.fourier_rows.schedule import (
    FourierRowsSchedule,
    FourierRowsWeightsSchedule,
    Rows,
    blocking,
    is_signal,
)
from simplecell.engine.algorithms.convolution.fourier_rows.weights import FourierRowsWeights
from simplecell.engine.algorithms.convolution.fourier_sizes import ERROR, RADICES, WEIGHTS_NS
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan, Packing
from simplecell.engine.algorithms.convolution.planar.direct_sums import direct_sums
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.fourier import roots_and_order, twiddles
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.planning.setting import Setting
from simplecell.precision import Precision

MOST_CHANNELS = 8
"""of inputs and of outputs: more would fill the lanes of direct convolution"""
LEAST_TAPS = 5
"""along the columns: with fewer it never pays"""


class FourierRows(ConvolutionAlgorithm):
    """Fourier transforms down the columns of a picture, vectors along its rows, for few channels."""

    name = "fourier"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        p, lanes = problem, setting.target.lanes
        if setting.precision == "exact":
            return "precision is exact"
        if p.groups != 1:
            return "groups"
        if max(p.ic, p.oc) > MOST_CHANNELS:
            return f"more than {MOST_CHANNELS} channels"
        if p.strides != (1, 1, 1):
            return "strides"
        if p.src[0] != 1 or p.dst[0] != 1 or p.kernel[0] != 1:
            return "three dimensions"
        if is_signal(p):
            if p.dilation[2] != 1:
                return "a dilated signal"
            if p.src[1] != 1 or p.dst[1] != 1:
                return "rows of their own"
            if p.kernel[2] < 4 * lanes:
                return "a short kernel"
        elif p.kernel[1] < LEAST_TAPS:
            return "a flat kernel"
        if (Rows.of(p, lanes).kh - 1) * p.dilation[1] >= prod(RADICES[-1]):
            return "a kernel taller than the largest transform"
        if setting.local and p.dilation[1] != 1:
            return "precision is tight, and what lies between the kernel's rows may be much louder than what they see"
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return max(blocking(problem, setting.target).cost, problem.nbytes / BYTES_PER_NS)

    def weights_cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        p, target = problem, setting.target
        cut = blocking(p, target)
        taps = Rows.of(p, cut.vectors * target.lanes)
        return cut.size * taps.kh * ceil_div(taps.kw * p.ic * p.oc, target.lanes) * WEIGHTS_NS

    def error(self, precision: Precision) -> float:
        return ERROR

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionFourierRows]:
        p, target, local = problem, setting.target, setting.local
        cut = blocking(p, target)
        schedule = FourierRowsSchedule.of(p, target, cut, local)
        weights = FourierRowsWeightsSchedule.of(p, target, cut)
        cells, rows = schedule.marks(p)
        return ConvolutionPlan(
            ConvolutionFourierRows(
                cut.radices, cut.vectors, cut.together, p.oc, p.ic == 1, cut.groups, epilogue, local
            ),
            schedule,
            schedule.scratch_bytes(cut),
            {"twiddles": twiddles(cut.radices)},
            title=f"fourier {cut.size}",
            packing=Packing(
                FourierRowsWeights(),
                weights,
                weights.nbytes,
                dict(zip(("roots", "order"), roots_and_order(cut.radices))),
                title="transform weights",
            ),
            apart=direct_sums(p, target.lanes, epilogue, cells, rows),
        )
