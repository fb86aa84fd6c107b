"""Which algorithm pools, and which computes the gradient: two ordered tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simplecell.engine.algorithms.pooling.algorithm import PoolAlgorithm
from simplecell.engine.algorithms.pooling.any_window.algorithm import AnyWindow
from simplecell.engine.algorithms.pooling.columns.algorithm import UnrolledColumns
from simplecell.engine.algorithms.pooling.gradient.algorithm import ByImages, ByRows
from simplecell.engine.algorithms.pooling.problem import PoolProblem
from simplecell.engine.code.expression import NO_EPILOGUE
from simplecell.engine.planning.algorithm import Choice, choose
from simplecell.engine.planning.choices import Chooser, chooses
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.ops.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient

FORWARD: tuple[PoolAlgorithm, ...] = (UnrolledColumns(), AnyWindow())
GRADIENT: tuple[PoolAlgorithm, ...] = (ByRows(), ByImages())
"""In order of preference."""


@chooses(MaxPool, AveragePool, MaxPoolGradient, AveragePoolGradient)
def chosen(chooser: Chooser, group: Group) -> Choice[PoolProblem] | None:
    """By which algorithm a pooling, or its gradient, is computed; None if it has no machine code."""
    problem = _problem(group)
    return None if isinstance(problem, str) else choose(_table(group), problem, chooser.setting)


@lowers(MaxPool, AveragePool)
def forward(ctx: Lowering, group: Group) -> str | None:
    """Append the step of a pooling."""
    problem = _problem(group)
    if isinstance(problem, str):
        return problem
    (src,), dst = group.anchor.inputs, group.anchor.outputs[0]
    choice = _taken(ctx, group, problem)
    epilogue, operands = ctx.epilogue(group)
    assert isinstance(choice.algorithm, PoolAlgorithm)
    plan = choice.algorithm.plan(problem, ctx.setting, epilogue)
    given: dict[str, Any] = plan.schedule.arguments() | operands
    ctx.step(
        plan.kernel,
        algorithm=f"{problem.function} pooling",
        reason="; ".join(r for r in (plan.reason, ctx.note(group)) if r),
        considered=choice.considered,
        shapes=f"{src.spec} → {dst.spec}",
        nbytes=problem.nbytes,
        src=ctx.address(src),
        dst=ctx.address(group.output),
        **given,
    )
    return None


@lowers(MaxPoolGradient, AveragePoolGradient)
def gradient(ctx: Lowering, group: Group) -> str | None:
    """Append the step of a pooling's gradient."""
    problem = _problem(group)
    if isinstance(problem, str):
        return problem
    *arrays, diff = group.anchor.inputs
    choice = _taken(ctx, group, problem)
    assert isinstance(choice.algorithm, PoolAlgorithm)
    plan = choice.algorithm.plan(problem, ctx.setting, NO_EPILOGUE)
    given: dict[str, Any] = plan.schedule.arguments() | {n: ctx.address(t) for n, t in zip(("src", "pooled"), arrays)}
    ctx.step(
        plan.kernel,
        algorithm=f"{problem.function} pooling gradient",
        reason=plan.reason,
        considered=choice.considered,
        shapes=f"{diff.spec} → {group.output.spec}",
        nbytes=problem.nbytes,
        diff_dst=ctx.address(diff),
        dst=ctx.address(group.output),
        **given,
    )
    return None


def _taken(ctx: Lowering, group: Group, problem: PoolProblem) -> Choice[PoolProblem]:
    """The choice for the whole batch: refusals do not depend on the number of images."""
    return ctx.choice(group) or choose(_table(group), problem, ctx.setting)


def _table(group: Group) -> Sequence[PoolAlgorithm]:
    return FORWARD if isinstance(group.anchor.op, (MaxPool, AveragePool)) else GRADIENT


def _problem(group: Group) -> PoolProblem | str:
    """The pooling that a group stands for, or why it has no machine code."""
    op, inputs, output = group.anchor.op, group.anchor.inputs, group.anchor.outputs[0]
    nbytes = sum(t.spec.nbytes for t in inputs)
    if isinstance(op, (MaxPool, AveragePool)):
        return PoolProblem.of(op, inputs[0], output, nbytes + output.spec.nbytes)
    assert isinstance(op, (MaxPoolGradient, AveragePoolGradient))
    # what it writes is cleared first
    return PoolProblem.of(op, output, inputs[-1], nbytes + 2 * output.spec.nbytes)
