"""From the plan of a convolution to its steps: packing, convolving, and summing directly what is set apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.plan import Apart, Packing
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.run.program import Address, Considered
from simplecell.graph.tensor import Placeholder, Tensor
from simplecell.ops.elementwise import Binary


def append(
    ctx: Lowering,
    group: Group,
    problem: ConvolutionProblem,
    algorithm: ConvolutionAlgorithm,
    reason: str,
    considered: tuple[Considered, ...] = (),
    predicted: float = 0.0,
) -> None:
    """The step that packs the weights (once for all that pack them alike), the one that convolves, and the one that
    sums again, directly, the patches in which that has found an outlier. `problem` says what the anchor's inputs are:
    they may be a product of matrices."""
    src, weights = group.anchor.inputs
    epilogue, operands = ctx.epilogue(group)
    plan = algorithm.plan(problem, ctx.setting, epilogue, ctx.pixel_stride(group.output))
    packed = ctx.address(weights) if plan.packing is None else pack(ctx, weights, plan.packing)
    given: dict[str, Any] = plan.schedule.arguments() | operands | ctx.tables(plan.tables)
    if "scratch" in plan.kernel.arguments:
        given |= ctx.scratch(plan.scratch_bytes)
    if plan.apart is not None:
        given["apart"] = ctx.temporary(plan.apart.marks)
    ctx.step(
        plan.kernel,
        algorithm=plan.title if problem.pool is None else f"{plan.title} + {problem.pool}",
        reason="; ".join(why for why in (plan.reason, reason) if why),
        considered=considered,
        predicted=predicted,
        shapes=str(problem),
        flops=problem.flops,
        nbytes=problem.nbytes,
        dst=ctx.address(group.output),
        src=ctx.address(src),
        weights=packed,
        **given,
    )
    if plan.apart is not None:
        _append_apart(ctx, group, plan.apart, packed, **operands, apart=given["apart"])


def _append_apart(ctx: Lowering, group: Group, again: Apart, packed: Address, **more: Any) -> None:
    src, weights = group.anchor.inputs
    if again.raw:
        packed = ctx.address(weights)
    elif again.packing is not None:
        packed = pack(ctx, weights, again.packing)
    given: dict[str, Any] = again.schedule.arguments() | more | ctx.scratch(again.scratch_bytes)
    ctx.step(
        again.kernel,
        algorithm="direct where there are outliers",
        parallel=True,
        dst=ctx.address(group.output),
        src=ctx.address(src),
        weights=packed,
        marks=again.marks,
        **given,
    )


def pack(ctx: Lowering, weights: Tensor, packing: Packing) -> Address:
    """Where the packed weights lie; the step that packs them is appended the first time."""

    def appended() -> Address:
        into = ctx.temporary(packing.nbytes)
        kernel, sources = packing.kernel, {"src": ctx.address(weights)}
        product = _channels_scaled(ctx, weights) if packing.scales else None
        if product is not None:
            kernel = replace(kernel, scaled=True)  # type: ignore[call-arg]
            sources = {"src": ctx.address(product[0]), "scale": ctx.address(product[1])}
        given: dict[str, Any] = packing.schedule.arguments() | ctx.tables(packing.tables) | sources
        ctx.step(kernel, algorithm=packing.title, nbytes=2 * packing.nbytes, dst=into, **given)
        return into

    return ctx.once((weights, packing.kernel, packing.schedule), appended)


def _channels_scaled(ctx: Lowering, weights: Tensor) -> tuple[Tensor, Tensor] | None:
    """(w, s), if the weights are w times one s for each output channel: the packing multiplies, and the product need
    not be in memory."""
    op = weights.node.op
    if not isinstance(op, Binary) or op.function != "multiply":
        return None
    w, s = weights.node.inputs
    if not isinstance(w.node.op, Placeholder) or w.node.op.role != "parameter":
        return None  # the product is not made when weights change, but at each run
    if w.shape != weights.shape or s.shape != weights.shape[-1:] or not ctx.placed_already(s):
        return None
    return w, s
