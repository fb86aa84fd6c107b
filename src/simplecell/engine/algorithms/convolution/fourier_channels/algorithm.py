"""Convolution of signals with long kernels, to many channels, by Fourier transforms along the signal."""

from __future__ import annotations

from math import prod

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS, MEMORY_BYTES_PER_NS
from simplecell.engine.algorithms.convolution.fourier_channels.direct_sums import SignalDirect
from simplecell.engine.algorithms.convolution.fourier_channels.kernel import ConvolutionFourierChannels
from simplecell.engine.algorithms.convolution.fourier_channels.schedule import (
    MOST_BYTES,
    FourierChannelsSchedule,
    FourierChannelsWeightsSchedule,
    SignalDirectSchedule,
    blocking,
    taps_of,
    weights_bytes,
)
from simplecell.engine.algorithms.convolution.fourier_channels.weights import FourierChannelsWeights
from simplecell.engine.algorithms.convolution.fourier_sizes import ERROR, RADICES, WEIGHTS_NS
from simplecell.engine.algorithms.convolution.plan import Apart, ConvolutionPlan, Packing
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.fourier import roots_and_order, twiddles
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.planning.setting import Setting
from simplecell.precision import Precision

LEAST_TAPS = 5
"""rows that an output reads: with fewer it never pays"""


class FourierChannels(ConvolutionAlgorithm):
    """Fourier transforms along a signal, vectors along its channels."""

    name = "spectral"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        p, lanes = problem, setting.target.lanes
        if setting.precision == "exact":
            return "precision is exact"
        if p.groups != 1:
            return "groups"
        if max(p.src[:2]) > 1 or max(p.dst[:2]) > 1 or max(p.kernel[:2]) > 1:
            return "not a signal"
        if p.dilation[2] != 1:
            return "dilation"
        if p.oc < lanes:
            return f"fewer than {lanes} output channels"
        if not LEAST_TAPS <= taps_of(p) <= prod(RADICES[-1]):
            return "a short kernel, or one longer than the largest transform"
        if weights_bytes(p, min(size for size in map(prod, RADICES) if size >= taps_of(p)), lanes) > MOST_BYTES:
            return "too many weights"
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        cut = blocking(problem, setting.target)
        time = cut.cost
        if setting.weights_from_memory:  # the transformed ones are several times as many as the others
            time += weights_bytes(problem, cut.size, cut.vectors * setting.target.lanes) / MEMORY_BYTES_PER_NS
        return max(time, problem.nbytes / BYTES_PER_NS)

    def weights_cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        p, lanes = problem, setting.target.lanes
        return blocking(p, setting.target).size * p.kernel[2] * p.ic * ceil_div(p.oc, lanes) * WEIGHTS_NS

    def error(self, precision: Precision) -> float:
        return ERROR

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionFourierChannels]:
        p, target, local = problem, setting.target, setting.local
        cut = blocking(p, target)
        schedule = FourierChannelsSchedule.of(p, target, cut, setting.threads, local, dst_pixel)
        again = SignalDirectSchedule.of(p, schedule)
        return ConvolutionPlan(
            ConvolutionFourierChannels(cut.radices, cut.blocks, cut.vectors, epilogue, local),
            schedule,
            schedule.scratch_bytes(cut),
            {"twiddles": twiddles(cut.radices)},
            title=f"spectral {cut.size}",
            packing=Packing(
                FourierChannelsWeights(),
                FourierChannelsWeightsSchedule.of(p, target, cut),
                weights_bytes(p, cut.size, cut.vectors * target.lanes),
                dict(zip(("roots", "order"), roots_and_order(cut.radices))),
                title="transform weights",
            ),
            apart=Apart(
                SignalDirect(schedule.group, epilogue),
                again,
                marks=schedule.marks,
                scratch_bytes=again.scratch_bytes(schedule.group),
                raw=True,
            ),
        )
