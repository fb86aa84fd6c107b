"""Which algorithm computes a convolution: one ordered table, and what each entry says for or against itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from simplecell.engine.algorithms.convolution.direct.algorithm import direct_cost, direct_pool_refusal, plan_direct
from simplecell.engine.algorithms.convolution.direct.weights import PackConvolutionWeights
from simplecell.engine.algorithms.convolution.fourier_channels.algorithm import (
    plan_spectral,
    spectral_cost,
    spectral_weights_cost,
)
from simplecell.engine.algorithms.convolution.fourier_channels.algorithm import refusal as spectral_refusal
from simplecell.engine.algorithms.convolution.fourier_rows.algorithm import (
    fourier_cost,
    fourier_weights_cost,
    plan_fourier,
)
from simplecell.engine.algorithms.convolution.fourier_rows.algorithm import refusal as fourier_refusal
from simplecell.engine.algorithms.convolution.matrix.algorithm import (
    matrix_cost,
    matrix_weights_cost,
    plan_matrix,
    pooling_costs,
)
from simplecell.engine.algorithms.convolution.matrix.algorithm import pool_refusal as matrix_pool_refusal
from simplecell.engine.algorithms.convolution.matrix.algorithm import refusal as matrix_refusal
from simplecell.engine.algorithms.convolution.matrix.weights import MatrixWeights
from simplecell.engine.algorithms.convolution.plan import Apart, ConvolutionPlan
from simplecell.engine.algorithms.convolution.planar.algorithm import plan_planar, planar_cost
from simplecell.engine.algorithms.convolution.planar.algorithm import refusal as planar_refusal
from simplecell.engine.algorithms.convolution.planar.kernel import PackPlanarWeights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.algorithm import (
    plan_winograd,
    pool_refusal,
    refusal,
    winograd_cost,
)
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.algorithms.convolution.winograd.weights import WinogradWeights
from simplecell.engine.code.fourier import roots_and_order, twiddles
from simplecell.engine.planning import tune
from simplecell.engine.planning.fuse import Group
from simplecell.engine.planning.lowering import Lowering, Refused, lowers
from simplecell.engine.run.program import Address
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Node, Placeholder, Tensor, placeholder
from simplecell.ops.convolution import Convolution
from simplecell.ops.elementwise import Binary

NEAR = 0.92
"""A later entry must be predicted to take less than this share of an earlier one's time: predictions are not better
than that, and the table prefers what is more accurate."""


TIMED = 3.0
"""With `tune=True`, algorithms predicted to take less than so many times the best one's time are timed."""


@dataclass(frozen=True)
class Algorithm:
    """`refuses` returns why it cannot (None: it can); `cost` predicts nanoseconds on one thread
    (never on more: the choice would change the bits); `lower` appends the steps; `prepare` predicts what weights that
    change from run to run cost besides; `pools` returns why it cannot store what it computes pooled (None: it can, and
    does where the problem has a pool)."""

    name: str
    refuses: Callable[[ConvolutionProblem, Lowering], str | None]
    cost: Callable[[ConvolutionProblem, Lowering], float]
    lower: Callable[[ConvolutionProblem, Lowering, Group, str], None]
    prepare: Callable[[ConvolutionProblem, Lowering], float] = lambda problem, ctx: 0.0
    pools: Callable[[ConvolutionProblem, Lowering, Group], str | None] = lambda problem, ctx, group: (
        "it stores every pixel"
    )


@dataclass(frozen=True)
class Choice:
    """An algorithm, its predicted cost, and why it was chosen."""

    algorithm: Algorithm
    cost: float
    reason: str


