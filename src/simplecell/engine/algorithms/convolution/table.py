"""Which algorithm computes a convolution: one ordered table."""

from __future__ import annotations

from functools import partial

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.depthwise.algorithm import Depthwise, DepthwiseAnyWindow, Grouped
from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.fourier_channels.algorithm import FourierChannels
from simplecell.engine.algorithms.convolution.fourier_rows.algorithm import FourierRows
from simplecell.engine.algorithms.convolution.matrix.algorithm import Matrix
from simplecell.engine.algorithms.convolution.planar.algorithm import Planar
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.steps import append
from simplecell.engine.algorithms.convolution.winograd.algorithm import Winograd
from simplecell.engine.algorithms.timing import run_alone
from simplecell.engine.planning.algorithm import Choice, choose
from simplecell.engine.planning.choices import Chooser, chooses
from simplecell.engine.planning.groups import AnchoredGroup, Group
from simplecell.engine.planning.lowering import Lowering, Refused, lowers
from simplecell.ops.convolution import Convolution

ALGORITHMS: tuple[ConvolutionAlgorithm, ...] = (
    Depthwise(),
    DepthwiseAnyWindow(),
    Grouped(),
    Winograd(4, 3),
    Winograd(2, 3),
    Winograd(6, 3),
    Winograd(4, 5),
    Winograd(2, 5),
    Winograd(2, 7),
    Direct(),
    Matrix(),
    Planar(),
    FourierRows(),
    FourierChannels(),
)
"""In order of preference."""


@chooses(Convolution)
def chosen(chooser: Chooser, group: Group) -> Choice[ConvolutionProblem] | None:
    """By which algorithm a convolution is computed; None if it has no machine code."""
    op, (src, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, Convolution)
    if src.spec.dtype != "float32" or 0 in src.shape or 0 in weights.shape:
        return None
    problem = ConvolutionProblem.of(op, src.shape, weights.shape)
    if problem is None:
        return None  # more than three spatial axes
    runs = partial(run_alone, op, ((src.shape, "input"), (weights.shape, "parameter")), problem, chooser.setting)
    weights_change = not chooser.facts.given(weights)
    return choose(ALGORITHMS, problem, chooser.setting, weights_change=weights_change, runs=runs)


@lowers(Convolution)
def convolution(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a convolution."""
    op, (src, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, Convolution) and isinstance(group, AnchoredGroup)
    if src.spec.dtype != "float32":
        return f"machine code is for float32, this is {src.spec.dtype}"
    if 0 in src.shape or 0 in weights.shape:
        return "an array is empty"
    choice = ctx.choice(group)
    if choice is None:
        return "more than three spatial axes"
    convolve(ctx, group, choice)
    return None


def convolve(ctx: Lowering, group: AnchoredGroup, choice: Choice[ConvolutionProblem]) -> None:
    """Append the steps of a convolution by the algorithm that was chosen for the whole batch."""
    op, (src, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, Convolution) and isinstance(choice.algorithm, ConvolutionAlgorithm)
    problem = ConvolutionProblem.of(op, src.shape, weights.shape, group.pool)
    assert problem is not None
    if choice.algorithm.refuses(problem, ctx.setting) is not None:
        raise Refused(group, "what is chosen for the whole batch refuses a part of it")
    predicted = choice.cost * src.shape[0] / ctx.whole(src).shape[0]
    append(ctx, group, problem, choice.algorithm, choice.reason, choice.considered, predicted)
