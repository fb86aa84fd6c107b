"""Depthwise convolution and its gradients → steps.

Without strides, forward and the gradient for src are one kernel: the gradient slides the window turned round. With
strides, every output of the gradient sees only some of the taps, the same ones for every stride-th output: so it falls
into phases, windows without strides whose outputs lie `stride` pixels apart. `DepthwiseGradientSrc` computes them all
in one pass; what it cannot do takes a step for each.
"""

from __future__ import annotations

from itertools import product
from math import gcd
from typing import Any

from simplecell.engine.algorithms.convolution.depthwise.gradient_src_kernel import DepthwiseGradientSrc, Phase
from simplecell.engine.algorithms.convolution.depthwise.gradient_weights_kernel import DepthwiseGradientWeights
from simplecell.engine.algorithms.convolution.depthwise.kernel import DepthwiseAny, DepthwiseForward
from simplecell.engine.algorithms.sliding import MOST_COLUMNS, MOST_PIXELS, Axis, Sliding, sliding
from simplecell.engine.code.expression import Epilogue
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.window import Columns, plan_columns
from simplecell.engine.planning.groups import Group
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.engine.run.program import Address
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc, ConvolutionGradientWeights

BEFORE_CONVOLUTION = -10
"""asked before the lowerings of convolution in general"""


def _refusal(groups: int, ic: int, dtype: str, rank: int) -> str | None:
    if groups != ic or groups == 1:
        return f"not depthwise ({groups} groups, {ic} input channels)"
    if dtype != "float32":
        return f"depthwise: {dtype} has no machine code, float32 has"
    return "depthwise: more than 3 spatial axes" if rank > 3 else None


@lowers(Convolution, order=BEFORE_CONVOLUTION)
def forward(ctx: Lowering, group: Group) -> str | None:
    op, (src, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, Convolution)
    refusal = _refusal(op.groups, src.shape[-1], src.spec.dtype, len(src.shape) - 2)
    if refusal is not None:
        return refusal
    dst = group.anchor.outputs[0]
    window = sliding(
        src.shape[0],
        src.shape[1:-1],
        dst.shape[1:-1],
        weights.shape[:-2],
        op.strides,
        op.dilation,
        op.padding,
        src.shape[-1],
        dst.shape[-1],
    )
    epilogue, operands = ctx.epilogue(group)
    kernel, algorithm, reason = choose(ctx, window, epilogue)
    oc, (_, h, w) = window.oc, window.axes
    given = window.work(ctx) | {
        "src": ctx.address(src),
        "weights": ctx.address(weights),
        "dst": ctx.address(group.output),
    }
    given |= {"weights_plane": h.taps * w.taps * oc, "weights_row": w.taps * oc, "weights_column": oc, **operands}
    ctx.step(
        kernel,
        algorithm=algorithm,
        reason=reason,
        shapes=f"{src.spec} * {_kernel(weights.shape)} → {dst.spec}",
        flops=2 * window.taps * dst.spec.size,
        nbytes=src.spec.nbytes + weights.spec.nbytes + dst.spec.nbytes,
        **{a: given[a] for a in kernel.arguments},
    )
    return None


