"""The gradient for the input of a convolution with strides, by phases."""

from __future__ import annotations

from typing import Any

from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.gradient_src.algorithm import GradientSrcAlgorithm
from simplecell.engine.algorithms.convolution.gradient_src.phases.kernel import SpreadZeros
from simplecell.engine.algorithms.convolution.gradient_src.phases.schedule import Phase, ZerosSchedule, phases_of
from simplecell.engine.algorithms.convolution.gradient_src.problem import GradientSrcProblem
from simplecell.engine.algorithms.convolution.gradient_src.weights import turned
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.planning.algorithm import Choice
from simplecell.engine.planning.groups import AnchoredGroup
from simplecell.engine.planning.lowering import Lowering
from simplecell.engine.planning.setting import Setting
from simplecell.graph.tensor import Tensor


class Phases(GradientSrcAlgorithm):
    """With strides, a pixel of the gradient meets only the taps that lead back to it from a pixel of diff_dst: the same
    ones for every stride-th pixel. So the gradient falls into phases, one step each: direct convolutions without
    strides by some of the taps, whose outputs lie `stride` pixels apart. Nothing is multiplied by zero."""

    name = "phases"

    def refuses(self, problem: GradientSrcProblem, setting: Setting) -> str | None:
        return "it is one convolution" if isinstance(problem.convolution, ConvolutionProblem) else None

    def cost(self, problem: GradientSrcProblem, setting: Setting) -> float:
        """That of the convolutions."""
        return sum(Direct().cost(phase.problem(problem), setting) for phase in phases_of(problem) if phase.reached)

    def append(
        self, ctx: Lowering, group: AnchoredGroup, problem: GradientSrcProblem, choice: Choice[GradientSrcProblem]
    ) -> None:
        epilogue, operands = ctx.epilogue(group)
        strides = "×".join(map(str, problem.op.strides))
        for phase in phases_of(problem):
            offset, numbers = 4 * phase.offset, "×".join(map(str, phase.first[3 - problem.rank :]))
            reason = f"strides {strides}: phase {numbers}"
            # Operands of the gradient's own shape are read where the phase writes.
            given: dict[str, Any] = {
                e: at + offset if kind == "full" else at for (e, at), kind in zip(operands.items(), epilogue.kinds)
            }
            given["dst"] = ctx.address(group.output) + offset
            if phase.reached:
                given["src"] = ctx.address(group.anchor.inputs[0])
                _append_convolution(ctx, group.anchor.inputs[1], problem, phase, epilogue, reason, choice, given)
            else:
                _append_zeros(ctx, phase.zeros(problem), epilogue, f"{reason}, which no tap reaches", given)


def _append_zeros(
    ctx: Lowering, schedule: ZerosSchedule, epilogue: Epilogue, reason: str, given: dict[str, Any]
) -> None:
    zeros = schedule.zeros
    ctx.step(
        SpreadZeros(epilogue),
        algorithm="zeros",
        reason=reason,
        nbytes=4 * zeros.images * zeros.planes * zeros.rows * zeros.pixels * zeros.channels,
        **schedule.arguments(),
        **given,
    )


def _append_convolution(
    ctx: Lowering,
    weights: Tensor,
    problem: GradientSrcProblem,
    phase: Phase,
    epilogue: Epilogue,
    reason: str,
    choice: Choice[GradientSrcProblem],
    given: dict[str, Any],
) -> None:
    """The steps that turn and pack the weights of a phase, and the one that convolves. given: addresses of src, dst and
    the epilogue's operands."""
    made = phase.problem(problem)
    plan = Direct().plan(made, ctx.setting, epilogue, problem.ic, phase.spread)
    packing, source = plan.weights, turned(ctx, weights, problem.op.groups, phase.taps[3 - problem.rank :])
    packed = ctx.temporary(packing.nbytes)
    ctx.step(
        packing.kernel,
        algorithm=packing.title,
        nbytes=2 * packing.nbytes,
        dst=packed,
        src=source,
        **packing.schedule.arguments(),
    )
    if "scratch" in plan.kernel.arguments:
        given |= ctx.scratch(plan.scratch_bytes)
    ctx.step(
        plan.kernel,
        algorithm=plan.title,
        reason=reason,
        considered=choice.considered,
        shapes=str(made),
        flops=made.flops,
        nbytes=made.nbytes,
        weights=packed,
        **plan.schedule.arguments(),
        **given,
    )