def choose(ctx: Lowering, problem: ConvolutionProblem, group: Group) -> Choice:
    """The cheapest algorithm that does not refuse; the earlier in the table wins a near draw."""
    costs: list[tuple[float, Algorithm]] = []
    refusals: dict[tuple[str, str], None] = {}
    kept = ctx.given(group.anchor.inputs[1])
    for algorithm in ALGORITHMS:
        refusal = algorithm.refuses(problem, ctx)
        if refusal is None:
            costs.append((algorithm.cost(problem, ctx) + (0.0 if kept else algorithm.prepare(problem, ctx)), algorithm))
        else:
            refusals.setdefault((algorithm.name.split()[0], refusal), None)
    best = costs[0]  # direct convolution refuses nothing
    for entry in costs[1:]:
        best = entry if entry[0] < NEAR * best[0] else best
    notes = ["predicted µs: " + ", ".join(f"{a.name} {cost / 1e3:.0f}" for cost, a in costs)]
    notes += [f"not {family}: {why}" for family, why in refusals if len(costs) == 1]
    chosen = best[1]
    if tune.active() and len(costs) > 1:
        offered = {a.name: a for cost, a in costs if cost < TIMED * best[0]}
        seconds = tune.times(
            f"{problem} on {ctx.target.name} {ctx.target.cpu}, {ctx.threads} threads",
            {name: partial(_alone, problem, ctx, group, a) for name, a in offered.items()},
        )
        chosen = offered[min(seconds, key=seconds.__getitem__)]
        notes.insert(0, "timed µs: " + ", ".join(f"{name} {t * 1e6:.0f}" for name, t in seconds.items()))
    return Choice(chosen, next(cost for cost, a in costs if a is chosen), "; ".join(notes))


def choice_for(ctx: Lowering, group: Group) -> Choice:
    """The choice for a convolution that has machine code: made once, for the whole batch, whatever part of it the group
    stands for."""
    op, src, weights = group.anchor.op, ctx.whole(group.anchor.inputs[0]), group.anchor.inputs[1]
    assert isinstance(op, Convolution)
    problem = ConvolutionProblem.of(op, src.shape, weights.shape)
    assert problem is not None
    return ctx.decide((op, src, weights), lambda: choose(ctx, problem, group))


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
    if choice.algorithm.refuses(problem, ctx) is not None:
        raise Refused(group, "what is chosen for the whole batch refuses a part of it")
    choice.algorithm.lower(problem, ctx, group, choice.reason)
    ctx.predict(choice.cost * src.shape[0] / ctx.whole(src).shape[0])
    return None


def _alone(problem: ConvolutionProblem, ctx: Lowering, group: Group, algorithm: Algorithm) -> Callable[[], object]:
    """The convolution alone, without its epilogue, by one algorithm: a function that runs it."""
    from simplecell.engine.run.runtime import Bound

    src, weights = (
        placeholder(ctx.whole(t).spec, role=role) for t, role in zip(group.anchor.inputs, ("input", "parameter"))
    )
    node = Node.make(group.anchor.op, (src, weights))
    single = Lowering(Graph.of([src, weights], node.outputs), ctx.target, ctx.threads, ctx.precision)
    algorithm.lower(problem, single, Group((node,), node, node.inputs, node.outputs, shape=node.outputs[0].shape), "")
    bound = Bound(single.finish(), ctx.target, ctx.threads)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(t.shape, np.float32) for t in (src, weights))
    y = np.empty(node.outputs[0].shape, np.float32)
    bound.prepare([w])
    return lambda: bound.run([x], [y])


