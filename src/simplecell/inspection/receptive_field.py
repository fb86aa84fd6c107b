"""Receptive and projective fields: which part of the input a value depends on, and which values a part of the input
can reach. Exact, through skips, branches, pooling, dilation, transposed convolutions and up-sampling."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from simplecell.graph.network import Network
from simplecell.graph.tensor import Node, Tensor
from simplecell.inspection.axes import START, Field, Interval, Whole
from simplecell.inspection.dependence import Box, Links, Reshaped, back, dependence, forward, union
from simplecell.inspection.networks import network_of, output_of, spatial_axes


@dataclass(frozen=True)
class ReceptiveField:
    """What the values of a layer see of one input, along the input's spatial axes (those without batch and channels).

    The value at position `p` of an axis sees the elements from `start + p · stride`, `size` of them at most; some of
    them may lie in the padding, outside of the input. Where every value sees the whole axis (behind a flatten, a mean
    over the picture, attention), `stride` and `start` are 0, and `size` is the axis. Where values see parts of
    different sizes (behind up-sampling), `size` is the largest, and `region` has each.
    """

    layer: str
    input: str
    size: tuple[int, ...]
    stride: tuple[int | Fraction, ...]
    """elements of the input from the field of one value to that of the next; below 1 behind up-sampling"""
    start: tuple[int, ...]
    """the first element that the first value sees; negative: it lies in the padding"""
    _network: Network = field(repr=False, compare=False)
    _tensor: Tensor = field(repr=False, compare=False)
    _axes: tuple[int, ...] = field(repr=False, compare=False)
    """the spatial axes of the layer's output"""
    _fields: tuple[Field | None, ...] = field(repr=False, compare=False)
    _along: tuple[int | None, ...] = field(repr=False, compare=False)
    """for each axis of the input, which of the layer's decides"""

    def region(self, at: int | Sequence[int], clip: bool = True) -> tuple[slice, ...]:
        """The smallest box that holds all elements of the input that a value depends on.

        Args:
            at: the value's position along the spatial axes of the layer's output: one number per axis.
            clip: what is there of the input, exactly: padding, of the input and of the maps between, is no part of it.
                If not, the whole window, which may reach over the edges.

        Returns:
            One slice per spatial axis of the input. `x[0][region]` is the part, for channels that come last.

        Raises:
            ValueError: `at` has another number of positions than the output has spatial axes.
            IndexError: it lies outside of the output.
        """
        places = _position(at, self._tensor, self._axes, self.layer)
        if not clip:
            found = []
            for whole, f, along in zip(self.size, self._fields, self._along):
                first, last = (0, whole - 1) if f is None or along is None else f.at(places[along])
                found.append(slice(first, last + 1))
            return tuple(found)
        box = _boxes_back(self._network, self._tensor, _box(self._tensor, places)).get(self._network.inputs[self.input])
        axes = spatial_axes(None, len(self._network.inputs[self.input].shape))
        return tuple(slice(0, 0) if box is None else slice(box[a][0], box[a][1] + 1) for a in axes)

    def __str__(self) -> str:
        def row(values: Sequence[object]) -> str:
            return " × ".join(map(str, values))

        return (
            f"`{self.layer}` sees {row(self.size)} of `{self.input}`: the first value from {row(self.start)}, each "
            f"next one {row(self.stride)} further"
        )


def receptive_field(model: Any, layer: Any, input: str | None = None, x: Any = None) -> Any:
    """What the values of a layer see of the model's input.

    Args:
        model: a Keras model, or a `Network`.
        layer: a name, a layer, or (name or layer, number of the call).
        input: the name of an input; None: the only one, or all.
        x: where the model leaves sizes open: an array like its input, or the shape with the batch axis (a list of them
            for several inputs).

    Returns:
        A ReceptiveField; for several inputs, a dict of them by name. An input that the layer does not see has a `size`
        of 0.

    Raises:
        KeyError: for a layer or an input that is not there.

    Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019, whose
    recurrences are applied to intervals, so that paths that do not agree are joined.

    Example:
        >>> field = receptive_field(model, "conv2")
        >>> field.size, field.stride, field.start
        >>> model_input[0][field.region((3, 4))]
    """
    network = network_of(model, x)
    if input is not None and input not in network.inputs:
        raise KeyError(f"input: there is no `{input}`. The inputs are {', '.join(network.inputs)}.")
    call, tensor = output_of(network, layer)
    axes = spatial_axes(call, len(tensor.shape))
    names = list(network.inputs) if input is None else [input]
    found = {name: _field_of(network, name, call.key, tensor, axes) for name in names}
    return next(iter(found.values())) if len(names) == 1 else found


def projective_field(
    model: Any, layer: Any, at: int | Sequence[int], input: str | None = None, x: Any = None
) -> tuple[slice, ...]:
    """Which values of a layer an element of the input can reach: the smallest box that holds them.

    Args:
        at: the element's position along the spatial axes of the input.
        input: the name of the input; None: the only one.
        x: as of `receptive_field`.

    Returns:
        One slice per spatial axis of the layer's output; empty ones where nothing is reached.
    """
    network = network_of(model, x)
    if input is None:
        if len(network.inputs) > 1:
            raise ValueError(f"input: the model has several ({', '.join(network.inputs)}). Name one.")
        input = next(iter(network.inputs))
    if input not in network.inputs:
        raise KeyError(f"input: there is no `{input}`. The inputs are {', '.join(network.inputs)}.")
    call, tensor = output_of(network, layer)
    source = network.inputs[input]
    places = _position(at, source, spatial_axes(None, len(source.shape)), f"input {input}")
    boxes: dict[Tensor, Box] = {source: _box(source, places)}
    for node in network.graph.nodes:
        for t in node.inputs:
            if t not in boxes:
                continue
            for k, out in enumerate(node.outputs):
                reached = _reached(node, k, boxes)
                if reached is not None:
                    boxes[out] = reached
            break
    box = boxes.get(tensor)
    axes = spatial_axes(call, len(tensor.shape))
    return tuple(slice(0, 0) if box is None else slice(box[a][0], box[a][1] + 1) for a in axes)


