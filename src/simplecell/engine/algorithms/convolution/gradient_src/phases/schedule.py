"""The phases into which strides divide the pixels of a gradient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from simplecell.engine.algorithms.convolution.direct.schedule import Spread
from simplecell.engine.algorithms.convolution.gradient_src.problem import GradientSrcProblem
from simplecell.engine.algorithms.convolution.gradient_src.weights import Taps
from simplecell.engine.algorithms.convolution.phases import phases
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem, Three
from simplecell.engine.algorithms.sliding import Axis
from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class Zeros(Schedule):
    """How many pixels a phase has that no tap reaches."""

    images: int
    planes: int
    rows: int
    pixels: int
    channels: int


@dataclass(frozen=True)
class ZerosSchedule(Schedule):
    """All run-time arguments of the kernel for a phase that no tap reaches, but addresses."""

    zeros: Zeros
    spread: Spread


@dataclass(frozen=True)
class Phase:
    """Every `stride`-th pixel of the gradient, from `first` on along each axis: all of them meet the same taps."""

    first: Three
    windows: tuple[Axis, Axis, Axis]
    """over diff_dst, without strides"""
    taps: tuple[Taps, Taps, Taps]
    offset: int
    """values from the gradient's begin to the phase's first pixel"""
    spread: Spread

    @property
    def outputs(self) -> Three:
        return _three(w.outputs for w in self.windows)

    @property
    def reached(self) -> bool:
        """Does a tap lead to it?"""
        return min(w.taps for w in self.windows) > 0

    def problem(self, gradient: GradientSrcProblem) -> ConvolutionProblem:
        """The phase as a convolution of diff_dst, from its `oc` channels to the gradient's `ic`."""
        windows = self.windows
        high = _three(max(0, w.outputs + (w.taps - 1) * w.dilation - w.pad - w.size) for w in windows)
        return ConvolutionProblem(
            gradient.diff_dst[0], gradient.oc, gradient.ic, gradient.op.groups,
            src=_three(w.size for w in windows), dst=self.outputs, kernel=_three(w.taps for w in windows),
            strides=(1, 1, 1), dilation=_three(w.dilation for w in windows),
            low=_three(w.pad for w in windows), high=high,
        )  # fmt: skip

    def zeros(self, gradient: GradientSrcProblem) -> ZerosSchedule:
        """The arguments for a phase that no tap reaches."""
        return ZerosSchedule(Zeros(gradient.diff_dst[0], *self.outputs, gradient.ic), self.spread)


def phases_of(problem: GradientSrcProblem) -> list[Phase]:
    """All phases; those of the last axis follow one another."""
    axes, ic = problem.axes, problem.ic
    _, height, width = axes
    # values from one plane, row and pixel of the gradient to the next
    distances = (height.size * width.size * ic, width.size * ic, ic)
    image = axes[0].size * distances[0]
    found = []
    for members in product(*(phases(a) for a in axes)):
        first = _three(m[0] for m in members)
        d, h, w = ((window, Taps(window.taps, last, stride)) for _, window, last, stride in members)
        found.append(
            Phase(
                first,
                (d[0], h[0], w[0]),
                (d[1], h[1], w[1]),
                offset=sum(f * distance for f, distance in zip(first, distances)),
                spread=Spread(image, *(distance * a.stride for distance, a in zip(distances, axes))),
            )
        )
    return found


def _three(values: Iterable[int]) -> Three:
    a, b, c = values
    return a, b, c