def _append(
    ctx: Lowering, group: Group, problem: ConvolutionProblem, reason: str, name: str,
    plan: ConvolutionPlan[Any], **more: Any,
) -> None:  # fmt: skip
    """The step that packs the weights (once for all that pack them alike) and the one that convolves; `more` arguments
    override the plan's."""
    src, weights = group.anchor.inputs

    def pack() -> Address:
        packed = ctx.temporary(plan.packed_bytes)
        what = (
            "pack weights"
            if isinstance(plan.packer, (PackConvolutionWeights, PackPlanarWeights, MatrixWeights))
            else "transform weights"
        )
        kernel = plan.packer
        sources: dict[str, Any] = {"src": ctx.address(weights)}
        product = _channels_scaled(ctx, weights)
        if product is not None and isinstance(kernel, (PackConvolutionWeights, WinogradWeights, MatrixWeights)):
            kernel = replace(kernel, scaled=True)
            sources = {"src": ctx.address(product[0]), "scale": ctx.address(product[1])}
        ctx.step(kernel, algorithm=what, nbytes=2 * plan.packed_bytes, dst=packed, **sources, **plan.packing)
        return packed

    operands = ctx.epilogue(group)[1]
    arguments: dict[str, Any] = {**plan.arguments, **operands, **more}
    if "scratch" in plan.kernel.arguments:
        arguments |= ctx.scratch(plan.scratch_bytes)
    packed = ctx.once((weights, plan.packer, *plan.packing.values()), pack)
    if plan.apart is not None:
        arguments["apart"] = ctx.temporary(plan.apart.marks)
    ctx.step(
        plan.kernel,
        algorithm=name if problem.pool is None else f"{name} + {problem.pool}",
        reason=reason,
        shapes=str(problem),
        flops=problem.flops,
        nbytes=problem.nbytes,
        dst=ctx.address(group.output),
        src=ctx.address(src),
        weights=packed,
        **arguments,
    )
    if plan.apart is not None:
        own = {a: v for a, v in more.items() if a in plan.apart.kernel.arguments}
        _append_apart(ctx, group, plan.apart, packed, **operands, **own, apart=arguments["apart"])


def _append_apart(ctx: Lowering, group: Group, again: Apart, packed: Address, **more: Any) -> None:
    """The step that sums again, directly, the tiles in which the step before has found an outlier."""
    src, weights = group.anchor.inputs
    if again.raw:
        packed = ctx.address(weights)
    elif again.packer is not None:
        packer = again.packer

        def pack() -> Address:
            into, sizes = ctx.temporary(again.packed_bytes), again.packing
            ctx.step(packer, algorithm="pack weights", dst=into, src=ctx.address(weights), **sizes)
            return into

        packed = ctx.once((weights, packer, *again.packing.values()), pack)
    arguments: dict[str, Any] = again.arguments | more | ctx.scratch(again.scratch_bytes)
    ctx.step(
        again.kernel,
        algorithm="direct where there are outliers",
        parallel=True,
        dst=ctx.address(group.output),
        src=ctx.address(src),
        weights=packed,
        marks=again.marks,
        **arguments,
    )


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


def lower_direct(problem: ConvolutionProblem, ctx: Lowering, group: Group, reason: str) -> None:
    """Direct convolution of the anchor's inputs; `problem` says what they are."""
    plan = plan_direct(problem, ctx.target, ctx.epilogue(group)[0], ctx.threads)
    _append(ctx, group, problem, reason, f"direct {plan.kernel.tile}", plan, oc=ctx.pixel_stride(group.output))


def _winograd(outputs: int, taps: int) -> Algorithm:
    transform = Transform(outputs, taps)
    name = f"winograd F({outputs},{taps})"

    def lower(problem: ConvolutionProblem, ctx: Lowering, group: Group, reason: str) -> None:
        local = ctx.precision == "tight"
        plan = plan_winograd(
            problem, transform, ctx.target, ctx.epilogue(group)[0], ctx.threads, ctx.weights_from_memory, local
        )
        _append(
            ctx, group, problem, reason, f"{name} {plan.kernel.tile}", plan, dst_pixel=ctx.pixel_stride(group.output)
        )

    return Algorithm(
        name,
        lambda problem, ctx: refusal(problem, transform, ctx.target, ctx.precision),
        lambda problem, ctx: winograd_cost(problem, transform, ctx.target, ctx.weights_from_memory),
        lower,
        pools=lambda problem, ctx, group: pool_refusal(problem, transform),
    )


