"""Winograd convolution: a third to a fifth of the multiplications, between transforms of inputs and outputs."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.blocks import lines_of, unroll_for
from simplecell.engine.algorithms.convolution.costs import BYTES_PER_NS
from simplecell.engine.algorithms.convolution.plan import Apart, ConvolutionPlan, Packing
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.costs import MOST_POOLED, TIGHT_POINTS
from simplecell.engine.algorithms.convolution.winograd.direct_sums import WinogradDirect
from simplecell.engine.algorithms.convolution.winograd.kernel import WinogradForward
from simplecell.engine.algorithms.convolution.winograd.schedule import ApartSchedule, Form, blocking, schedule
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.algorithms.convolution.winograd.weights import PackSchedule, WinogradWeights
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.setting import Setting
from simplecell.precision import Precision


class Winograd(ConvolutionAlgorithm):
    """F(outputs, taps): a patch of dst is transformed from products at the points of a polynomial.

    Inputs of a block of patches are transformed into scratch, multiplied there with transformed weights by the register
    tile, and the products are transformed back. Patches that hold an outlier are summed directly afterwards.
    """

    knows_weights = True

    def __init__(self, outputs: int, taps: int) -> None:
        self.transform = Transform(outputs, taps)
        self.name = f"winograd F({outputs},{taps})"

    def refuses(self, problem: ConvolutionProblem, setting: Setting) -> str | None:
        p, taps = problem, self.transform.taps
        if setting.precision == "exact":
            return "precision is exact"
        if setting.precision == "tight" and self.transform.points > TIGHT_POINTS:
            return "precision is tight"
        if Form.of(p, self.transform) is None:
            return f"the kernel is not made of {taps}×{taps} planes or of {taps} taps in a row"
        if p.strides != (1, 1, 1) or p.dilation != (1, 1, 1):
            return "it has strides or dilation"
        if p.groups > 1:
            return "it has groups"
        if min(p.ic, p.oc) < setting.target.lanes:
            return f"fewer than {setting.target.lanes} channels"
        return None

    def cost(self, problem: ConvolutionProblem, setting: Setting) -> float:
        """Products, transforms, and the weights, which are larger than direct convolution's."""
        cut = blocking(problem, self.transform, setting.target, from_memory=setting.weights_from_memory)
        return max(cut.cost, problem.nbytes / BYTES_PER_NS)

    def plan(
        self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue, dst_pixel: int
    ) -> ConvolutionPlan[WinogradForward]:
        p, t, target = problem, self.transform, setting.target
        form = Form.of(p, t)
        assert form is not None
        depth, points = form.slices * p.ic, form.points(t)
        cut = blocking(p.without_pool(), t, target, setting.threads, setting.weights_from_memory)
        given, width = schedule(p, form, t, cut, target, dst_pixel), cut.tile.vectors * target.lanes
        patches = given.patches
        kernel = WinogradForward(
            t,
            cut.tile,
            epilogue,
            form.axes,
            lines=lines_of(given.blocks.ahead),
            unroll=unroll_for(depth),
            pool=p.pool,
            local=setting.local,
        )
        packing = PackSchedule(
            slices=form.slices, slice_taps=form.taps, row_taps=form.row, column_taps=form.column, ic=p.ic, oc=p.oc,
            chunks=patches.chunks, chunk_blocks=patches.chunk_blocks, width=width,
        )  # fmt: skip
        return ConvolutionPlan(
            kernel,
            given,
            4 * (given.blocks.edge_begin + points * p.ic),
            title=f"{self.name} {cut.tile}",
            packing=Packing(
                WinogradWeights(t, len(form.axes)),
                packing,
                4 * points * patches.chunks * patches.chunk_blocks * width * depth,
                title="transform weights",
                scales=True,
            ),
            apart=Apart(
                WinogradDirect(t, form.axes, epilogue, p.pool),
                ApartSchedule(patches, width),
                marks=p.n * p.dst[0] * patches.patches_h * patches.patches_w,
                scratch_bytes=4 * points * depth,
            ),
        )

    def error(self, precision: Precision) -> float:
        return self.transform.error

    def refuses_pool(self, problem: ConvolutionProblem, setting: Setting, epilogue: Epilogue | None) -> str | None:
        pool, form = problem.pool, Form.of(problem, self.transform)
        assert pool is not None and form is not None
        patch = (1, *(self.transform.outputs if axis in form.axes else 1 for axis in "hw"))
        if any(size % window for size, window in zip(patch, pool.size)):
            return f"its patches of {patch[1]}×{patch[2]} outputs are not made of whole windows"
        return "windows are too large" if pool.taps > MOST_POOLED else None
