"""Direct convolution: sums of products on the register tile."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.blocks import lines_of, unroll_for
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS
from simplecell.engine.algorithms.convolution.direct.kernel import ConvolutionDirect
from simplecell.engine.algorithms.convolution.direct.schedule import (
    Blocking,
    Channels,
    Spread,
    direct_tile,
    joined_tile,
    schedule,
)
from simplecell.engine.algorithms.convolution.direct.weights import PackConvolutionWeights, PackSchedule
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan, Packing
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.rounding import ceil_div, round_up
from simplecell.engine.code.tile import tiles
from simplecell.engine.planning.setting import Setting


class Direct(ConvolutionAlgorithm):
    """Every output is summed over taps and input channels, as it is written. It refuses nothing.

    A register tile of pixels × vectors of output channels goes over rows of outputs. Inputs are read where they lie, or
    from a copy with a halo of zeros in scratch, a block of rows and columns at a time.
    """

    name = "direct"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        """The multiplications that the tiles do, waste included, or the bytes that must move."""
        p, target = problem, setting.target
        channels, (depth, height, width) = Channels.of(p, target.lanes), p.dst
        joined = joined_tile(p.without_pool(), target) if p.pool is None else None
        tile = joined or direct_tile(p, target)
        pixels = round_up(height * width, tile.pixels) if joined else height * round_up(width, tile.pixels)
        outputs = pixels * round_up(channels.vectors, tile.vectors) * target.lanes * channels.groups
        flops = 2 * p.taps * channels.ic * outputs * p.n * depth
        return max(flops / (target.peak * tiles(target)[tile]), p.nbytes / BYTES_PER_NS)

    def plan(
        self,
        problem: ConvolutionProblem,
        setting: Setting,
        epilogue: Epilogue,
        dst_pixel: int,
        spread: Spread | None = None,
    ) -> ConvolutionPlan[ConvolutionDirect]:
        """As every algorithm's; `spread` says where pixels of dst lie that are not dense."""
        p, target = problem.without_pool(), setting.target
        arrays = 1 + epilogue.kinds.count("full")
        cut = Blocking.of(problem, target, setting.threads, arrays, spread is None)
        given = schedule(p, cut, target, dst_pixel, spread)
        kernel = ConvolutionDirect(
            cut.tile,
            epilogue,
            copy=cut.copy,
            spread=spread is not None,
            lines=lines_of(given.loops.ahead),
            unroll=unroll_for(given.taps.run),
            waiting=cut.waiting,
            joined=cut.joined,
            pool=problem.pool,
        )
        channels, width = Channels.of(p, target.lanes), cut.tile.vectors * target.lanes
        packing = PackSchedule(
            taps=p.taps, ic=p.ic // p.groups, oc=p.oc // p.groups, groups=p.groups, merged=channels.merged,
            blocks=ceil_div(channels.oc, width), width=width,
        )  # fmt: skip
        return ConvolutionPlan(
            kernel,
            given,
            cut.scratch_bytes(p, target.lanes),
            title=f"direct {cut.tile}",
            packing=Packing(PackConvolutionWeights(), packing, cut.packed_bytes, scales=True),
        )

    def refuses_pool(self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue | None) -> str | None:
        pool = problem.pool
        assert pool is not None
        if pool.size[0] > 1:
            return "windows have several planes"
        if problem.taps == 1 and problem.strides == (1, 1, 1):
            return "pointwise, the rows of a map are one"
        if epilogue is not None and "full" in epilogue.kinds:
            return "the epilogue reads an array like the map"
        return None
