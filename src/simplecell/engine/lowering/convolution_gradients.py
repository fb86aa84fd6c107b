"""The gradients of convolutions → steps."""

from __future__ import annotations

from typing import Any

from simplecell.engine.fuse import Group
from simplecell.engine.kernels.convolution_gradient_weights import SumParts
from simplecell.engine.lowering.context import Lowering, lowers
from simplecell.engine.lowering.convolution_gradient_weights import plan_weights
from simplecell.engine.lowering.convolution_problem import ConvolutionProblem
from simplecell.ops.convolution import Convolution, ConvolutionGradientWeights


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