# --- one value: boxes -------------------------------------------------------------------------------------------------


def _position(at: int | Sequence[int], tensor: Tensor, axes: Sequence[int], what: str) -> tuple[int, ...]:
    places = (int(at),) if not isinstance(at, Sequence) and not hasattr(at, "__len__") else tuple(map(int, at))  # type: ignore[arg-type]
    if len(places) != len(axes):
        raise ValueError(
            f"at: `{what}` has {len(axes)} spatial axes, and {len(places)} positions came. Give one number for each."
        )
    for place, a in zip(places, axes):
        if not 0 <= place < tensor.shape[a]:
            sizes = " × ".join(str(tensor.shape[a]) for a in axes)
            raise IndexError(f"at: {places} lies outside of `{what}`, which is {sizes}.")
    full = dict(zip(axes, places))
    return tuple(full.get(a, -1) for a in range(len(tensor.shape)))


def _box(tensor: Tensor, places: Sequence[int]) -> Box:
    """All channels of the first image at a position; -1: the whole axis."""
    found: list[Interval] = [(0, 0)]
    return tuple([*found, *((0, n - 1) if p < 0 else (p, p) for p, n in zip(places[1:], tensor.shape[1:]))])


def _boxes_back(network: Network, tensor: Tensor, box: Box) -> dict[Tensor, Box]:
    """What of each tensor before it a box of a tensor depends on."""
    boxes: dict[Tensor, Box] = {tensor: box}
    for node in reversed(network.graph.nodes):
        for k, out in enumerate(node.outputs):
            here = boxes.get(out)
            if here is None:
                continue
            for links, t in zip(dependence(node, k), node.inputs):
                read = union(boxes.get(t), None if links is None else back(links, here, t.spec))
                if read is not None:
                    boxes[t] = read
    return boxes


def _reached(node: Node, output: int, boxes: Mapping[Tensor, Box]) -> Box | None:
    """Which values of a node's output depend on what its inputs' boxes hold."""
    found: Box | None = None
    for links, t in zip(dependence(node, output), node.inputs):
        if links is not None and t in boxes:
            found = union(found, forward(links, boxes[t], node.outputs[output].spec))
    return found


# --- all values: fields -----------------------------------------------------------------------------------------------

Along = tuple[int, Field] | None
"""For an axis of the input: the axis of a tensor that decides which part of it is seen, and the field; None: all of it
is."""

_known: weakref.WeakKeyDictionary[Network, dict[str, dict[Tensor, tuple[Along, ...]]]] = weakref.WeakKeyDictionary()


def fields(network: Network, name: str) -> dict[Tensor, tuple[Along, ...]]:
    """What every tensor that sees the input sees of each of its axes."""
    known = _known.setdefault(network, {})
    if name not in known:
        source = network.inputs[name]
        found: dict[Tensor, tuple[Along, ...]] = {source: tuple((a, START) for a in range(len(source.shape)))}
        for node in network.graph.nodes:
            if not any(t in found for t in node.inputs):
                continue
            for k, out in enumerate(node.outputs):
                ways = [
                    tuple(_behind(along, links) for along in found[t])
                    for links, t in zip(dependence(node, k), node.inputs)
                    if links is not None and t in found
                ]
                if ways:
                    found[out] = tuple(map(_joined, zip(*ways)))
        known[name] = found
    return known[name]


def _behind(along: Along, links: Links) -> Along:
    if along is None:
        return None
    for one in links:
        if isinstance(one, Reshaped):
            link = one.outermost(along[0]) if along[0] in one.input_axes else None
        else:
            link = one if one.input_axis == along[0] else None
        if link is not None and link.output_axis is not None and not isinstance(link.axis, Whole):
            seen = along[1].behind(link.axis)
            return None if seen is None else (link.output_axis, seen)
    return None


def _joined(ways: Sequence[Along]) -> Along:
    found = ways[0]
    for way in ways[1:]:
        if found is None or way is None or found[0] != way[0]:
            return None
        both = found[1].joined(way[1])
        if both is None:
            return None
        found = (found[0], both)
    return found


def _field_of(network: Network, name: str, layer: str, tensor: Tensor, axes: tuple[int, ...]) -> ReceptiveField:
    source = network.inputs[name]
    seen = fields(network, name).get(tensor)
    spatial = spatial_axes(None, len(source.shape))
    if seen is None:
        none = (0,) * len(spatial)
        return ReceptiveField(layer, name, none, none, none, network, tensor, axes, (None,) * len(spatial), none)
    found = [seen[a] for a in spatial]
    usual = [f if f is None or f[0] in axes else None for f in found]
    return ReceptiveField(
        layer,
        name,
        tuple(source.shape[a] if f is None else f[1].size for a, f in zip(spatial, usual)),
        tuple(0 if f is None else _number(f[1].stride) for f in usual),
        tuple(0 if f is None else f[1].firsts[0] for f in usual),
        network,
        tensor,
        axes,
        tuple(None if f is None else f[1] for f in usual),
        tuple(None if f is None else f[0] for f in usual),
    )


def _number(value: Fraction) -> int | Fraction:
    return int(value) if value.denominator == 1 else value
