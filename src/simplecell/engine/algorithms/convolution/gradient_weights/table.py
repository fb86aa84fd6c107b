"""Which algorithm computes the gradient of a convolution for its weights: one ordered table."""

from __future__ import annotations

from functools import partial
from typing import Any

from simplecell.engine.algorithms.convolution.depthwise.gradient import DepthwiseGradientWeights
from simplecell.engine.algorithms.convolution.direct.gradient import DirectGradientWeights
from simplecell.engine.algorithms.convolution.gradient_weights.algorithm import GradientWeightsAlgorithm
from simplecell.engine.algorithms.convolution.gradient_weights.sum_parts import SumParts, SumSchedule
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.gradient import WinogradGradientWeights
from simplecell.engine.algorithms.timing import run_alone
from simplecell.engine.planning.algorithm import Choice, choose
from simplecell.engine.planning.choices import Chooser, chooses
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.convolution import Convolution, ConvolutionGradientWeights

ALGORITHMS: tuple[GradientWeightsAlgorithm, ...] = (
    DepthwiseGradientWeights(),
    WinogradGradientWeights(4, 3),
    WinogradGradientWeights(4, 5),
    DirectGradientWeights(),
)
"""In order of preference."""


@chooses(ConvolutionGradientWeights)
def chosen(chooser: Chooser, group: Group) -> Choice[ConvolutionProblem] | None:
    """By which algorithm a gradient for weights is computed; None if it has no machine code."""
    op, (src, diff_dst), shape = group.anchor.op, group.anchor.inputs, group.anchor.outputs[0].shape
    assert isinstance(op, ConvolutionGradientWeights)
    if src.spec.dtype != "float32" or 0 in (*src.shape, *diff_dst.shape, *shape):
        return None
    forward = Convolution(op.strides, op.padding, op.dilation, op.groups)
    problem = ConvolutionProblem.of(forward, src.shape, shape, across_images=False)
    if problem is None:
        return None  # more than three spatial axes
    runs = partial(run_alone, op, ((src.shape, "input"), (diff_dst.shape, "input")), problem, chooser.setting)
    return choose(ALGORITHMS, problem, chooser.setting, kind="gradient for weights", draw=1.0, runs=runs)


@lowers(ConvolutionGradientWeights)
def gradient_weights(ctx: Lowering, group: Group) -> str | None:
    """Append the step that sums over pixels, and the one that adds the parts if there are several."""
    (src, diff_dst), dst, choice = group.anchor.inputs, group.output, ctx.choice(group)
    if src.spec.dtype != "float32":
        return f"machine code is for float32, this is {src.spec.dtype}"
    if 0 in (src.spec.size, diff_dst.spec.size, dst.spec.size):
        return "an array is empty"
    if choice is None:
        return "more than three spatial axes"
    problem, algorithm = choice.problem, choice.algorithm
    assert isinstance(algorithm, GradientWeightsAlgorithm)
    plan, result = algorithm.plan(problem, ctx.setting), ctx.address(dst)
    into = result if plan.parts == 1 else ctx.temporary(plan.parts * dst.spec.nbytes)
    given: dict[str, Any] = plan.schedule.arguments()
    if "scratch" in plan.kernel.arguments:
        given |= ctx.scratch(plan.scratch_bytes)
    ctx.step(
        plan.kernel,
        algorithm=plan.title,
        reason=f"{choice.reason}; {plan.reason}",
        considered=choice.considered,
        predicted=choice.cost,
        shapes=str(problem),
        flops=problem.flops,
        nbytes=problem.nbytes,
        src=ctx.address(src),
        diff_dst=ctx.address(diff_dst),
        dst=into,
        **given,
    )
    if plan.parts > 1:
        ctx.step(
            SumParts(),
            algorithm="sum of parts",
            nbytes=(plan.parts + 1) * dst.spec.nbytes,
            src=into,
            dst=result,
            **SumSchedule(plan.parts, dst.spec.size).arguments(),
        )
    return None
