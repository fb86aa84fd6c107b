"""The gradient of a convolution for its weights, summed over pixels as it is written."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.direct.gradient_kernel import GradientWeights
from simplecell.engine.algorithms.convolution.direct.gradient_schedule import (
    Blocking,
    choose_tile,
    needs_halo,
    schedule,
)
from simplecell.engine.algorithms.convolution.gradient_weights.algorithm import (
    GradientWeightsAlgorithm,
    GradientWeightsPlan,
)
from simplecell.engine.algorithms.convolution.gradient_weights.costs import CYCLES_PER_NS
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.planning.setting import Setting


class DirectGradientWeights(GradientWeightsAlgorithm):
    """For each tap a product of matrices, srcᵀ · diff_dst, whose sum runs over pixels. It refuses nothing.

    A register tile of input channels × vectors of output channels sums over a band of pixels at a time, whose panel of
    diff_dst stays in L1.
    """

    name = "direct"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        cycles = choose_tile(problem, setting.target, needs_halo(problem))[2] * problem.pixels * problem.groups
        return cycles / CYCLES_PER_NS * (1.0 if setting.target.fma else 2.0)

    def plan(self, problem: ConvolutionProblem, setting: Setting) -> GradientWeightsPlan[GradientWeights]:
        p, lanes = problem, setting.target.lanes
        cut = Blocking.of(p, setting.target, setting.threads)
        kernel = GradientWeights(
            cut.tile,
            cut.rows.segments,
            rest=cut.rows.channels % (cut.tile.pixels // cut.rows.segments),
            ragged=p.oc // p.groups % (cut.tile.vectors * lanes) != 0,
            packed=cut.packed,
            halo=cut.halo,
            sampled=cut.sampled,
        )
        return GradientWeightsPlan(
            kernel,
            schedule(p, cut, lanes),
            cut.scratch_bytes(p, lanes),
            title=f"{self.name} gradient for weights {cut.tile}",
            reason=cut.reason,
            parts=cut.parts,
        )
