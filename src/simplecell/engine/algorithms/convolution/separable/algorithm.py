"""Separable convolutions that are joined → one step, and those that pack the pointwise ones' weights."""

from __future__ import annotations

from typing import Any

from simplecell.engine.algorithms.convolution.direct.weights import PackConvolutionWeights, PackSchedule
from simplecell.engine.algorithms.convolution.plan import Packing
from simplecell.engine.algorithms.convolution.separable.joining import SeparableGroup
from simplecell.engine.algorithms.convolution.separable.kernel import Separable
from simplecell.engine.algorithms.convolution.separable.schedule import (
    STAGES,
    Blocking,
    SeparableProblem,
    SeparableSchedule,
)
from simplecell.engine.algorithms.convolution.separable.weights import PackPairs, PairsSchedule
from simplecell.engine.algorithms.convolution.steps import pack
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.code.tile import Tile
from simplecell.engine.planning.algorithm import Plan
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.engine.planning.setting import Setting


@lowers(SeparableGroup)
def separable(ctx: Lowering, group: Group) -> str | None:
    """Append the step, and those that pack weights."""
    assert isinstance(group, SeparableGroup)
    members = dict(zip(STAGES, (group.expand, group.depthwise, group.project)))
    problem, lanes = group.problem, ctx.target.lanes
    cut = Blocking.of(problem, ctx.setting)
    src = group.members[0].anchor.inputs[0]
    given: dict[str, Any] = {
        "src": ctx.address(src),
        "dst": ctx.address(group.output),
        "depthwise": ctx.address(group.depthwise.anchor.inputs[1]),
    }
    epilogues = []
    for stage, member in members.items():
        epilogue, operands = ctx.epilogue(member) if member is not None else (NO_EPILOGUE, {})
        epilogues.append(epilogue)
        given |= {f"{stage}{i}": address for i, address in enumerate(operands.values())}
    for stage, tile, pairs in (("expand", cut.expand, False), ("project", cut.project, cut.pairs)):
        member = members[stage]
        if member is not None and tile is not None:
            weights = member.anchor.inputs[1]
            ic, oc = weights.shape[-2:]
            given[stage] = pack(ctx, weights, packing(ic, oc, tile, pairs, lanes))
    plan, window = plan_of(problem, cut, ctx.setting, (epilogues[0], epilogues[1], epilogues[2])), problem.window
    given |= ctx.scratch(plan.scratch_bytes)
    ctx.step(
        plan.kernel,
        algorithm="separable " + " + ".join(stage for stage, member in members.items() if member is not None),
        reason=plan.reason,
        shapes=f"{src.spec} * {window.height.taps}×{window.width.taps}, {window.oc} channels between → "
        f"{group.output.spec}",
        flops=problem.flops,
        nbytes=sum(t.spec.nbytes for t in (*group.inputs, group.output)),
        **plan.schedule.arguments(),
        **given,
    )
    return None


def plan_of(
    problem: SeparableProblem, cut: Blocking, setting: Setting, epilogues: tuple[Epilogue, Epilogue, Epilogue]
) -> Plan[Separable]:
    """The kernel and all that it is given but addresses."""
    lanes, schedule = setting.target.lanes, SeparableSchedule.of(problem, cut)
    return Plan(
        Separable(cut.expand, cut.reads, cut.project, cut.pairs, problem.window.oc % lanes != 0, epilogues),
        schedule,
        schedule.scratch_bytes(cut, lanes),
        reason=f"joined: {cut.rows} rows at a time, what lies between stays in the caches",
    )


def packing(ic: int, oc: int, tile: Tile, pairs: bool, lanes: int) -> Packing:
    """What packs the weights of a pointwise convolution for its tile."""
    if pairs:
        return Packing(PackPairs(), PairsSchedule(ic, oc), 4 * ic * oc)
    width = tile.vectors * lanes
    blocks = ceil_div(oc, width)
    return Packing(PackConvolutionWeights(), PackSchedule(1, ic, oc, 1, 1, blocks, width), 4 * ic * blocks * width)
