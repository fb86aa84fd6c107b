"""Which algorithm computes the gradient of a convolution for its input: one ordered table."""

from __future__ import annotations

from functools import partial

from simplecell.engine.algorithms.convolution.depthwise.gradient import DepthwiseByPhases, DepthwiseOnePass
from simplecell.engine.algorithms.convolution.gradient_src.algorithm import GradientSrcAlgorithm
from simplecell.engine.algorithms.convolution.gradient_src.phases.algorithm import Phases
from simplecell.engine.algorithms.convolution.gradient_src.problem import GradientSrcProblem
from simplecell.engine.algorithms.convolution.gradient_src.turned.algorithm import Turned
from simplecell.engine.algorithms.convolution.table import ALGORITHMS as CONVOLUTIONS
from simplecell.engine.algorithms.timing import run_alone
from simplecell.engine.planning.algorithm import Choice, choose
from simplecell.engine.planning.choices import Chooser, chooses
from simplecell.engine.planning.groups import AnchoredGroup, Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.convolution import ConvolutionGradientSrc

ALGORITHMS: tuple[GradientSrcAlgorithm, ...] = (
    DepthwiseOnePass(),
    DepthwiseByPhases(),
    *(Turned(a) for a in CONVOLUTIONS if not a.decisive),
    Phases(),
)
"""In order of preference."""


@chooses(ConvolutionGradientSrc)
def chosen(chooser: Chooser, group: Group) -> Choice[GradientSrcProblem] | None:
    """By which algorithm a gradient for the input is computed; None if it has no machine code."""
    op, (diff_dst, weights), shape = group.anchor.op, group.anchor.inputs, group.anchor.outputs[0].shape
    assert isinstance(op, ConvolutionGradientSrc)
    if diff_dst.spec.dtype != "float32" or 0 in (*diff_dst.shape, *weights.shape, *shape) or len(op.src_spatial) > 3:
        return None
    problem = GradientSrcProblem(op, diff_dst.shape, weights.shape)
    runs = partial(run_alone, op, ((diff_dst.shape, "input"), (weights.shape, "parameter")), problem, chooser.setting)
    # What it takes to bring the turned weights into an algorithm's form is not counted, though that is done in each
    # step of training: it is little beside a batch of pixels.
    return choose(ALGORITHMS, problem, chooser.setting, kind="gradient for the input", runs=runs)


@lowers(ConvolutionGradientSrc)
def gradient_src(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a gradient for the input (or of a transposed convolution)."""
    op, (diff_dst, weights), choice = group.anchor.op, group.anchor.inputs, ctx.choice(group)
    assert isinstance(op, ConvolutionGradientSrc) and isinstance(group, AnchoredGroup)
    if diff_dst.spec.dtype != "float32":
        return f"machine code is for float32, this is {diff_dst.spec.dtype}"
    if 0 in (diff_dst.spec.size, weights.spec.size, group.output.spec.size):
        return "an array is empty"
    if choice is None:
        return "more than three spatial axes"
    assert isinstance(choice.algorithm, GradientSrcAlgorithm)
    choice.algorithm.append(ctx, group, GradientSrcProblem(op, diff_dst.shape, weights.shape), choice)
    return None
