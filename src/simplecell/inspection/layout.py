"""Which axes of a tensor are spatial and which holds the channels, as the graph says it: convolutions, pooling and
resizing have the channels last. From there the axes are followed, both ways, through transposes, reshapes and what
works element by element."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Literal

from simplecell.graph.network import Network
from simplecell.graph.tensor import Node, Tensor
from simplecell.inspection.dependence import Link, dependence
from simplecell.inspection.networks import channel_axis
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc
from simplecell.ops.linear import MatMul
from simplecell.ops.pooling import AveragePool, MaxPool
from simplecell.ops.resampling import Resize

Role = Literal["spatial", "channels"]

CHANNELS_LAST = (Convolution, ConvolutionGradientSrc, MaxPool, AveragePool, Resize)

_known: weakref.WeakKeyDictionary[Network, dict[tuple[Tensor, int], Role]] = weakref.WeakKeyDictionary()


def layout_of(network: Network, tensor: Tensor) -> tuple[tuple[int, ...], int | None]:
    """The spatial axes of a tensor of the network, and the axis of its channels (None if it has none); axis 0 is the
    batch.

    A picture without an axis for channels (28 × 28, which a layer reshapes) has two spatial axes. A vector has none,
    and no channels. Where no convolution, pool or resize is in reach of three or more axes, they are those of the
    layer that returns the tensor, else of Keras's data format (see `networks.channel_axis`).
    """
    rank = len(tensor.shape)
    if network not in _known:
        _known[network] = _roles(network)
    roles = [_known[network].get((tensor, a)) for a in range(1, rank)]
    channels = roles.index("channels") + 1 if "channels" in roles else None
    if not any(roles):
        if rank < 3:
            return (), None
        calls = [c for c in network.calls if any(t is tensor for t in c.outputs)]
        calls += [c for c in network.calls if any(t is tensor for t in c.inputs)]
        channels = channel_axis(calls[0] if calls else None, rank)
    return tuple(a for a in range(1, rank) if a != channels), channels


def _roles(network: Network) -> dict[tuple[Tensor, int], Role]:
    nodes = network.graph.nodes
    known: dict[tuple[Tensor, int], Role] = {}
    for node in nodes:
        if isinstance(node.op, CHANNELS_LAST):
            for t in (node.inputs[0], *node.outputs):
                last = len(t.shape) - 1
                known.update({(t, a): "channels" if a == last else "spatial" for a in range(1, last + 1)})
    for _ in range(2):  # the second time from what the first one has found before the first convolution
        for node in nodes:
            for before, after in _linked(node):
                if before in known:
                    known.setdefault(after, known[before])
        for node in reversed(nodes):
            for before, after in _linked(node):
                if after in known:
                    known.setdefault(before, known[after])
    return known


def _linked(node: Node) -> Iterator[tuple[tuple[Tensor, int], tuple[Tensor, int]]]:
    """An axis of an input and one of an output, where the two are one axis, or both hold channels."""
    if isinstance(node.op, CHANNELS_LAST):
        return
    for k, out in enumerate(node.outputs):
        for links, t in zip(dependence(node, k), node.inputs):
            for link in links or ():
                if isinstance(link, Link) and link.input_axis and link.output_axis:
                    yield (t, link.input_axis), (out, link.output_axis)
            if isinstance(node.op, MatMul) and t is node.inputs[0]:  # a layer on the channels of each place
                yield (t, len(t.shape) - 1), (out, len(out.shape) - 1)