def choose(ctx: Lowering, window: Sliding, epilogue: Epilogue) -> tuple[Kernel, str, str]:
    """The table: unrolled columns, else any window. The kernel, its algorithm and the reason."""
    lanes, multiplier, summed = (
        ctx.target.lanes,
        max(window.oc // max(window.ic, 1), 1),
        max(window.ic // max(window.oc, 1), 1),
    )
    ragged = window.oc % lanes != 0
    # Registers: an accumulator per pixel, the weights of one row of taps, one column, one product where there is no
    # fused multiplication.
    together = rows_together(ctx, window)
    narrow = streams(ctx, window) and (together == 2 or window.height.stride > 1)
    most = min(4 if narrow else MOST_PIXELS, ctx.target.registers - window.width.taps - 3)
    columns = window.columns(most)
    if summed > 1:
        columns = f"every output sums {summed} channels"
    elif isinstance(columns, Columns) and multiplier > 1 and (ragged or (lanes % multiplier and multiplier % lanes)):
        columns = f"a channel multiplier of {multiplier} does not fit vectors of {lanes}"
    if isinstance(columns, Columns):
        kernel: Kernel = DepthwiseForward(columns, window.planes, multiplier, ragged, epilogue, together=together)
        what = "columns unrolled, borders known" + (", two rows at a time" if together == 2 else "")
        return kernel, "depthwise", f"groups = input channels; {what}"
    pixels = 2 if summed > 1 else 4 if multiplier > 1 else 8
    return (
        DepthwiseAny(pixels, window.planes, multiplier, ragged, epilogue, summed),
        "depthwise any window",
        f"unrolled: {columns}",
    )


def rows_together(ctx: Lowering, window: Sliding) -> int:
    """Two rows of outputs where they share at least two rows of the window: 3×3 at 28×28×192 takes 0.93 of the time of
    one by one, 5×5 at 28×28×240 0.86. Registers: two rows of sums, two rows of weights, one column."""
    h, taps = window.height, window.width.taps
    fits = 2 * MOST_PIXELS + 2 * taps + 2 <= ctx.target.registers
    return 2 if fits and not window.planes and h.dilation == 1 and h.taps - h.stride > 1 and h.outputs % 2 == 0 else 1


def streams(ctx: Lowering, window: Sliding) -> bool:
    """Is it bound by what lies beyond the second-level cache? Narrow tiles read that nearly in order: 3×3 at 56×56×144
    takes 0.127 ms with tiles of 4 pixels and 0.131 with 8, with stride 2 at 112×112×96 0.212 and 0.219 (copying the
    same bytes takes 0.112 and 0.200)."""
    d, h, w = window.axes
    values = window.n * (d.size * h.size * w.size * window.ic + d.outputs * h.outputs * w.outputs * window.oc)
    return 4 * values > ctx.target.l2 and h.taps * w.taps <= 9


@lowers(Convolution, order=BEFORE_CONVOLUTION + 1)
def grouped(ctx: Lowering, group: Group) -> str | None:
    """Groups of few channels: the depthwise kernel, summing over the inputs of a group. It reads a vector of inputs
    once for each of them and shuffles; direct convolution would multiply zeros in all lanes of the other groups."""
    op, (src, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, Convolution)
    dst, lanes = group.anchor.outputs[0], ctx.target.lanes
    inputs, outputs = weights.shape[-2], dst.shape[-1] // op.groups
    if op.groups == 1 or inputs == 1:
        return "grouped: each group has one input" if op.groups > 1 else "grouped: one group"
    if src.spec.dtype != "float32" or len(src.shape) > 5 or 0 in src.shape:
        return "grouped: float32 arrays of up to 3 spatial axes, not empty, have machine code"
    if lanes % outputs or 2 * outputs > lanes or inputs > outputs or dst.shape[-1] % lanes:
        return f"grouped: {inputs} → {outputs} channels in a group do not fit vectors of {lanes}"
    window = sliding(
        src.shape[0],
        src.shape[1:-1],
        dst.shape[1:-1],
        weights.shape[:-2],
        op.strides,
        op.dilation,
        op.padding,
        src.shape[-1],
        dst.shape[-1],
    )
    columns = window.columns(min(8, ctx.target.registers - window.width.taps - 4))
    if isinstance(columns, str):
        return f"grouped: {columns}"
    if window.width.taps * inputs > MOST_PRODUCTS:
        return f"grouped: {window.width.taps} × {inputs} products are too many to unroll"
    epilogue, operands = ctx.epilogue(group)
    kernel = DepthwiseForward(columns, window.planes, outputs, False, epilogue, inputs)
    h, w, oc = window.height, window.width, window.oc
    given = window.work(ctx) | {
        "src": ctx.address(src),
        "weights": ctx.address(weights),
        "dst": ctx.address(group.output),
        **operands,
    }
    given |= {
        "weights_plane": h.taps * w.taps * inputs * oc,
        "weights_row": w.taps * inputs * oc,
        "weights_column": inputs * oc,
    }
    ctx.step(
        kernel,
        algorithm="grouped",
        reason=f"{lanes // outputs} groups share a vector; columns unrolled, borders known",
        shapes=f"{src.spec} * {_kernel(weights.shape)}, {op.groups} groups → {dst.spec}",
        flops=2 * window.taps * inputs * dst.spec.size,
        nbytes=src.spec.nbytes + weights.spec.nbytes + dst.spec.nbytes,
        **{a: given[a] for a in kernel.arguments},
    )
    return None


MOST_PRODUCTS = 24
"""of one pixel in one row of the window: they are unrolled for up to 8 pixels, in three kinds of tiles"""


@lowers(ConvolutionGradientSrc, order=BEFORE_CONVOLUTION)
def gradient_src(ctx: Lowering, group: Group) -> str | None:
    op, (diff, weights) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, ConvolutionGradientSrc)
    src = group.anchor.outputs[0]
    ic, oc, rank = src.shape[-1], diff.shape[-1], len(src.shape) - 2
    refusal = _refusal(op.groups, ic, src.spec.dtype, rank)
    if refusal is not None:
        return refusal
    missing = 3 - rank
    axes = [Axis()] * missing + [
        Axis(i, o, k, s, d, p[0])
        for i, o, k, s, d, p in zip(
            op.src_spatial, diff.shape[1:-1], weights.shape[:-2], op.strides, op.dilation, op.padding, strict=True
        )
    ]
    epilogue, operands = ctx.epilogue(group)
    d, h, w = axes
    if oc == ic and d == Axis() and h.dilation == 1 and (h.stride > 1 or w.stride > 1):
        strided = _strided(ctx, w, ic, epilogue)
        if strided is not None:
            _one_pass(ctx, group, strided, (h, w), operands)
            return None
    pixel = (d.size * h.size * w.size * ic, h.size * w.size * ic, w.size * ic, ic)
    tap = (h.taps * w.taps * oc, w.taps * oc, oc)
    for phase in product(*(phases(a) for a in axes)):
        strides = (pixel[0], *(p * a.stride for p, a in zip(pixel[1:], axes)))
        window = Sliding(
            src.shape[0],
            phase[0][1],
            phase[1][1],
            phase[2][1],
            oc,
            ic,
            (strides[0], strides[1], strides[2], strides[3]),
        )
        kernel, _, reason = choose(ctx, window, epilogue)
        offset = 4 * sum(first * p for (first, *_), p in zip(phase, pixel[1:]))
        start = 4 * sum(tap_first * t for (_, _, tap_first, _), t in zip(phase, tap))
        given: dict[str, Any] = window.work(ctx)
        given |= {
            "src": ctx.address(diff),
            "weights": ctx.address(weights) + start,
            "dst": ctx.address(group.output) + offset,
        }
        given |= {
            name: -step * t
            for name, (*_, step), t in zip(("weights_plane", "weights_row", "weights_column"), phase, tap)
        }
        given |= {name: _moved(value, kind, offset) for (name, value), kind in zip(operands.items(), epilogue.kinds)}
        outputs = window.n * window.depth.outputs * window.height.outputs * window.width.outputs * ic
        ctx.step(
            kernel,
            algorithm="depthwise gradient for src",
            reason=f"the window turned round, by phases of the strides; {reason}",
            shapes=f"{diff.spec} * {_kernel(weights.shape)} → {src.spec}",
            flops=2 * window.taps * outputs,
            nbytes=4 * outputs * 2,
            **{a: given[a] for a in kernel.arguments},
        )
    return None


def _strided(ctx: Lowering, w: Axis, channels: int, epilogue: Epilogue) -> DepthwiseGradientSrc | None:
    """The kernel that computes all phases in one pass, if all their columns can be unrolled."""
    found = []
    for _, window, tap, step in phases(w):
        most = min(8, ctx.target.registers - window.taps - 3)
        columns = (
            plan_columns(window.taps, 1, window.dilation, window.pad, window.size, window.outputs, most)
            if w.taps <= MOST_COLUMNS
            else ""
        )
        if isinstance(columns, str):
            return None
        found.append(Phase(columns, window.pad, tap, step))
    if len(found) < w.stride or w.stride > MOST_PHASES:
        return None
    return DepthwiseGradientSrc(tuple(found), w.taps, channels % ctx.target.lanes != 0, epilogue)


MOST_PHASES = 3
"""of a row that are written out in one kernel"""


def _one_pass(
    ctx: Lowering, group: Group, kernel: DepthwiseGradientSrc, axes: tuple[Axis, Axis], operands: dict[str, Any]
) -> None:
    diff, weights = group.anchor.inputs
    src, (h, w) = group.anchor.outputs[0], axes
    n, channels = src.shape[0], src.shape[-1]
    turned = Sliding(
        n,
        Axis(),
        Axis(h.outputs, h.size, -(-h.taps // h.stride)),
        Axis(w.outputs, w.size, -(-w.taps // w.stride)),
        channels,
        channels,
    )
    work = turned.work(ctx)
    given = {"src": ctx.address(diff), "weights": ctx.address(weights), "dst": ctx.address(group.output), **operands}
    given |= {"n": n, "ih": h.outputs, "iw": w.outputs, "oh": h.size, "ow": w.size, "channels": channels}
    given |= {"block": work["block"], "strip": work["strip"], "kh": h.taps, "sh": h.stride, "ph": h.pad}
    ctx.step(
        kernel,
        algorithm="depthwise gradient for src",
        reason="all phases of the strides in one pass over the rows",
        shapes=f"{diff.spec} * {_kernel(weights.shape)} → {src.spec}",
        flops=2 * h.taps * w.taps * diff.spec.size,
        nbytes=diff.spec.nbytes + src.spec.nbytes,
        **{a: given[a] for a in kernel.arguments},
    )


def phases(a: Axis) -> list[tuple[int, Axis, int, int]]:
    """The gradient along one axis: per phase the first output, the window over diff_dst, its first tap, and how far the
    next tap lies before it.

    Output i gets tap k of position o where o · stride = i + pad − k · dilation.
    """
    found = []
    common = gcd(a.dilation, a.stride)
    for first in range(min(a.stride, a.size)):
        count = -(-(a.size - first) // a.stride)
        taps = [k for k in range(a.taps) if (first + a.pad - k * a.dilation) % a.stride == 0]
        if not taps:
            found.append((first, Axis(a.outputs, count, 0), 0, 0))
            continue
        # The last tap reads the first position.
        position = (first + a.pad - taps[-1] * a.dilation) // a.stride
        found.append(
            (first, Axis(a.outputs, count, len(taps), 1, a.dilation // common, -position), taps[-1], a.stride // common)
        )
    return found


@lowers(ConvolutionGradientWeights, order=BEFORE_CONVOLUTION)
def gradient_weights(ctx: Lowering, group: Group) -> str | None:
    op, (src, diff) = group.anchor.op, group.anchor.inputs
    assert isinstance(op, ConvolutionGradientWeights)
    refusal = _refusal(op.groups, src.shape[-1], src.spec.dtype, len(src.shape) - 2)
    if refusal is not None:
        return refusal
    ic, oc, lanes = src.shape[-1], diff.shape[-1], ctx.target.lanes
    window = sliding(
        src.shape[0], src.shape[1:-1], diff.shape[1:-1], op.kernel_size, op.strides, op.dilation, op.padding, ic, oc
    )
    width = window.width
    # Registers: taps × split sums, `split` vectors of diff_dst, one of src, one product.
    taps = max(t for t in range(1, 9) if width.taps % t == 0 and 2 * t + 4 <= ctx.target.registers)
    split = max(1, min(4, (ctx.target.registers - 2) // (taps + 1)))
    kernel = DepthwiseGradientWeights(
        taps, split, width.stride, width.dilation, window.planes, oc // ic, oc % lanes != 0
    )
    rows = 4 * (window.height.taps + 1) * window.depth.taps * width.size
    wanted = min(-(-oc // ctx.threads), max(ctx.target.l2 // 2 // rows, 4 * lanes))
    given = window.arguments(-(-wanted // lanes) * lanes) | {
        "src": ctx.address(src),
        "diff_dst": ctx.address(diff),
        "dst": ctx.address(group.output),
    }
    ctx.step(
        kernel,
        algorithm="depthwise gradient for weights",
        reason="groups = input channels; by blocks of channels, a row's sums in registers",
        shapes=f"{src.spec}, {diff.spec} → {group.output.spec}",
        flops=2 * window.taps * diff.spec.size,
        nbytes=src.spec.nbytes + diff.spec.nbytes,
        **{a: given[a] for a in kernel.arguments},
    )
    return None


def _moved(value: Any, kind: str, offset: int) -> Any:
    return value + offset if kind == "full" and isinstance(value, Address) else value


def _kernel(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape[:-2]))
