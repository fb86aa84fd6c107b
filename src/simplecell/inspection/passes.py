"""One pass through a network that keeps what every layer returns: what all that looks at values stands on.

The values are those of one program, in which each layer's output is written to memory. Asked for some layers, the
program goes no further than they need, and computes them bit for bit as the program for all layers does.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simplecell.calling import inputs_of
from simplecell.graph.graph import topological
from simplecell.graph.listing import BATCH
from simplecell.graph.network import Network
from simplecell.graph.parts import LayerCall
from simplecell.graph.tensor import Node, Placeholder, Tensor
from simplecell.inspection.networks import all_outputs, calls_of, network_of
from simplecell.inspection.receptive_field import fields
from simplecell.precision import KERAS, Precision, checked
from simplecell.program import CompiledModel

PIECE = 1 << 29
"""Bytes of values that a program writes at once: a larger batch goes through in pieces."""


class Probe:
    """The program that writes what the calls in `wanted` return. See `probe_of`."""

    def __init__(self, network: Network, wanted: Sequence[LayerCall], precision: Precision) -> None:
        self.network = network
        self.wanted = [c.key for c in wanted]
        self._written = [c.key for c in _needed(network, wanted)]
        self._tensors: weakref.WeakKeyDictionary[Network, list[Tensor]] = weakref.WeakKeyDictionary()
        self.piece = _piece(network)
        """samples that go through at once; None: all of them, since the network mixes samples"""
        tensors = self.tensors(network)
        self._program = CompiledModel(network.with_outputs(*tensors), None, None, precision, False) if tensors else None

    def tensors(self, network: Network) -> list[Tensor]:
        """What the program writes, as tensors of the network for some batch size; each once."""
        found = self._tensors.get(network)
        if found is None:
            found = self._tensors[network] = self._found(network)
        return found

    def _found(self, network: Network) -> list[Tensor]:
        calls = {c.key: c for c in network.calls}
        gone = [key for key in self._written if key not in calls]
        if gone:
            raise ValueError(
                f"model: `{network.name}` calls `{gone[0]}` for some batch sizes only. Pass a network for one in its "
                f"place: simplecell.trace(model, batch_size={network.batch_size})."
            )
        return list({t: None for key in self._written for t in calls[key].outputs if not _given(t)})

    def run(self, arrays: Sequence[np.ndarray], out: Mapping[Tensor, np.ndarray] | None = None) -> Pass:
        """One pass over at most a piece.

        Args:
            arrays: one for each input.
            out: where to write what some tensors (of the network for that batch size) hold.
        """
        network = self.network.at(arrays[0].shape[0])
        tensors = self.tensors(network)
        into = [np.empty(t.shape, t.dtype) if out is None or t not in out else out[t] for t in tensors]
        if self._program is not None:
            self._program(list(arrays) if len(arrays) > 1 else arrays[0], into if len(into) > 1 else into[0])
        values = dict(zip(tensors, into, strict=True))
        values.update(zip(network.inputs.values(), arrays, strict=True))
        return Pass(network, values)


@dataclass(frozen=True, eq=False)
class Pass:
    """The values of one pass: what the layers returned, and all that follows from it."""

    network: Network
    """for as many samples as went through"""
    _values: dict[Tensor, np.ndarray] = field(repr=False)

    def stored(self, tensor: Tensor) -> bool:
        """Was its value written by the program, or given to it?"""
        return tensor in self._values

    def value(self, tensor: Tensor) -> np.ndarray:
        """The value of any tensor of `network`, batch axis first: as the program wrote it; what it did not write
        (inside of a layer, between layers, weights) is computed by the reference from what it wrote. It must not be
        written to."""
        found = self._values.get(tensor)
        if found is not None:
            return found
        for parameter in self.network.parameters.values():
            if parameter.tensor is tensor:
                return parameter.array
        values: dict[Tensor, np.ndarray] = {}
        stack: list[Node] = [tensor.node]
        while stack:
            node = stack[-1]
            missing = [t.node for t in node.inputs if t not in values and t not in self._values and t.node is not node]
            if isinstance(node.op, Placeholder):
                values[node.outputs[0]] = self.value(node.outputs[0])
            elif missing:
                stack.extend(missing)
                continue
            elif node.outputs[0] not in values:
                with np.errstate(all="ignore"):
                    result = node.op.reference(*(values[t] if t in values else self._values[t] for t in node.inputs))
                several = result if isinstance(result, tuple) else (result,)
                for t, value in zip(node.outputs, several, strict=True):
                    values[t] = np.asarray(value, t.dtype)
            stack.pop()
        self._values[tensor] = values[tensor]
        return values[tensor]


_probes: weakref.WeakKeyDictionary[Network, dict[Any, Probe]] = weakref.WeakKeyDictionary()


def probe_of(network: Network, layers: Any = None, precision: str = KERAS) -> Probe:
    """The program that writes what `layers` return (see `networks.calls_of`; None: all of them). It is kept."""
    calls = calls_of(network, layers)
    if not calls:
        raise ValueError(f"layers: none was named. `{network.name}` has {len(network.calls)}; None stands for all.")
    key = tuple(c.key for c in calls), checked(precision)
    known = _probes.setdefault(network, {})
    if key not in known:
        if len(known) >= KEPT:
            known.pop(next(iter(known)))
        known[key] = Probe(network, calls, checked(precision))
    return known[key]


KEPT = 8
"""programs of a network that are kept, for other layers"""


def pass_of(model: Any, x: Any, layers: Any = None, sample: int = 0, precision: str = KERAS) -> tuple[Pass, int]:
    """The pass that a sample of a batch goes through, and the sample's place in it.

    Its values are those of `feature_maps(model, x)` bit for bit: the same pieces of the batch go through.

    Args:
        x: the batch, as the model takes it.
        layers: how far the pass goes (see `networks.calls_of`); None: all layers.
        sample: the place in the batch.

    Raises:
        IndexError: there is no such sample.
    """
    network = network_of(model, x)
    arrays = inputs_of(x, network.input_specs, tuple(network.inputs))
    count = arrays[0].shape[0]
    if not isinstance(sample, (int, np.integer)) or not -count <= sample < count:
        raise IndexError(f"sample: must be one of the {count} in `x`, from 0 to {count - 1}; got {sample!r}.")
    sample = int(sample) % count
    probe = probe_of(network, layers, precision)
    step = probe.piece or count
    first = sample // step * step
    return probe.run([a[first : first + step] for a in arrays]), sample - first


def _given(tensor: Tensor) -> bool:
    return isinstance(tensor.node.op, Placeholder)


def _needed(network: Network, wanted: Sequence[LayerCall]) -> list[LayerCall]:
    """The calls whose outputs are written so that those of `wanted` come out as when all are written: what comes
    before them, and what reads the same (convolutions of one input are computed together)."""
    before = set(topological([t for c in wanted for t in c.outputs]))
    around = {c.parent for c in network.calls}

    def there(call: LayerCall) -> bool:
        return all(t.node in before for t in call.outputs)

    def beside(call: LayerCall) -> bool:
        return call not in around and bool(call.inputs) and all(t.node in before for t in call.inputs)

    return [c for c in network.calls if c.outputs and (there(c) or beside(c))]


def _piece(network: Network) -> int | None:
    """How many samples go through at once: the same number, whichever layers are asked for."""
    if network.batch_size is not None or not samples_stay_apart(network):
        return None
    each = sum(t.size * t.dtype.itemsize for t in set(all_outputs(network).values())) // BATCH
    return max(1, PIECE // max(each, 1))


def samples_stay_apart(network: Network) -> bool:
    """Does each layer's output, for each sample, depend on no other sample? The network's batch size must be open."""
    seen = [fields(network, name) for name in network.inputs]
    for call in network.calls:
        for t in call.outputs:
            ways = [found[t][0] for found in seen if t in found]
            if not ways or any(
                way is None or way[0] != 0 or way[1].size != 1 or way[1].stride != 1 or way[1].firsts[0] != 0
                for way in ways
            ):
                return False
    return True
