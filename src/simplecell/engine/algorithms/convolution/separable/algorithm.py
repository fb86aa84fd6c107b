"""Separable convolutions: a depthwise convolution joined with the pointwise ones before and after it, where that pays.

Where the tensors between them do not stay in the second-level cache (at batch 1 and 2 MiB of cache, MobileNetV2's
blocks at 112×112 and 56×56), the joined step takes 0.5 to 0.8 of the time of its three parts. Where they do, all three
joined still take 0.95 of it at 28×28, since what lies between stays in the first level; at 14×14, where it gains little
and pixels cannot be tiled across rows, 0.97 to 1.01, at 7×7 1.02. So the joining is planned here, after fusion has
given each convolution its epilogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from simplecell.engine.algorithms.convolution.direct.weights import PackConvolutionWeights
from simplecell.engine.algorithms.convolution.separable.kernel import STAGES, Ring, Separable
from simplecell.engine.algorithms.convolution.separable.weights import PackPairs, pairs_pay
from simplecell.engine.algorithms.sliding import Sliding, sliding
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.tile import Tile, best_tile
from simplecell.engine.planning.choices import Chooser
from simplecell.engine.planning.groups import AnchoredGroup, Group, JoinedGroup
from simplecell.engine.planning.joins import Groups, joins
from simplecell.engine.planning.lowering import Lowering, lowers
from simplecell.engine.run.program import Address
from simplecell.engine.target import Target
from simplecell.graph.tensor import Tensor
from simplecell.ops.convolution import Convolution


@dataclass(frozen=True, eq=False)
class SeparableGroup(JoinedGroup):
    """A pointwise convolution, a depthwise one and another pointwise one, in this order; either of the pointwise ones
    may be missing."""

    @property
    def depthwise(self) -> Group:
        return next(g for g in self.members if _is_depthwise(g))

    @property
    def expand(self) -> Group | None:
        return None if self.members[0] is self.depthwise else self.members[0]

    @property
    def project(self) -> Group | None:
        return None if self.members[-1] is self.depthwise else self.members[-1]


@joins(order=1)
def joined(groups: Sequence[Group], chooser: Chooser) -> Groups:
    """The groups, with separable convolutions joined where it pays."""
    target, threads = chooser.setting.target, chooser.setting.threads
    made_by = {t: g for g in groups for t in g.outputs}
    users = Counter(t for g in groups for t in set(g.reads))
    users.update(chooser.facts.graph.outputs)
    read_by = {t: g for g in groups for t in g.reads}
    gone: set[Group] = set()
    replaced: dict[Group, Group] = {}
    for group in groups:
        if group in gone or not _is_depthwise(group):
            continue
        before, after = made_by.get(group.inputs[0]), read_by.get(group.output)
        if before is not None and (before in gone or users[before.output] > 1 or not _expands(before, group, target)):
            before = None
        if after is not None and (users[group.output] > 1 or not _projects(group, after, target)):
            after = None
        if not _pays(before, group, after, target, threads):
            continue
        parts = [g for g in (before, group, after) if g is not None]
        gone.update(parts)
        replaced[parts[-1]] = _join(before, group, after)
    return Groups(tuple(replaced.get(g, g) for g in groups if g in replaced or g not in gone))


def _pays(before: Group | None, group: Group, after: Group | None, target: Target, threads: int) -> bool:
    if before is None and (after is None or isinstance(_window(group).columns(_most(_window(group), target)), str)):
        return False
    if _beyond_cache(group.output if before is None else before.output, target):
        return True
    n, rows, columns, _ = group.output.shape
    return before is not None and after is not None and columns >= LONG and n * rows >= LONG * threads


LONG = 28
"""columns of a map, and its rows on each thread, for which joining pays within the cache"""


def _join(before: Group | None, depthwise: Group, after: Group | None) -> Group:
    parts = [g for g in (before, depthwise, after) if g is not None]
    inside = {g.output for g in parts[:-1]}
    inputs = tuple(dict.fromkeys(t for g in parts for t in g.reads if t not in inside))
    last = parts[-1]
    nodes = tuple(n for g in parts for n in g.nodes)
    return SeparableGroup(nodes, last.anchor, inputs, last.outputs, last.shape, tuple(parts))


def _is_depthwise(group: Group) -> bool:
    op = group.anchor.op
    if not isinstance(op, Convolution) or group.anchor.outputs[0].spec.dtype != "float32":
        return False
    src, weights = group.anchor.inputs
    if (
        len(src.shape) != 4
        or op.dilation != (1, 1)
        or 0 in group.output.shape
        or weights.shape[0] * weights.shape[1] > MOST_TAPS
    ):
        return False
    return op.groups == src.shape[-1] == weights.shape[-1] > 1


MOST_TAPS = 25
"""of a window: they are unrolled, for each pixel in registers"""


def _is_pointwise(group: Group) -> bool:
    op = group.anchor.op
    if not isinstance(op, Convolution) or op.groups != 1 or len(group.shape) != 4:
        return False
    kernel = group.anchor.inputs[1].shape[:2]
    return kernel == (1, 1) and op.strides == (1, 1) and op.padding == ((0, 0), (0, 0))


def _local(group: Group) -> bool:
    """Does the epilogue read nothing of the output's own shape?"""
    return not isinstance(group, AnchoredGroup) or "full" not in group.epilogue.kinds


