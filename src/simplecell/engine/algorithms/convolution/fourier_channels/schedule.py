"""How convolution of signals by Fourier transforms is cut into blocks, and what its kernels are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from simplecell.engine.algorithms.convolution.fourier_channels.costs import blocks_ns
from simplecell.engine.algorithms.convolution.fourier_levels import Levels, group_of
from simplecell.engine.algorithms.convolution.fourier_sizes import RADICES, odd_lines
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target

MOST_BYTES = 64 * 2**20
"""of transformed weights"""


def taps_of(p: ConvolutionProblem) -> int:
    """Rows of `stride` pixels that an output reads."""
    return ceil_div(p.kernel[2], p.strides[2])


def half_of(p: ConvolutionProblem, width: int) -> int:
    """Output channels in the real part, in full tiles of `width`."""
    return round_up(ceil_div(p.oc, 2), width)


def weights_bytes(p: ConvolutionProblem, size: int, width: int) -> int:
    """of the transformed weights"""
    return 8 * size * p.strides[2] * p.ic * half_of(p, width)


@dataclass(frozen=True)
class Blocking:
    radices: tuple[int, ...]
    blocks: int
    """transformed together"""
    vectors: int
    """of output channels in a tile of products"""
    cost: float
    """predicted nanoseconds on one thread"""

    @property
    def size(self) -> int:
        """rows of the transform"""
        return prod(self.radices)


@lru_cache(maxsize=4096)
def blocking(problem: ConvolutionProblem, target: Target) -> Blocking:
    """The cheapest transform and tile, by trying them."""
    p, lanes = problem, target.lanes
    budget = 12 if target.registers >= 32 else 4  # complex accumulators
    best: Blocking | None = None
    for radices in RADICES:
        size = prod(radices)
        step = size - taps_of(p) + 1
        if step <= 0:
            continue
        for vectors in (1, 2):
            outputs = half_of(p, lanes * vectors) // lanes
            weights = weights_bytes(p, size, lanes * vectors)
            if weights > MOST_BYTES:
                continue
            for blocks in range(1, budget // vectors + 1):
                each = blocks_ns(p, target, radices, blocks, vectors, outputs, weights)
                cost = p.n * ceil_div(p.dst[2], step * blocks) * each
                if best is None or cost < best.cost:
                    best = Blocking(radices, blocks, vectors, cost)
    assert best is not None
    return best


@dataclass(frozen=True)
class FourierChannelsSchedule(Schedule):
    n: int
    length: int
    pad: int
    """values of a signal, and before it"""
    rows: int
    """outputs of a signal"""
    oc: int
    dst_pixel: int
    """values from one output to the next"""
    run: int
    """values in a row of inputs"""
    step: int
    """outputs of a block"""
    parts: int
    """of the output channels, which threads share"""
    half: int
    """output channels in the real part, full tiles"""
    pitch_in: int
    pitch_out: int
    """from real to imaginary parts; rows lie twice as far apart"""
    sums_in: int
    outputs: int
    sums_out: int
    """where in scratch, in values: inputs and outputs of one run of rows, and all outputs between them"""
    group: int
    """rows that are marked together"""
    groups: int
    """in a signal"""
    local: Levels | None = None

    @staticmethod
    def of(
        p: ConvolutionProblem, target: Target, cut: Blocking, threads: int, local: bool, dst_pixel: int
    ) -> FourierChannelsSchedule:
        """`threads` only moves the borders between parts."""
        lanes, size, taps = target.lanes, cut.size, taps_of(p)
        run, width = p.strides[2] * p.ic, cut.vectors * lanes
        half, step, group = half_of(p, width), size - taps + 1, group_of(taps)
        units = p.n * ceil_div(p.dst[2], step * cut.blocks)
        pitch_in, pitch_out = odd_lines(round_up(run, lanes)), odd_lines(half)
        sums_in = 2 * pitch_in * size * cut.blocks
        outputs = sums_in + 2 * pitch_in * cut.radices[-1] * cut.blocks
        sums_out = outputs + 2 * pitch_out * size * cut.blocks
        levels = sums_out + 2 * pitch_out * cut.radices[-1] * cut.blocks
        return FourierChannelsSchedule(
            n=p.n, length=p.src[2] * p.ic, pad=p.low[2] * p.ic, rows=p.dst[2], oc=p.oc, dst_pixel=dst_pixel,
            run=run, step=step, half=half, pitch_in=pitch_in, pitch_out=pitch_out,
            parts=1 if units % threads == 0 or units > 8 * threads else min(threads, half // width),
            sums_in=sums_in, outputs=outputs, sums_out=sums_out,
            group=group, groups=ceil_div(p.dst[2], step) * ceil_div(step, group),
            local=Levels.of(levels, taps, size, 1) if local else None,
        )  # fmt: skip

    def scratch_bytes(self, cut: Blocking) -> int:
        """of one thread"""
        values = self.sums_out + 2 * self.pitch_out * cut.radices[-1] * cut.blocks
        return 4 * (values + (cut.blocks * (cut.size + 1) if self.local is not None else 0))

    @property
    def marks(self) -> int:
        """bytes of `apart`"""
        return self.parts * self.n * self.groups


@dataclass(frozen=True)
class FourierChannelsWeightsSchedule(Schedule):
    values: int
    """of each output channel's kernel"""
    run: int
    """values in a row"""
    size: int
    """rows of the transform"""
    oc: int
    half: int
    """output channels in the real part"""
    width: int
    """output channels in a tile"""

    @staticmethod
    def of(p: ConvolutionProblem, target: Target, cut: Blocking) -> FourierChannelsWeightsSchedule:
        width = cut.vectors * target.lanes
        return FourierChannelsWeightsSchedule(
            p.kernel[2] * p.ic, p.strides[2] * p.ic, cut.size, p.oc, half_of(p, width), width
        )


@dataclass(frozen=True)
class SignalDirectSchedule(Schedule):
    n: int
    length: int
    """of a signal, in pixels"""
    ic: int
    pad: int
    stride: int
    rows: int
    """outputs of a signal"""
    oc: int
    dst_pixel: int
    """values from one output to the next"""
    taps: int
    step: int
    """outputs in a block"""
    groups: int
    """in a signal"""
    copies: int
    """how often they are marked"""

    @staticmethod
    def of(p: ConvolutionProblem, transform: FourierChannelsSchedule) -> SignalDirectSchedule:
        """For the outputs that a kernel of this schedule has marked."""
        t = transform
        return SignalDirectSchedule(
            p.n, p.src[2], p.ic, p.low[2], p.strides[2], t.rows, t.oc, t.dst_pixel, p.kernel[2], t.step, t.groups,
            copies=t.parts,
        )  # fmt: skip

    def scratch_bytes(self, together: int) -> int:
        """of the inputs of `together` outputs"""
        return 4 * (self.stride * (together - 1) + self.taps) * self.ic
