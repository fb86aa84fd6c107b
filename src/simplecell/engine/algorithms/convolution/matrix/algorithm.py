"""Convolution on a matrix unit."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS
from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.matrix.blocking import (
    MOST_POOLED,
    blocking,
    can_pool,
    merged,
    weights_bytes,
)
from simplecell.engine.algorithms.convolution.matrix.costs import POOL_NS
from simplecell.engine.algorithms.convolution.matrix.kernel import ConvolutionMatrix
from simplecell.engine.algorithms.convolution.matrix.schedule import (
    MatrixSchedule,
    MatrixWeightsSchedule,
    fetches_inputs,
    offsets,
)
from simplecell.engine.algorithms.convolution.matrix.weights import MatrixWeights
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan, Packing
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.setting import Setting
from simplecell.precision import Precision

PARTS = {"fast": 2, "tight": 3}
"""By precision: bfloat16 values for each float32."""
ERRORS: dict[Precision, float] = {"fast": 3e-5, "tight": 1e-6}
"""By precision: the largest error, as a share of the largest output."""


class Matrix(ConvolutionAlgorithm):
    """Products of bfloat16 parts on a matrix unit."""

    name = "matrix"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        if not setting.target.matrix:
            return "no matrix unit"
        if setting.precision not in PARTS:
            return f"precision is {setting.precision}"
        if problem.groups > 1:
            return "it has groups"
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return blocking(merged(problem), setting.target, PARTS[setting.precision], 1).cost

    def weights_cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        return 4 * problem.taps * problem.ic * problem.oc / BYTES_PER_NS * 2

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[ConvolutionMatrix]:
        """With several threads only the borders between blocks move."""
        target, parts, pool = setting.target, PARTS[setting.precision], problem.pool
        p = merged(problem.without_pool())
        cut = blocking(p, target, parts, setting.threads, pool)
        schedule = MatrixSchedule.of(problem, target, cut, parts, dst_pixel)
        fetch_inputs = fetches_inputs(p, target, cut, parts)
        return ConvolutionPlan(
            ConvolutionMatrix(parts, epilogue, schedule.run is not None, schedule.lines, fetch_inputs, pool),
            schedule,
            schedule.scratch_bytes(cut),
            {"offsets": offsets(p, cut)},
            title=f"matrix bf16x{parts}",
            packing=Packing(
                MatrixWeights(parts), MatrixWeightsSchedule(p.taps, p.ic, p.oc), weights_bytes(p, parts), scales=True
            ),
        )

    def error(self, precision: Precision) -> float:
        return ERRORS[precision]

    def refuses_pool(self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue | None) -> str | None:
        assert problem.pool is not None
        if not can_pool(problem.pool):
            return f"windows are larger than 2×{MOST_POOLED}"
        return Direct().refuses_pool(problem, setting, epilogue) or self.pooling_loses(problem, setting)

    def pooling_loses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        """The figures, if pooling takes longer than it saves, since tiles end with their rows."""
        p = merged(problem.without_pool())
        pooled, stored = (
            blocking(p, setting.target, PARTS[setting.precision], 1, pool).cost for pool in (problem.pool, None)
        )
        apart = stored + POOL_NS * 4 * p.pixels * p.oc
        return f"predicted µs: {pooled / 1e3:.0f}, apart {apart / 1e3:.0f}" if pooled > apart else None