def _beyond_cache(tensor: Tensor, target: Target) -> bool:
    return tensor.spec.nbytes > target.l2 // 2


def _small_weights(group: Group, target: Target) -> bool:
    """They are read once for each group of rows, so they should stay close."""
    return group.anchor.inputs[1].spec.nbytes <= target.l2 // 8


def _expands(before: Group, group: Group, target: Target) -> bool:
    ring = group.anchor.inputs[1].shape[0] * before.output.shape[2] * before.output.shape[3] * 4
    return (
        _is_pointwise(before)
        and _local(before)
        and _small_weights(before, target)
        and ring <= target.l2 // 4
        and group.inputs[0] is before.output
    )


def _projects(group: Group, after: Group, target: Target) -> bool:
    return (
        _is_pointwise(after)
        and _local(group)
        and _small_weights(after, target)
        and after.inputs[0] is group.output
        and sum(t is group.output for t in after.reads) == 1
    )


def _window(group: Group) -> Sliding:
    op, (src, weights), dst = group.anchor.op, group.anchor.inputs, group.anchor.outputs[0]
    assert isinstance(op, Convolution)
    return sliding(
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


@lowers(SeparableGroup)
def separable(ctx: Lowering, group: Group) -> str | None:
    assert isinstance(group, SeparableGroup)
    op = group
    window = _window(op.depthwise)
    src, weights = (op.expand or op.depthwise).inputs[0], op.depthwise.anchor.inputs[1]
    h, w, channels, oc, lanes = window.height, window.width, window.oc, group.shape[-1], ctx.target.lanes
    expand = best_tile(ctx.target, -(-channels // lanes), w.size) if op.expand else None
    pairs = op.project is not None and pairs_pay(oc, channels, lanes)
    reads = _ring(window, expand, ctx.target) if expand else window.columns(_most(window, ctx.target))
    assert not isinstance(reads, str)  # `joined` has seen to it
    rows, left = _rows(ctx, window) if expand else 1, max(w.pad, 0)  # a row by itself stays in the first-level cache
    pitch = left + max(w.size, (w.outputs - 1) * w.stride + w.taps - w.pad)
    least = ((h.outputs - 1) % rows + 1) * w.outputs  # pixels of the last group
    project = best_tile(ctx.target, 2 * oc // lanes if pairs else -(-oc // lanes), least) if op.project else None
    given: dict[str, Any] = {
        "src": ctx.address(src),
        "dst": ctx.address(group.output),
        "depthwise": ctx.address(weights),
        **{
            "n": window.n,
            "ih": h.size,
            "iw": w.size,
            "oh": h.outputs,
            "ow": w.outputs,
            "sh": h.stride,
            "ph": h.pad,
            "pw": w.pad,
        },
        **{"kh": h.taps, "rows": rows, "pitch": pitch},
        **{"ic": src.shape[-1], "channels": channels, "oc": oc},
    }
    epilogues: list[Epilogue] = []
    for stage, part, tile in zip(STAGES, (op.expand, op.depthwise, op.project), (expand, None, project)):
        epilogue, operands = ctx.epilogue(part) if part is not None else (NO_EPILOGUE, {})
        epilogues.append(epilogue)
        given |= {f"{stage}{i}": address for i, address in enumerate(operands.values())}
        if part is not None and tile is not None:
            tensor = part.anchor.inputs[1]
            given[stage] = _in_pairs(ctx, tensor) if pairs and tile is project else _packed(ctx, tensor, tile)
    stages = (epilogues[0], epilogues[1], epilogues[2])
    kernel = Separable(expand, reads, project, pairs, channels % lanes != 0, stages)
    rings = -(-channels // (expand.vectors * lanes)) * h.taps * pitch * expand.vectors * lanes if expand else 0
    parts = [g for g in (op.expand, op.depthwise, op.project) if g is not None]
    given |= ctx.scratch(4 * (rings + (rows * w.outputs * channels if op.project else 0)))
    ctx.step(
        kernel,
        algorithm="separable "
        + " + ".join(s for s, g in zip(STAGES, (op.expand, op.depthwise, op.project)) if g is not None),
        reason=f"joined: {rows} rows at a time, what lies between stays in the caches",
        shapes=f"{src.spec} * {h.taps}×{w.taps}, {channels} channels between → {group.output.spec}",
        flops=sum(_flops(g) for g in parts),
        nbytes=sum(t.spec.nbytes for t in (*group.inputs, group.output)),
        **{a: given[a] for a in kernel.arguments},
    )
    return None


def _most(window: Sliding, target: Target) -> int:
    """Outputs of the depthwise convolution in registers at a time, at most."""
    return min(8, target.registers - window.width.taps - 3)


def _ring(window: Sliding, expand: Tile, target: Target) -> Ring:
    w, most = window.width, min(_most(window, target), window.width.outputs)
    pixels = next((p for p in (8, 7, 6, 5, 4) if p <= most and w.outputs % p == 0), most)
    return Ring((window.height.taps, w.taps), w.stride, pixels, expand.vectors)


def _rows(ctx: Lowering, window: Sliding) -> int:
    """Rows of a group: so many that what lies between fits a share of the second-level cache, and that threads have
    equally many."""
    h, w = window.height, window.width
    fitting = max(1, ctx.target.l2 // 8 // (4 * w.outputs * window.oc))
    groups = -(-h.outputs // fitting)
    if window.n % ctx.threads:
        groups = -(-groups // ctx.threads) * ctx.threads
    return -(-h.outputs // groups)


def _flops(group: Group) -> int:
    weights = group.anchor.inputs[1].shape
    return 2 * group.anchor.outputs[0].spec.size * weights[0] * weights[1] * weights[2]


def _packed(ctx: Lowering, weights: Tensor, tile: Tile) -> Address:
    """Weights of a pointwise convolution, packed for the tile."""
    ic, oc = weights.shape[-2:]
    width = tile.vectors * ctx.target.lanes
    packing = {"taps": 1, "ic": ic, "oc": oc, "groups": 1, "merged": 1, "blocks": -(-oc // width), "width": width}
    return ctx.once((weights, "packed", *packing.values()), partial(_pack, ctx, weights, packing))


def _pack(ctx: Lowering, weights: Tensor, packing: dict[str, Any]) -> Address:
    nbytes = 4 * packing["ic"] * packing["blocks"] * packing["width"]
    packed = ctx.temporary(nbytes)
    ctx.step(
        PackConvolutionWeights(),
        algorithm="pack weights",
        nbytes=2 * nbytes,
        dst=packed,
        src=ctx.address(weights),
        **packing,
    )
    return packed


def _in_pairs(ctx: Lowering, weights: Tensor) -> Address:
    """Weights of a pointwise convolution, packed for two steps of depth at a time."""
    depth, oc = weights.shape[-2:]
    return ctx.once((weights, "in pairs"), partial(_pack_pairs, ctx, weights, depth, oc))


def _pack_pairs(ctx: Lowering, weights: Tensor, depth: int, oc: int) -> Address:
    packed = ctx.temporary(4 * depth * oc)
    ctx.step(
        PackPairs(),
        algorithm="pack weights",
        nbytes=8 * depth * oc,
        dst=packed,
        src=ctx.address(weights),
        depth=depth,
        oc=oc,
    )
    return packed
