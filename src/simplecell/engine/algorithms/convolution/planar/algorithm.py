"""Convolution to few channels, vectorised over pixels."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan, Packing
from simplecell.engine.algorithms.convolution.planar.costs import SHARE, TAKE_APART_NS
from simplecell.engine.algorithms.convolution.planar.kernel import ConvolutionPlanar
from simplecell.engine.algorithms.convolution.planar.schedule import PlanarSchedule, PlanarTile, PlanarWeightsSchedule
from simplecell.engine.algorithms.convolution.planar.weights import PlanarWeights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.rounding import round_up
from simplecell.engine.planning.setting import Setting

MOST_CHANNELS = 8
"""of inputs and of outputs"""


class Planar(ConvolutionAlgorithm):
    """Vectors along a row of pixels, for few channels."""

    name = "planar"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        p, lanes = problem, setting.target.lanes
        most = min(MOST_CHANNELS, lanes // 2)
        if p.groups != 1:
            return "groups"
        if p.oc > most:
            return f"more than {most} output channels"
        if p.strides != (1, 1, 1):
            return "strides"
        if p.ic > MOST_CHANNELS:
            return f"more than {MOST_CHANNELS} input channels, which would have to be taken apart"
        if p.dst[2] < 2 * lanes:
            return "rows of less than two vectors"
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        p, target, tile = problem, setting.target, PlanarTile.of(problem, setting.target)
        kd, kh, _ = p.kernel
        read = tile.read_rows(p)
        waste = round_up(p.dst[2], tile.vectors * target.lanes) / p.dst[2] * read / kh
        copied = 0.0 if p.ic == 1 else TAKE_APART_NS * p.pixels * p.ic * kd * read / tile.rows
        return max(p.flops * waste / (target.peak * SHARE) + copied, p.nbytes / BYTES_PER_NS)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionPlanar]:
        p, tile = problem, PlanarTile.of(problem, setting.target)
        schedule, weights = PlanarSchedule.of(p, tile, setting.target.lanes), PlanarWeightsSchedule.of(p, tile)
        return ConvolutionPlan(
            ConvolutionPlanar(tile.vectors, tile.rows, p.oc, p.ic == 1, epilogue),
            schedule,
            schedule.scratch_bytes(tile),
            title=f"planar {tile.vectors}x{tile.rows}x{p.oc}",
            packing=Packing(PlanarWeights(), weights, weights.nbytes),
        )
