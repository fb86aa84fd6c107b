"""The gradients of convolutions → steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

from simplecell.engine.algorithms.convolution.depthwise.algorithm import phases
from simplecell.engine.algorithms.convolution.direct.algorithm import plan_direct
from simplecell.engine.algorithms.convolution.direct.gradient import WeightsPlan, plan_weights, weights_cost
from simplecell.engine.algorithms.convolution.direct.gradient_kernel import SumParts
from simplecell.engine.algorithms.convolution.direct.kernel import SPREAD
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.table import chosen_for, convolve
from simplecell.engine.algorithms.convolution.turning import SpreadZeros, TurnWeights
from simplecell.engine.algorithms.convolution.winograd.gradient import (
    WinogradWeightsPlan,
    plan_winograd_weights,
    refusal,
    winograd_weights_cost,
)
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.algorithms.sliding import Axis
from simplecell.engine.planning.algorithm import Choice
from simplecell.engine.planning.choices import Chooser, chooses
from simplecell.engine.planning.groups import AnchoredGroup, Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.engine.run.program import Address
from simplecell.graph.tensor import Node, Tensor, placeholder
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc, ConvolutionGradientWeights


@dataclass(frozen=True)
class WeightsAlgorithm:
    """`refuses` returns why it cannot (None: it can); `cost` predicts nanoseconds; `plan` gives the kernel of all its
    work but the sum of the parts."""

    name: str
    refuses: Callable[[ConvolutionProblem, Lowering], str | None]
    cost: Callable[[ConvolutionProblem, Lowering], float]
    plan: Callable[[ConvolutionProblem, Lowering, int], WeightsPlan | WinogradWeightsPlan]


def _winograd(transform: Transform) -> WeightsAlgorithm:
    return WeightsAlgorithm(
        f"winograd F({transform.outputs},{transform.taps})",
        lambda problem, ctx: refusal(problem, transform, ctx.target, ctx.precision),
        lambda problem, ctx: winograd_weights_cost(problem, transform, ctx.target),
        lambda problem, ctx, images: plan_winograd_weights(
            problem, transform, ctx.target, ctx.threads, ctx.precision == "tight"
        ),
    )


WEIGHTS: tuple[WeightsAlgorithm, ...] = (
    _winograd(Transform(4, 3)),
    _winograd(Transform(4, 5)),
    WeightsAlgorithm(
        "direct",
        lambda problem, ctx: None,
        lambda problem, ctx: weights_cost(problem, ctx.target),
        lambda problem, ctx, images: plan_weights(problem, images, ctx.target, ctx.threads),
    ),
)
"""In order of preference; the cheapest that does not refuse is taken."""


@lowers(ConvolutionGradientWeights)
def gradient_weights(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a gradient for the weights: the sums over pixels, and the sum of the parts if there are
    several."""
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
    # The costs are those on one thread: bits, and so the algorithm, may not depend on how many threads there are.
    costs, notes = {}, []
    for algorithm in WEIGHTS:
        refused = algorithm.refuses(problem, ctx)
        if refused is None:
            costs[algorithm.name] = algorithm.cost(problem, ctx)
            notes.append(f"{algorithm.name} predicted {costs[algorithm.name] / 1e3:.0f} µs")
        else:
            notes.append(f"not {algorithm.name}: {refused}")
    chosen = min((a for a in WEIGHTS if a.name in costs), key=lambda a: costs[a.name])
    plan = chosen.plan(problem, ctx, src.shape[0])
    result = ctx.address(dst)
    into = result if plan.parts == 1 else ctx.temporary(plan.parts * dst.spec.nbytes)
    scratch: dict[str, Any] = {**ctx.scratch(plan.scratch_bytes)} if plan.scratch_bytes else {}
    ctx.step(
        plan.kernel,
        algorithm=f"{chosen.name} gradient for weights {plan.kernel.tile}",
        reason=f"{'; '.join(notes)}; {plan.reason}",
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
        sizes: dict[str, Any] = {"parts": plan.parts, "size": dst.spec.size}
        ctx.step(
            SumParts(),
            algorithm="sum of parts",
            nbytes=(plan.parts + 1) * dst.spec.nbytes,
            src=into,
            dst=result,
            **sizes,
        )
    return None


@lowers(ConvolutionGradientSrc)
def gradient_src(ctx: Lowering, group: Group) -> str | None:
    """Append the steps of a gradient for the input (or of a transposed convolution).

    Without strides that is a convolution of diff_dst with the weights turned round, padded with what the kernel reaches
    over: its lowering takes over, with all of its algorithms. With strides, see `_by_phases`.
    """
    op, (diff_dst, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, ConvolutionGradientSrc)
    if diff_dst.spec.dtype != "float32":
        return f"machine code is for float32, this is {diff_dst.spec.dtype}"
    if 0 in (diff_dst.spec.size, weights.spec.size, group.output.spec.size):
        return "an array is empty"
    if len(op.src_spatial) > 3:
        return "more than three spatial axes"
    forward_op, choice = _forward(op, weights.shape), ctx.choice(group)
    if forward_op is None or choice is None:
        _by_phases(ctx, group, op)
        return None
    assert isinstance(group, AnchoredGroup)
    turned = placeholder(Spec(_turned_shape(op, weights.shape)), "turned weights")
    every = [Taps(k, k - 1, 1) for k in weights.shape[:-2]]
    ctx.view(turned, ctx.once((weights, "turned"), lambda: _turned(ctx, weights, op.groups, every)))
    convolve(ctx, replace(group, anchor=Node(forward_op, (diff_dst, turned), group.anchor.scope)), choice)
    return None


@chooses(ConvolutionGradientSrc)
def chosen(chooser: Chooser, group: Group) -> Choice[ConvolutionProblem] | None:
    """By which algorithm the gradient for the input is computed, where it is a convolution."""
    op, (diff_dst, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, ConvolutionGradientSrc)
    forward = _forward(op, weights.shape) if len(op.src_spatial) <= 3 else None
    if forward is None or diff_dst.spec.dtype != "float32" or 0 in (diff_dst.spec.size, weights.spec.size):
        return None
    shape = _turned_shape(op, weights.shape)
    # What it takes to bring the turned weights into an algorithm's form is not counted, though that is done in each
    # step of training: it is little beside a batch of pixels.
    return chosen_for(chooser, forward, diff_dst.shape, shape, False)


def _forward(op: ConvolutionGradientSrc, weights: tuple[int, ...]) -> Convolution | None:
    """The convolution of diff_dst with the turned weights that the gradient is; None if it is not one."""
    reach = tuple((k - 1) * d for k, d in zip(weights[:-2], op.dilation))
    padding = tuple((r - low, r - high) for r, (low, high) in zip(reach, op.padding))
    if max(op.strides) > 1 or min(map(min, padding)) < 0:
        return None
    return Convolution((1,) * len(reach), padding, op.dilation, op.groups)


def _turned_shape(op: ConvolutionGradientSrc, weights: tuple[int, ...]) -> tuple[int, ...]:
    return (*weights[:-2], weights[-1] // op.groups, weights[-2] * op.groups)


@dataclass(frozen=True)
class Taps:
    """Some taps of one axis, from the last one backwards."""

    count: int
    last: int
    step: int


def _turned(ctx: Lowering, weights: Tensor, groups: int, taps: list[Taps]) -> Address:
    """A temporary with the weights of these taps turned round."""
    missing = 3 - len(taps)
    kernel = (1,) * missing + weights.shape[:-2]
    ic, oc = weights.shape[-2], weights.shape[-1] // groups
    nbytes = 4 * prod(t.count for t in taps) * ic * weights.shape[-1]
    address = ctx.temporary(nbytes)
    given: dict[str, Any] = {
        "dst": address,
        "src": ctx.address(weights),
        "ic": ic,
        "oc": oc,
        "groups": groups,
        "kh": kernel[1],
        "kw": kernel[2],
    }
    for a, t in zip("zyx", [Taps(1, 0, 1)] * missing + taps):
        given |= {f"taps_{a}": t.count, f"last_{a}": t.last, f"step_{a}": t.step}
    ctx.step(TurnWeights(), algorithm="turn weights", nbytes=2 * nbytes, **given)
    return address


def _by_phases(ctx: Lowering, group: Group, op: ConvolutionGradientSrc) -> None:
    """With strides, an output meets only the taps that lead back to it from a whole position: the same ones for every
    stride-th output. So the gradient falls into phases, one step each: convolutions without strides by some of the
    taps, whose outputs lie `stride` pixels apart. Nothing is multiplied by zero."""
    diff_dst, weights = group.anchor.inputs
    rank, ic, oc = len(op.src_spatial), group.output.shape[-1], diff_dst.shape[-1]
    axes = [Axis()] * (3 - rank) + [
        Axis(i, o, k, s, d, p[0])
        for i, o, k, s, d, p in zip(
            op.src_spatial, diff_dst.shape[1:-1], weights.shape[:-2], op.strides, op.dilation, op.padding, strict=True
        )
    ]
    n, (_, height, width) = diff_dst.shape[0], axes
    pixel = (
        height.size * width.size * ic,
        width.size * ic,
        ic,
    )  # values from one plane, row, pixel of the gradient to the next
    epilogue, operands = ctx.epilogue(group)
    for phase in product(*(phases(a) for a in axes)):
        offset = 4 * sum(first * p for (first, *_), p in zip(phase, pixel))
        windows = [w for _, w, _, _ in phase]
        strides = (axes[0].size * pixel[0], *(p * a.stride for p, a in zip(pixel, axes)))
        given: dict[str, Any] = {**dict(zip(SPREAD, strides)), "dst": ctx.address(group.output) + offset}
        # Operands of the gradient's own shape are read where the phase writes.
        given |= {e: at + offset if kind == "full" else at for (e, at), kind in zip(operands.items(), epilogue.kinds)}
        outputs = [w.outputs for w in windows]
        reason = f"strides {'×'.join(map(str, op.strides))}: phase {'×'.join(str(p[0]) for p in phase[3 - rank :])}"
        if min(w.taps for w in windows) == 0:
            extents: dict[str, Any] = dict(zip(("images", "planes", "rows", "pixels", "channels"), (n, *outputs, ic)))
            ctx.step(
                SpreadZeros(epilogue),
                algorithm="zeros",
                reason=f"{reason}, which no tap reaches",
                nbytes=4 * n * prod(outputs) * ic,
                **extents,
                **given,
            )
            continue
        taps = [Taps(w.taps, last, step) for _, w, last, step in phase]
        problem = _phase_problem(n, oc, ic, op.groups, windows)
        plan = plan_direct(problem, ctx.target, epilogue, ctx.threads, spread=True)
        turned = _turned(ctx, weights, op.groups, taps[3 - rank :])
        packed, packing = ctx.temporary(plan.weights.nbytes), plan.weights
        ctx.step(
            packing.kernel,
            algorithm=packing.title,
            nbytes=2 * packing.nbytes,
            dst=packed,
            src=turned,
            **packing.schedule.arguments(),
        )
        if plan.kernel.copy:
            given |= ctx.scratch(plan.scratch_bytes)
        given |= plan.schedule.arguments()
        ctx.step(
            plan.kernel,
            algorithm=f"direct {plan.kernel.tile}",
            reason=reason,
            shapes=str(problem),
            flops=problem.flops,
            nbytes=problem.nbytes,
            src=ctx.address(diff_dst),
            weights=packed,
            **given,
        )


def _phase_problem(n: int, ic: int, oc: int, groups: int, windows: list[Axis]) -> ConvolutionProblem:
    """The convolution of one phase; `ic` and `oc` are its own: channels of diff_dst, channels of the gradient."""

    def three(values: Iterable[int]) -> tuple[int, int, int]:
        a, b, c = values
        return a, b, c

    high = three(max(0, w.outputs + (w.taps - 1) * w.dilation - w.pad - w.size) for w in windows)
    return ConvolutionProblem(
        n, ic, oc, groups, three(w.size for w in windows), three(w.outputs for w in windows),
        three(w.taps for w in windows),
        (1, 1, 1), three(w.dilation for w in windows), three(w.pad for w in windows), high,
    )  # fmt: skip
