"""What a gradient for the input asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.sliding import Axis
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc


@dataclass(frozen=True)
class GradientSrcProblem:
    """A gradient of a convolution for its input (or a transposed convolution), of one to three spatial axes."""

    op: ConvolutionGradientSrc
    diff_dst: tuple[int, ...]
    """shape: n, spatial axes, oc"""
    weights: tuple[int, ...]
    """shape: taps, ic / groups, oc"""

    @property
    def rank(self) -> int:
        return len(self.op.src_spatial)

    @property
    def ic(self) -> int:
        """channels of the gradient"""
        return self.weights[-2] * self.op.groups

    @property
    def oc(self) -> int:
        """channels of diff_dst"""
        return self.diff_dst[-1]

    @property
    def axes(self) -> list[Axis]:
        """The forward convolution's window along three axes; missing ones come first."""
        op, extents = self.op, self.diff_dst[1:-1]
        return [Axis()] * (3 - self.rank) + [
            Axis(i, o, k, s, d, p[0])
            for i, o, k, s, d, p in zip(
                op.src_spatial, extents, self.weights[:-2], op.strides, op.dilation, op.padding, strict=True
            )
        ]

    # --- as one convolution ------------------------------------------------------------------------------------------

    @property
    def turned_shape(self) -> tuple[int, ...]:
        """of the weights turned round"""
        return *self.weights[:-2], self.oc // self.op.groups, self.ic

    @property
    def turned(self) -> Convolution:
        """Without strides: the convolution of diff_dst by the weights turned round. It is padded with what the kernel
        reaches over, less what the forward convolution was padded with, which may be more."""
        op = self.op
        reach = ((k - 1) * d for k, d in zip(self.weights[:-2], op.dilation))
        padding = tuple((r - low, r - high) for r, (low, high) in zip(reach, op.padding))
        return Convolution((1,) * self.rank, padding, op.dilation, op.groups)

    @cached_property
    def convolution(self) -> ConvolutionProblem | str:
        """The problem of that convolution, or why the gradient is none."""
        if max(self.op.strides) > 1:
            return "it has strides"
        if min(map(min, self.turned.padding)) < 0:
            return "the forward convolution was padded with more than the kernel reaches over"
        made = ConvolutionProblem.of(self.turned, self.diff_dst, self.turned_shape)
        assert made is not None
        return made

    def __str__(self) -> str:
        def extents(values: tuple[int, ...]) -> str:
            return "×".join(map(str, values))

        op = self.op
        words = [f"{extents(self.diff_dst[1:-1])} {self.oc}→{self.ic}", extents(self.weights[:-2])]
        words += [f"to {extents(op.src_spatial)}", f"stride {extents(op.strides)}", f"dilation {extents(op.dilation)}"]
        return ", ".join([*words, f"{op.groups} groups", f"batch {self.diff_dst[0]}"])