def lower_matrix(problem: ConvolutionProblem, ctx: Lowering, group: Group, reason: str) -> None:
    """The anchor's convolution, or product of rows and parameters, on a matrix unit."""
    plan, offsets = plan_matrix(problem, ctx.target, ctx.epilogue(group)[0], ctx.precision, ctx.threads)
    table = ctx.once(("offsets", offsets.tobytes()), lambda: ctx.constant(offsets))
    _append(
        ctx,
        group,
        problem,
        reason,
        f"matrix bf16x{plan.kernel.parts}",
        plan,
        oc=ctx.pixel_stride(group.output),
        offsets=table,
    )


def _lower_planar(problem: ConvolutionProblem, ctx: Lowering, group: Group, reason: str) -> None:
    plan = plan_planar(problem, ctx.target, ctx.epilogue(group)[0])
    k = plan.kernel
    _append(ctx, group, problem, reason, f"planar {k.vectors}x{k.rows}x{k.channels}", plan)


def _lower_fourier(problem: ConvolutionProblem, ctx: Lowering, group: Group, reason: str) -> None:
    plan = plan_fourier(problem, ctx.target, ctx.epilogue(group)[0], ctx.precision == "tight")
    factors, constants = _roots(ctx, plan.kernel.radices)
    plan = replace(plan, packing=plan.packing | constants)
    _append(ctx, group, problem, reason, f"fourier {plan.kernel.size}", plan, twiddles=factors)


def _lower_spectral(problem: ConvolutionProblem, ctx: Lowering, group: Group, reason: str) -> None:
    plan = plan_spectral(problem, ctx.target, ctx.epilogue(group)[0], ctx.threads, ctx.precision == "tight")
    factors, constants = _roots(ctx, plan.kernel.radices)
    plan = replace(plan, packing=plan.packing | constants)
    more = dict(twiddles=factors, dst_pixel=ctx.pixel_stride(group.output))
    _append(ctx, group, problem, reason, f"spectral {plan.kernel.size}", plan, **more)


def _roots(ctx: Lowering, radices: tuple[int, ...]) -> tuple[Address, dict[str, Address]]:
    """The tables of a transform: factors of its passes, and what the weights' transform takes."""

    def constants() -> tuple[Address, ...]:
        return tuple(map(ctx.constant, (twiddles(radices), *roots_and_order(radices))))

    factors, roots, order = ctx.once(("fourier", radices), constants)
    return factors, {"roots": roots, "order": order}


ALGORITHMS: tuple[Algorithm, ...] = (
    *(_winograd(*size) for size in ((4, 3), (2, 3), (6, 3), (4, 5), (2, 5), (2, 7))),
    Algorithm(
        "direct",
        lambda problem, ctx: None,
        lambda problem, ctx: direct_cost(problem, ctx.target),
        lower_direct,
        pools=lambda problem, ctx, group: direct_pool_refusal(problem, group.epilogue),
    ),
    Algorithm(
        "matrix",
        lambda problem, ctx: matrix_refusal(problem, ctx.target, ctx.precision),
        lambda problem, ctx: matrix_cost(problem, ctx.target, ctx.precision),
        lower_matrix,
        lambda problem, ctx: matrix_weights_cost(problem),
        lambda problem, ctx, group: (
            matrix_pool_refusal(problem, group.epilogue) or pooling_costs(problem, ctx.target, ctx.precision)
        ),
    ),
    Algorithm(
        "planar",
        lambda problem, ctx: planar_refusal(problem, ctx.target),
        lambda problem, ctx: planar_cost(problem, ctx.target),
        _lower_planar,
    ),
    Algorithm(
        "fourier",
        lambda problem, ctx: fourier_refusal(problem, ctx.target, ctx.precision),
        lambda problem, ctx: fourier_cost(problem, ctx.target),
        _lower_fourier,
        lambda problem, ctx: fourier_weights_cost(problem, ctx.target),
    ),
    Algorithm(
        "spectral",
        lambda problem, ctx: spectral_refusal(problem, ctx.target, ctx.precision),
        lambda problem, ctx: spectral_cost(problem, ctx.target, ctx.weights_from_memory),
        _lower_spectral,
        lambda problem, ctx: spectral_weights_cost(problem, ctx.target),
    ),
)
"""In order of preference."""
