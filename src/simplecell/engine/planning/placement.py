"""Joining channels without copying: what a concatenation joins is written into its place by the step that computes it.

A placed tensor is a range of the channels of a larger one: its pixels lie as far apart as the larger one's. Its writer
must be able to write so, and all its readers to read so; the others are copied as before. A concatenation may itself be
placed in a larger one: a dense block is then one buffer, whose prefixes its layers read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simplecell.engine.planning.groups import AnchoredGroup, Group, LoopGroup
from simplecell.graph.tensor import Tensor
from simplecell.ops.convolution import Convolution
from simplecell.ops.elementwise import Binary, Cast, Select, Unary
from simplecell.ops.shaping import Concatenate

NARROW = 16
"""Parts of fewer channels are copied: that costs little, and leaves their writers the choice of an algorithm that needs
dense outputs."""


@dataclass(frozen=True, eq=False)
class Place:
    """A tensor's channels begin at `channel` of `whole`'s."""

    whole: Tensor
    channel: int


def places(groups: Sequence[Group], outputs: Sequence[Tensor]) -> Mapping[Tensor, Place]:
    """Where each tensor that need not be copied lies. `outputs` are the graph's own, which are dense."""
    made_by = {t: g for g in groups for t in g.outputs}
    readers: dict[Tensor, list[Group]] = defaultdict(list)
    for group in groups:
        for t in group.reads:
            readers[t].append(group)
    dense = set(outputs)
    found: dict[Tensor, Place] = {}
    for group in reversed(groups):  # the largest first, so that a concatenation knows whether it is placed itself
        if not _joins_channels(group):
            continue
        own = found.get(group.output, Place(group.output, 0))
        channel = own.channel
        for t in group.inputs:
            if (
                t not in dense
                and t not in found
                and t in made_by
                and _writes_strided(made_by[t])
                and _read_strided(t, readers[t])
            ):
                found[t] = Place(own.whole, channel)
            channel += t.shape[-1]
    return found


def _joins_channels(group: Group) -> bool:
    op = group.anchor.op
    return (
        isinstance(op, Concatenate)
        and op.axis % len(group.shape) == len(group.shape) - 1
        and group.output.spec.dtype == "float32"
    )


def _writes_strided(group: Group) -> bool:
    op = group.anchor.op
    if isinstance(op, Concatenate):
        return _joins_channels(group)
    if isinstance(op, Convolution) and isinstance(group, AnchoredGroup):
        return group.output.shape[-1] >= NARROW and op.groups == 1 and "full" not in group.epilogue.kinds
    return False


def _read_strided(tensor: Tensor, readers: Sequence[Group]) -> bool:
    joins = sum(_joins_channels(g) for g in readers)
    loops = sum(
        isinstance(g, LoopGroup) and isinstance(g.anchor.op, (Unary, Binary, Select, Cast)) and g.shape == tensor.shape
        for g in readers
    )
    return joins == 1 and joins + loops == len(readers)
