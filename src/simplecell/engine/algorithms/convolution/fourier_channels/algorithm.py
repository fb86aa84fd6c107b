"""Planning convolution of signals by Fourier transforms, vectors along the channels: sizes, blocks, and what it
costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS, MEMORY_BYTES_PER_NS
from simplecell.engine.algorithms.convolution.fourier_channels.direct_sums import SignalDirect
from simplecell.engine.algorithms.convolution.fourier_channels.kernel import ConvolutionSpectral, SpectralWeights
from simplecell.engine.algorithms.convolution.fourier_levels import level_sizes
from simplecell.engine.algorithms.convolution.fourier_rows.algorithm import RADICES, WEIGHTS_NS, odd_lines
from simplecell.engine.algorithms.convolution.plan import Apart, ConvolutionPlan, Loose, Packing
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.fourier import roots_and_order, twiddles
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

LEAST_TAPS = 5
"""rows that an output reads: with fewer it never pays"""
MOST_BYTES = 64 * 2**20
"""of transformed weights"""
PASS_NS, COPY_NS, FAR_NS, FARTHER_NS, VALUE_NS = 2.4, 0.3, 4.2, 5.3, 0.9
"""Per row of the transform: for each vector, a pass, the way in and out, and what a column that leaves L1, or a block
that leaves L2, adds; for each value of a row of inputs and tile of products, besides the multiplications. Fitted to 590
timings of eleven layers cut at random, half within 10%."""
STREAM = 46.0
"""bytes of weights per nanosecond, where they do not stay in L2"""


class FourierChannels(ConvolutionAlgorithm):
    """Fourier transforms along a signal, vectors along its channels."""

    name = "spectral"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return refusal(problem, setting.target, setting.precision)

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return spectral_cost(problem, setting.target, setting.weights_from_memory)

    def weights_cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return spectral_weights_cost(problem, setting.target)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionSpectral]:
        return plan_spectral(problem, setting.target, epilogue, setting.threads, setting.local, dst_pixel)


def refusal(problem: ConvolutionProblem, target: Target, precision: str) -> str | None:
    """Why not, or None."""
    p = problem
    if precision == "exact":
        return "precision is exact"
    if p.groups != 1:
        return "groups"
    if max(p.src[:2]) > 1 or max(p.dst[:2]) > 1 or max(p.kernel[:2]) > 1:
        return "not a signal"
    if p.dilation[2] != 1:
        return "dilation"
    if p.oc < target.lanes:
        return f"fewer than {target.lanes} output channels"
    if not LEAST_TAPS <= _taps(p) <= prod(RADICES[-1]):
        return "a short kernel, or one longer than the largest transform"
    if _bytes(p, min(size for size in map(prod, RADICES) if size >= _taps(p)), 1, target) > MOST_BYTES:
        return "too many weights"
    return None


def _taps(p: ConvolutionProblem) -> int:
    return -(-p.kernel[2] // p.strides[2])


def _bytes(p: ConvolutionProblem, size: int, vectors: int, target: Target) -> int:
    """of the transformed weights"""
    width = vectors * target.lanes
    return 8 * size * p.strides[2] * p.ic * -(-p.oc // (2 * width)) * width


@dataclass(frozen=True)
class Blocking:
    radices: tuple[int, ...]
    blocks: int
    vectors: int
    cost: float


@lru_cache(maxsize=4096)
def blocking(problem: ConvolutionProblem, target: Target) -> Blocking:
    """The cheapest transform and tile, by trying them."""
    p, lanes = problem, target.lanes
    run, rows = p.strides[2] * p.ic, p.dst[2]
    inputs = -(-run // lanes)
    budget = 12 if target.registers >= 32 else 4  # complex accumulators
    best: Blocking | None = None
    for radices in RADICES:
        size = prod(radices)
        step = size - _taps(p) + 1
        if step <= 0:
            continue
        for vectors in (1, 2):
            outputs = -(-p.oc // (2 * lanes * vectors)) * vectors
            for blocks in range(1, budget // vectors + 1):
                weights, scratch = _bytes(p, size, vectors, target), 8 * size * blocks * (inputs + outputs) * lanes
                if weights > MOST_BYTES:
                    continue
                far = (FAR_NS if 8 * size * lanes > target.l1 else 0) + (FARTHER_NS if scratch > target.l2 else 0)
                passes = size * blocks * (inputs + outputs) * (len(radices) * PASS_NS + COPY_NS + far)
                products = (
                    8.0 * lanes * blocks * size * run * outputs / target.peak
                    + VALUE_NS * size * run * outputs / vectors
                )
                stream = 0.0 if weights + scratch <= target.l2 else weights / STREAM
                cost = p.n * -(-rows // (step * blocks)) * (passes + products + stream)
                if best is None or cost < best.cost:
                    best = Blocking(radices, blocks, vectors, cost)
    assert best is not None
    return best


def plan_spectral(
    problem: ConvolutionProblem,
    target: Target,
    epilogue: Epilogue,
    threads: int = 1,
    local: bool = False,
    dst_pixel: int = 0,
) -> ConvolutionPlan[ConvolutionSpectral]:
    """Kernel, arguments and sizes for a problem that `refusal` does not refuse. `threads` only moves the borders
    between parts.
    local: see algorithms/convolution/fourier_levels.py."""
    p, lanes = problem, target.lanes
    cut = blocking(p, target)
    kernel = ConvolutionSpectral(cut.radices, cut.blocks, cut.vectors, epilogue, local)
    run, size, width = p.strides[2] * p.ic, kernel.size, cut.vectors * lanes
    half = -(-p.oc // (2 * width)) * width
    step = size - _taps(p) + 1
    units = p.n * -(-p.dst[2] // (step * cut.blocks))
    pitch_in, pitch_out = odd_lines(-(-run // lanes) * lanes), odd_lines(half)
    sums_in = 2 * pitch_in * size * cut.blocks
    outputs = sums_in + 2 * pitch_in * cut.radices[-1] * cut.blocks
    sums_out = outputs + 2 * pitch_out * size * cut.blocks
    sizes = level_sizes(_taps(p), size, 1)
    group = sizes.pop("group")
    groups = -(-p.dst[2] // step) * -(-step // group)
    parts = 1 if units % threads == 0 or units > 8 * threads else min(threads, half // width)
    arguments = dict(
        n=p.n, length=p.src[2] * p.ic, pad=p.low[2] * p.ic, rows=p.dst[2], oc=p.oc, dst_pixel=dst_pixel or p.oc,
        run=run, step=step, parts=parts, half=half, pitch_in=pitch_in, pitch_out=pitch_out,
        sums_in=sums_in, outputs=outputs, sums_out=sums_out,
        group=group, groups=groups,
    )  # fmt: skip
    levels = sums_out + 2 * pitch_out * cut.radices[-1] * cut.blocks
    if local:
        arguments |= dict(levels=levels, **sizes)
    apart = Apart(
        SignalDirect(group, epilogue),
        Loose.of(dict(
            n=p.n, length=p.src[2], ic=p.ic, pad=p.low[2], stride=p.strides[2], rows=p.dst[2], oc=p.oc,
            dst_pixel=dst_pixel or p.oc, taps=p.kernel[2], step=step, groups=groups, copies=parts,
        )),
        marks=parts * p.n * groups,
        scratch_bytes=4 * (p.strides[2] * (group - 1) + p.kernel[2]) * p.ic,
        raw=True,
    )  # fmt: skip
    packing = dict(values=p.kernel[2] * p.ic, run=run, size=size, oc=p.oc, half=half, width=width)
    scratch = 4 * (levels + (cut.blocks * (size + 1) if local else 0))
    packed = _bytes(p, size, cut.vectors, target)
    return ConvolutionPlan(
        kernel,
        Loose.of(arguments),
        scratch,
        {"twiddles": twiddles(kernel.radices)},
        title=f"spectral {size}",
        packing=Packing(
            SpectralWeights(),
            Loose.of(packing),
            packed,
            dict(zip(("roots", "order"), roots_and_order(kernel.radices))),
            title="transform weights",
        ),
        apart=apart,
    )


def spectral_cost(problem: ConvolutionProblem, target: Target, from_memory: bool = False) -> float:
    """Predicted nanoseconds on one thread. from_memory: the transformed weights, several times the bytes of the others,
    come from there in each run."""
    cut = blocking(problem, target)
    weights = _bytes(problem, prod(cut.radices), cut.vectors, target)
    return max(cut.cost + (weights / MEMORY_BYTES_PER_NS if from_memory else 0.0), problem.nbytes / BYTES_PER_NS)


def spectral_weights_cost(problem: ConvolutionProblem, target: Target) -> float:
    """Predicted nanoseconds to transform the weights."""
    p, cut = problem, blocking(problem, target)
    return prod(cut.radices) * p.kernel[2] * p.ic * -(-p.oc // target.lanes) * WEIGHTS_NS
