"""Planning planar convolution: the tile, and what it costs."""

from __future__ import annotations

from typing import Any

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS
from simplecell.engine.algorithms.convolution.plan import Apart, ConvolutionPlan, Loose, Packing
from simplecell.engine.algorithms.convolution.planar.kernel import ConvolutionPlanar, PackPlanarWeights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target

MOST_CHANNELS = 8
SHARE = 0.6
"""of the multipliers' peak: input vectors are unaligned, and rarely used more often than a few times"""


class Planar(ConvolutionAlgorithm):
    """Vectors along a row of pixels, for few channels."""

    name = "planar"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return refusal(problem, setting.target)

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return planar_cost(problem, setting.target)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionPlanar]:
        return plan_planar(problem, setting.target, epilogue)


def refusal(problem: ConvolutionProblem, target: Target) -> str | None:
    p = problem
    if p.groups != 1:
        return "groups"
    if p.oc > min(MOST_CHANNELS, target.lanes // 2):
        return f"more than {min(MOST_CHANNELS, target.lanes // 2)} output channels"
    if p.strides != (1, 1, 1):
        return "strides"
    if p.ic > 8:
        return "more than 8 input channels, which would have to be taken apart"
    if p.dst[2] < 2 * target.lanes:
        return "rows of less than two vectors"
    return None


def tile(problem: ConvolutionProblem, target: Target) -> tuple[int, int]:
    """(vectors, rows): rows share inputs, which pays if the zeros between their weights are few; vectors fill the
    registers."""
    p = problem
    budget = 24 if target.registers >= 32 else 9
    kh = p.kernel[1]
    rows = 1
    if p.dilation[1] == 1:
        for r in (2, 4):
            if r <= p.dst[1] and r * p.oc <= budget // 3 and (kh + r - 1) / kh <= 1.4:
                rows = r
    vectors = max(1, min(budget // (rows * p.oc), -(-p.dst[2] // target.lanes), 8))
    return vectors, rows


def plan_planar(problem: ConvolutionProblem, target: Target, epilogue: Epilogue) -> ConvolutionPlan[ConvolutionPlanar]:
    """Kernel, arguments and sizes."""
    p = problem
    vectors, rows = tile(p, target)
    (kd, kh, kw), (dd, dh, dw) = p.kernel, p.dilation
    segment = -(-(vectors * target.lanes + (kw - 1) * dw) // target.lanes) * target.lanes
    read = kh + rows - 1
    arguments = dict(
        n=p.n, id=p.src[0], ih=p.src[1], iw=p.src[2], ic=p.ic, od=p.dst[0], oh=p.dst[1], ow=p.dst[2], kd=kd, kh=kh,
        kw=kw,
        dilation_d=dd, dilation_h=dh, dilation_w=dw, pad_d=p.low[0], pad_h=p.low[1], pad_w=p.low[2], segment=segment,
    )  # fmt: skip
    packing: dict[str, Any] = dict(kd=kd, kh=kh, kw=kw, ic=p.ic, oc=p.oc, rows=rows)
    kernel = ConvolutionPlanar(vectors, rows, p.oc, p.ic == 1, epilogue)
    packed = 4 * kd * read * p.ic * kw * rows * p.oc
    return ConvolutionPlan(
        kernel,
        Loose.of(arguments),
        4 * kd * read * p.ic * segment,
        title=f"planar {vectors}x{rows}x{p.oc}",
        packing=Packing(PackPlanarWeights(), Loose.of(packing), packed),
    )


def plan_marked(problem: ConvolutionProblem, target: Target, epilogue: Epilogue, cells: int, rows: int) -> Apart:
    """What sums the marked outputs: a vector of a row each, of which a row of outputs has `cells`, in `rows` rows."""
    p = problem
    (kd, kh, kw), (dd, dh, dw) = p.kernel, p.dilation
    segment = -(-(target.lanes + (kw - 1) * dw) // target.lanes) * target.lanes
    arguments = dict(
        n=p.n, id=p.src[0], ih=p.src[1], iw=p.src[2], ic=p.ic, od=p.dst[0], oh=p.dst[1], ow=p.dst[2], kd=kd, kh=kh,
        kw=kw,
        dilation_d=dd, dilation_h=dh, dilation_w=dw, pad_d=p.low[0], pad_h=p.low[1], pad_w=p.low[2], segment=segment,
        cells=cells,
    )  # fmt: skip
    return Apart(
        ConvolutionPlanar(1, 1, p.oc, p.ic == 1, epilogue, marked=True),
        Loose.of(arguments),
        marks=cells * rows,
        scratch_bytes=4 * kd * kh * p.ic * segment,
        packing=Packing(
            PackPlanarWeights(),
            Loose.of(dict(kd=kd, kh=kh, kw=kw, ic=p.ic, oc=p.oc, rows=1)),
            4 * p.taps * p.ic * p.oc,
        ),
    )


def planar_cost(problem: ConvolutionProblem, target: Target) -> float:
    """Predicted nanoseconds on one thread."""
    p = problem
    vectors, rows = tile(p, target)
    width = vectors * target.lanes
    waste = -(-p.dst[2] // width) * width / p.dst[2] * (p.kernel[1] + rows - 1) / p.kernel[1]
    copied = (
        0
        if p.ic == 1
        else 1.2 * p.n * p.dst[0] * p.dst[1] * p.dst[2] * p.ic * p.kernel[0] * (p.kernel[1] + rows - 1) / rows / 3.0
    )
    return max(p.flops * waste / (target.peak * SHARE) + copied, p.nbytes / BYTES_PER_NS)
