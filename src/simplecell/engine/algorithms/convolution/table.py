"""Which algorithm computes a convolution: one ordered table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from simplecell.engine.algorithms.algorithm import Algorithm, Choice, choose
from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.fourier_channels.algorithm import FourierChannels
from simplecell.engine.algorithms.convolution.fourier_rows.algorithm import FourierRows
from simplecell.engine.algorithms.convolution.matrix.algorithm import Matrix
from simplecell.engine.algorithms.convolution.planar.algorithm import Planar
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.steps import append
from simplecell.engine.algorithms.convolution.winograd.algorithm import Winograd
from simplecell.engine.planning.fuse import Group
from simplecell.engine.planning.lowering import Lowering, Refused, lowers
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Node, placeholder
from simplecell.ops.convolution import Convolution

ALGORITHMS: tuple[ConvolutionAlgorithm, ...] = (
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


def choice_for(ctx: Lowering, group: Group) -> Choice[ConvolutionProblem]:
    """The choice for a convolution that has machine code: made once, for the whole batch, whatever part of it the group
    stands for."""
    op, src, weights = group.anchor.op, ctx.whole(group.anchor.inputs[0]), group.anchor.inputs[1]
    assert isinstance(op, Convolution)
    problem = ConvolutionProblem.of(op, src.shape, weights.shape)
    assert problem is not None
    return ctx.decide(
        (op, src, weights),
        lambda: choose(
            ALGORITHMS,
            problem,
            ctx.setting,
            weights_change=not ctx.given(weights),
            alone=partial(_alone, problem, ctx, group),
        ),
    )


@lowers(Convolution)
def convolution(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a convolution."""
    op = group.anchor.op
    assert isinstance(op, Convolution)
    src, weights = group.anchor.inputs
    if src.spec.dtype != "float32":
        return f"machine code is for float32, this is {src.spec.dtype}"
    if 0 in src.shape or 0 in weights.shape:
        return "an array is empty"
    problem = ConvolutionProblem.of(op, src.shape, weights.shape, group.pool)
    if problem is None:
        return "more than three spatial axes"
    choice = choice_for(ctx, group)
    if choice.algorithm.refuses(problem, ctx.setting) is not None:
        raise Refused(group, "what is chosen for the whole batch refuses a part of it")
    assert isinstance(choice.algorithm, ConvolutionAlgorithm)
    append(ctx, group, problem, choice.algorithm, choice.reason)
    ctx.predict(choice.cost * src.shape[0] / ctx.whole(src).shape[0])
    return None


def _alone(
    problem: ConvolutionProblem, ctx: Lowering, group: Group, algorithm: Algorithm[ConvolutionProblem]
) -> Callable[[], object]:
    """The convolution alone, without its epilogue, by one algorithm: a function that runs it."""
    from simplecell.engine.run.runtime import Bound

    assert isinstance(algorithm, ConvolutionAlgorithm)
    src, weights = (
        placeholder(ctx.whole(t).spec, role=role) for t, role in zip(group.anchor.inputs, ("input", "parameter"))
    )
    node = Node.make(group.anchor.op, (src, weights))
    single = Lowering(Graph.of([src, weights], node.outputs), ctx.target, ctx.threads, ctx.precision)
    append(single, Group((node,), node, node.inputs, node.outputs, shape=node.outputs[0].shape), problem, algorithm, "")
    bound = Bound(single.finish(), ctx.target, ctx.threads)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(t.shape, np.float32) for t in (src, weights))
    y = np.empty(node.outputs[0].shape, np.float32)
    bound.prepare([w])
    return lambda: bound.run([x], [y])
