"""A network as text: one line per call of a layer, indented where one is called by another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING

from simplecell.graph.tensor import Placeholder, Tensor

if TYPE_CHECKING:
    from simplecell.graph.network import Network
    from simplecell.graph.parts import LayerCall

BATCH, OTHER = 12, 24
"""Batch sizes of the two traces whose shapes are compared: both can be divided by 2, 3, 4 and 6, as layers may want."""


def sizes(network: Network, tensor: Tensor) -> tuple[int | str, ...]:
    """The tensor's shape, by the batch size `n` where that is open (see Network.sizes)."""
    if network.batch_size is not None:
        return tensor.shape
    other = network.at(OTHER)
    if _keys(network) != _keys(other):  # what stands where there is not known
        return ("?",) * len(tensor.shape)
    return _by_batch(tensor.shape, network.counterpart(tensor, other).shape)


def _keys(network: Network) -> list[str]:
    return [call.key for call in network.calls]


def _by_batch(first: Sequence[int], second: Sequence[int]) -> tuple[int | str, ...]:
    if len(first) != len(second):
        return ("?",)
    return tuple(size_by_batch(a, b) for a, b in zip(first, second, strict=True))


def size_by_batch(first: int, second: int) -> int | str:
    """A size that is `first` for BATCH samples and `second` for OTHER: `4n`, `n/2`, `n + 1`, `n²`; the number itself
    if it is the same for both."""
    if first == second:
        return first
    if second * BATCH == first * OTHER:  # a multiple of the batch, or a part of it
        if first % BATCH == 0:
            return f"{first // BATCH}n" if first != BATCH else "n"
        if BATCH % first == 0:
            return f"n/{BATCH // first}"
    slope, rest = divmod(second - first, OTHER - BATCH)
    offset = first - slope * BATCH
    if rest == 0 and slope > 0 and abs(offset) < BATCH:
        return f"{slope if slope > 1 else ''}n {'+' if offset > 0 else '-'} {abs(offset)}"
    if second * BATCH**2 == first * OTHER**2 and first % BATCH**2 == 0:
        return f"{first // BATCH**2 if first != BATCH**2 else ''}n²"
    return "?"


def listing(network: Network) -> str:
    """See `Network.__str__`."""
    shapes = _Shapes(network)
    own = _parameters(network)
    rows = [("layer", "class", "output", "parameters")]
    for calls in _alike(network.calls, shapes):
        first, last = calls[0], calls[-1]
        name = "  " * first.depth + (first.key if first.parent is None else first.key[len(first.parent.key) + 1 :])
        if first is not last:
            name += f" … #{last.key.rpartition('#')[2]}"
        weights = ", ".join(f"{n} {'×'.join(map(str, s)) or '1'}" for n, s in own.get(first.scope, ()))
        rows.append((name, first.class_name, shapes.text(zip(first.output_names, first.outputs, strict=True)), weights))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("─" * width for width in widths))
    count = sum(prod(p.tensor.shape) for p in network.parameters.values())
    batch = "any batch size n" if network.batch_size is None else f"a batch of {network.batch_size}"
    given, results = (
        [f"{what}: {name} {t.spec.dtype} {shapes.one(t)}" for name, t in named.items()]
        for what, named in (("input", network.inputs), ("output", network.outputs))
    )
    assigned = [f"assigned by a run: {', '.join(network.updates)}"] if network.updates else []
    if shapes.by_batch:
        assigned.append(f"layers are called by the batch size: shown are the calls for n = {BATCH}")
    head = f"{network.name}: for {batch}, {count:,} numbers in {len(network.parameters)} parameters"
    return "\n".join([head, "", *(lines if network.calls else []), "", *given, *results, *assigned])


class _Shapes:
    """The texts of shapes."""

    def __init__(self, network: Network) -> None:
        self._others: dict[Tensor, Tensor] = {}
        self.by_batch = False
        """Are layers called more often for a larger batch?"""
        if network.batch_size is None:
            other = network.at(OTHER)
            named = {call.key: call for call in other.calls}
            self.by_batch = _keys(network) != _keys(other)
            for call in network.calls:
                if call.key in named:
                    self._others.update(zip(call.outputs, named[call.key].outputs, strict=False))
            # last, as these are known to be the same, and the calls of one number need not be
            for mine, theirs in ((network.inputs, other.inputs), (network.outputs, other.outputs)):
                self._others.update(zip(mine.values(), theirs.values(), strict=True))

    def one(self, tensor: Tensor) -> str:
        other = self._others.get(tensor, tensor)
        found = _by_batch(tensor.shape, other.shape)
        return f"({', '.join(map(str, found))}{',' if len(found) == 1 else ''})"

    def text(self, named: Iterable[tuple[str, Tensor]]) -> str:
        return ", ".join(f"{name} {self.one(t)}".strip() for name, t in named)


def _alike(calls: Sequence[LayerCall], shapes: _Shapes) -> list[list[LayerCall]]:
    """Calls that share a line: of one layer by one layer, one after the other, with nothing inside and one shape of
    result (the steps of a recurrent layer)."""
    parents = {call.parent for call in calls}
    groups: list[list[LayerCall]] = []
    for call in calls:
        before = groups[-1][-1] if groups else None
        if (
            before is not None
            and before.path == call.path
            and before.parent is call.parent
            and before.class_name == call.class_name
            and before not in parents
            and call not in parents
            and [shapes.one(t) for t in before.outputs] == [shapes.one(t) for t in call.outputs]
        ):
            groups[-1].append(call)
        else:
            groups.append([call])
    return groups


def _parameters(network: Network) -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """By a call's scope: last name and shape of each parameter that its own code reads."""
    scopes = {call.scope for call in network.calls}
    tensors = {p.tensor: p for p in network.parameters.values()}
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for node in network._nodes:
        if isinstance(node.op, Placeholder):
            continue
        for t in node.inputs:
            if t in tensors:
                scope = node.scope
                while scope and scope not in scopes:
                    scope = scope.rpartition("/")[0]
                found.setdefault(scope, {})[tensors[t].name.rpartition("/")[2]] = t.shape
    return {scope: list(named.items()) for scope, named in found.items()}
