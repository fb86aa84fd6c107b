"""The gradients of convolutions → steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simplecell.engine.fuse import Group
from simplecell.engine.kernels.convolution_gradient_src import TurnWeights
from simplecell.engine.kernels.convolution_gradient_weights import SumParts
from simplecell.engine.lowering.context import Lowering, lowers
from simplecell.engine.lowering.convolution import convolution
from simplecell.engine.lowering.convolution_gradient_weights import plan_weights
from simplecell.engine.lowering.convolution_problem import ConvolutionProblem
from simplecell.engine.program import Address
from simplecell.graph.tensor import Node, placeholder
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc, ConvolutionGradientWeights


@lowers(ConvolutionGradientWeights)
def gradient_weights(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a gradient for the weights: the sums over pixels, and the sum of the parts if there are several."""
    op, (src, diff_dst) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, ConvolutionGradientWeights)
    dst = group.output
    if src.spec.dtype != "float32":
        return f"machine code is for float32, this is {src.spec.dtype}"
    if 0 in (src.spec.size, diff_dst.spec.size, dst.spec.size):
        return "an array is empty"
    problem = ConvolutionProblem.of(Convolution(op.strides, op.padding, op.dilation, op.groups), src.shape, dst.shape)
    if problem is None:
        return "more than three spatial axes"
    plan = plan_weights(problem, src.shape[0], ctx.target, ctx.threads)
    result = ctx.address(dst)
    into = result if plan.parts == 1 else ctx.temporary(plan.parts * dst.spec.nbytes)
    scratch: dict[str, Any] = {**ctx.scratch(plan.scratch_bytes)} if plan.kernel.packed else {}
    ctx.step(
        plan.kernel,
        algorithm=f"gradient for weights {plan.kernel.tile}",
        reason=plan.reason,
        shapes=str(problem),
        flops=problem.flops,
        nbytes=problem.nbytes,
        src=ctx.address(src),
        diff_dst=ctx.address(diff_dst),
        dst=into,
        **plan.arguments,
        **scratch,
    )
    if plan.parts > 1:
        ctx.step(
            SumParts(),
            algorithm="sum of parts",
            nbytes=(plan.parts + 1) * dst.spec.nbytes,
            src=into,
            dst=result,
            parts=plan.parts,
            size=dst.spec.size,
        )
    return None


@lowers(ConvolutionGradientSrc)
def gradient_src(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a gradient for the input (or of a transposed convolution).

    Without strides that is a convolution of diff_dst with the weights turned round, padded with what the kernel reaches over: its
    lowering takes over, with all of its algorithms.
    """
    op, (diff_dst, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, ConvolutionGradientSrc)
    if diff_dst.spec.dtype != "float32":
        return f"machine code is for float32, this is {diff_dst.spec.dtype}"
    if 0 in (diff_dst.spec.size, weights.spec.size, group.output.spec.size):
        return "an array is empty"
    rank = len(op.src_spatial)
    if rank > 3:
        return "more than three spatial axes"
    reach = tuple((k - 1) * d for k, d in zip(weights.shape[:-2], op.dilation))
    padding = tuple((r - low, r - high) for r, (low, high) in zip(reach, op.padding))
    if max(op.strides) > 1:
        return "strides"
    if min(map(min, padding)) < 0:
        return "padding wider than the kernel"
    ic, oc = weights.shape[-2], weights.shape[-1] // op.groups
    turned = placeholder(Spec((*weights.shape[:-2], oc, ic * op.groups)), "turned weights")

    def turn() -> Address:
        address = ctx.temporary(weights.spec.nbytes)
        kernel = (1,) * (3 - rank) + weights.shape[:-2]
        taps = {f"{what}_{a}": v for a, k in zip("zyx", kernel) for what, v in (("taps", k), ("last", k - 1), ("step", 1))}
        sizes = {"ic": ic, "oc": oc, "groups": op.groups, "kh": kernel[1], "kw": kernel[2]}
        given: dict[str, Any] = {"dst": address, "src": ctx.address(weights), **sizes, **taps}
        ctx.step(TurnWeights(), algorithm="turn weights", nbytes=2 * weights.spec.nbytes, **given)
        return address

    ctx.view(turned, ctx.once((weights, "turned"), turn))
    forward = Node(Convolution((1,) * rank, padding, op.dilation, op.groups), (diff_dst, turned), group.anchor.scope)
    return convolution(ctx, replace(group, anchor=forward))
