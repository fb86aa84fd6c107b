"""A network: what stands between a model and its programs, and what everything that looks inside a model reads.

A graph, its inputs, outputs and parameters by name, and where each layer of the user's model begins and ends in it.
Front ends make it (`simplecell.trace` does from a Keras model); nothing here knows one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from simplecell.calling import InputSpec, inputs_of
from simplecell.graph.graph import Graph, evaluate, topological
from simplecell.graph.parts import Check, LayerCall, Parameter, Structure, Update, structure_of
from simplecell.graph.tensor import Node, Placeholder, Tensor


@dataclass(frozen=True, eq=False)
class Network:
    """A graph with named parameters, and the layers in it. Made by `simplecell.trace`; print it to see what it holds.

    Called with arrays it computes by the NumPy reference: `network(x)`. `simplecell.compile(network)` makes machine
    code of it. It holds no values of parameters: each use reads those that the model has then.
    """

    name: str
    graph: Graph
    """Its inputs are those of `parameters` and of `inputs`; its outputs are `outputs`, then `updates`. Where the batch
    size is open, it is the graph for some batch size: `at` gives the one for another."""
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    parameters: Mapping[str, Parameter]
    updates: Mapping[str, Update]
    """What a run assigns, by the parameter's name: the moving averages of batch normalization in training, states.
    `network(x)` assigns nothing; programs do at their end."""
    calls: tuple[LayerCall, ...]
    """in the order in which they begin"""
    structure: Structure
    checks: tuple[Check, ...] = ()
    """what must hold of the inputs, or a run means nothing"""
    batch_size: int | None = None
    """None: it runs for any."""
    origin: Callable[[int | None], Network] | None = field(default=None, repr=False)
    """makes the same network for another batch size (None: open)"""
    _made: dict[int, Network] = field(default_factory=dict, repr=False)

    # --- computing ----------------------------------------------------------------------------------------------------

    def __call__(self, x: Any) -> Any:
        """The outputs for `x`, by the NumPy reference: slow, and what programs are tested against. Nothing is assigned.

        Args:
            x: one array `(batch, …)`, or a list of them for several inputs, or a dict by the inputs' names.

        Returns:
            What the model returns; after `with_outputs` the value that was asked for, or a dict of them by name.

        Raises:
            ValueError: for a wrong number of inputs, rank, size or dtype.
        """
        arrays = inputs_of(x, self.input_specs, tuple(self.inputs))
        network = self.at(arrays[0].shape[0])
        values = {p.tensor: p.array for p in network.parameters.values()}
        values.update(zip(network.inputs.values(), arrays, strict=True))
        for (name, tensor), array in zip(network.inputs.items(), arrays, strict=True):
            if array.shape != tensor.shape:
                raise ValueError(f"x: input `{name}` must have shape {tensor.shape}, got {array.shape}.")
        for check in network.checks:
            check(*(values[t] for t in check.sources))
        wanted = Graph.of(network.graph.inputs, list(network.outputs.values()))
        with np.errstate(all="ignore"):
            results = evaluate(wanted, [values[t] for t in wanted.inputs])
        return network.structure([np.array(y) for y in results])

    @property
    def input_specs(self) -> list[InputSpec]:
        """Shape without the batch axis, and dtype, of each input."""
        return [(t.shape[1:], t.dtype) for t in self.inputs.values()]

    def at(self, batch_size: int) -> Network:
        """This network for one batch size.

        Raises:
            ValueError: it was traced for another one alone.
        """
        if self.batch_size is not None:
            if batch_size != self.batch_size:
                raise ValueError(
                    f"batch_size: the network was traced for a batch of {self.batch_size}, got {batch_size}. Trace it "
                    "with batch_size=None for any."
                )
            return self
        found = self._made.get(batch_size)
        if found is None:
            assert self.origin is not None
            found = self.origin(batch_size)
            if {(c.path, c.class_name) for c in found.calls} != {(c.path, c.class_name) for c in self.calls}:
                raise ValueError(
                    f"The layers that `{self.name}` calls are others for a batch of {batch_size} than when it was "
                    "traced: the model has changed, or it chooses layers by the batch size. Trace it anew, with "
                    "batch_size."
                )
            while len(self._made) >= KEPT:
                self._made.pop(next(iter(self._made)), None)
            self._made[batch_size] = found
        return found

    # --- layers -------------------------------------------------------------------------------------------------------

    def call_of(self, layer: Any, call: int | None = None) -> LayerCall:
        """One call of a layer.

        Args:
            layer: a name as in `print(network)` (`conv`, `conv#2`, `outer/inner`), the layer itself, or one of these
                and the number of its call, `("conv", 2)`. Without a number it is the first call.

        Raises:
            KeyError: there is no such call; the message says which there are.
        """
        if isinstance(layer, LayerCall):
            if not any(c is layer for c in self.calls):
                layer = layer.key  # of this network for another batch size
            else:
                return layer
        if isinstance(layer, tuple) and len(layer) == 2 and isinstance(layer[1], (int, np.integer)):
            return self.call_of(layer[0], int(layer[1]))
        if isinstance(layer, str):
            found = [] if call is not None else [c for c in self.calls if c.key == layer]
            if not found:
                path, _, digits = layer.rpartition("#")
                if call is None and path and digits.isdigit():
                    return self.call_of(path, int(digits))
                found = [c for c in self.calls if c.path == layer]
        else:
            found = [c for c in self.calls if c.is_of(layer)]
        if not found:
            raise KeyError(Message(self._unknown(layer)))
        number = 1 if call is None else call
        if not 1 <= number <= len(found):
            raise KeyError(
                Message(
                    f"layer: `{found[0].path}` is called {len(found)} time(s), and call {number} was asked for. Its "
                    f"calls are {', '.join(c.key for c in found)}."
                )
            )
        return found[number - 1]

    def _unknown(self, layer: Any) -> str:
        import difflib

        names = [c.key for c in self.calls]
        if not isinstance(layer, str):
            name = getattr(layer, "name", None)
            what = f"{type(layer).__name__} `{name}`" if isinstance(name, str) else repr(layer)
            return (
                f"layer: {what} is not called in `{self.name}`. Give a layer of the model, its name, or a tensor of "
                f"this network, each as an argument of its own. Its layers are {_listed(names)}."
            )
        inside = [n for n in names if n.split("/")[-1].split("#")[0] == layer.split("/")[-1].split("#")[0]]
        close = list(dict.fromkeys([*inside, *difflib.get_close_matches(layer, names, 3, 0.6)]))[:3]
        hint = f" Did you mean {' or '.join(f'`{n}`' for n in close)}?" if close else ""
        return f"layer: there is no `{layer}` in `{self.name}`.{hint} Its layers are {_listed(names)}."

    def outputs_of(self, layer: Any) -> tuple[Tensor, ...]:
        """The tensors that a layer's call returns, one after the other (see `call_of` for `layer`, and
        `LayerCall.output_names` for which is which). A layer that returns what it was given has its input there."""
        return self.call_of(layer).outputs

    def nodes_of(self, layer: Any) -> tuple[Node, ...]:
        """The nodes that were recorded inside of a layer's call, those of layers inside it included."""
        scope = self.call_of(layer).scope
        return tuple(n for n in self._nodes if n.scope == scope or n.scope.startswith(scope + "/"))

    def with_outputs(self, *values: Any) -> Network:
        """This network with other outputs: any values in it, which can so be computed, or compiled.

        Args:
            values: layers, as in `outputs_of`; names of inputs; or tensors of this network.

        Returns:
            A network whose outputs are named after the layers (`layer:place` where a layer returns several). Called,
            it gives the one value, or a dict of them. It assigns nothing (`updates` is empty).

        Raises:
            KeyError: for a layer that is not there.
            ValueError: for a value that is not part of the graph, as it is computed inside of a loop.

        Example:
            >>> network.with_outputs("conv1", "conv2")(x)["conv1"]
        """
        if not values:
            raise ValueError("with_outputs: needs at least one layer or tensor.")
        named: dict[str, Tensor] = {}
        for value in values:
            for name, tensor in self._named(value):
                if named.get(name, tensor) is not tensor:
                    name = unused(name, named)
                named[name] = tensor
        self._check(named)
        origin = None
        if self.origin is not None:
            origin = Selection(self, tuple((name, self._place(t)) for name, t in named.items()))
        return self.giving(named, origin)

    def giving(self, named: Mapping[str, Tensor], origin: Callable[[int | None], Network] | None) -> Network:
        """This network with these outputs, which `origin` makes for another batch size."""
        return replace(
            self,
            graph=Graph.of(self.graph.inputs, list(named.values())),
            outputs=MappingProxyType(dict(named)),
            updates=MappingProxyType({}),
            structure=structure_of(list(named)),
            origin=origin,
            _made={},
        )

    def _named(self, value: Any) -> list[tuple[str, Tensor]]:
        """Names and tensors of one argument of `with_outputs`."""
        if isinstance(value, Tensor):
            return [(self._name(value), value)]
        if isinstance(value, str) and value in self.inputs and not any(c.key == value for c in self.calls):
            return [(value, self.inputs[value])]
        call = self.call_of(value)
        if not call.outputs:
            raise ValueError(f"layer: `{call.key}` returns no tensor.")
        several = len(call.outputs) > 1
        return [
            (f"{call.key}:{place}" if several else call.key, t)
            for place, t in zip(call.output_names, call.outputs, strict=True)
        ]

    def _name(self, tensor: Tensor) -> str:
        for name, other in (*self.inputs.items(), *self.outputs.items()):
            if other is tensor:
                return name
        for call in self.calls:
            for place, other in zip(call.output_names, call.outputs, strict=True):
                if other is tensor:
                    return f"{call.key}:{place}" if len(call.outputs) > 1 else call.key
        for name, parameter in self.parameters.items():
            if parameter.tensor is tensor:
                return name
        return f"{tensor.node.scope}/{tensor.node.op.name}".lstrip("/")

    def _check(self, named: Mapping[str, Tensor]) -> None:
        """Are they all computed from the inputs and parameters?"""
        given = {t.node for t in self.graph.inputs}
        for name, tensor in named.items():
            if any(isinstance(n.op, Placeholder) and n not in given for n in topological([tensor])):
                raise ValueError(
                    f"`{name}` has no one value in `{self.name}`: it is computed inside of a loop, anew in each pass "
                    "(keras.ops.while_loop), or it is a tensor of another network. Ask for what the loop returns."
                )

    @cached_property
    def _nodes(self) -> tuple[Node, ...]:
        """All nodes: what the outputs need, and what layers computed for nobody."""
        return topological([*self.graph.outputs, *(t for c in self.calls for t in c.outputs)])

    def _place(self, tensor: Tensor) -> tuple[int, int]:
        """Where it is among all nodes: the same place in this network for another batch size."""
        place = self._numbers.get(tensor.node)
        if place is None:
            raise ValueError(
                f"with_outputs: {tensor} is not a value of `{self.name}`. Give a tensor that is, or a layer's name."
            )
        return place, tensor.index

    @cached_property
    def _numbers(self) -> dict[Node, int]:
        nodes = dict(zip(self._nodes, range(len(self._nodes)), strict=True))
        for t in self.graph.inputs:  # also those that nothing reads
            nodes.setdefault(t.node, len(nodes))
        return nodes

    def counterpart(self, tensor: Tensor, other: Network) -> Tensor:
        """The tensor of `other`, this network for another batch size, that stands where `tensor` does here."""
        return other.located(*self._place(tensor), like=self)

    def located(self, number: int, index: int, like: Network) -> Tensor:
        """The tensor at a place among all nodes, if they are those of `like`."""
        mine, theirs = list(self._numbers), list(like._numbers)
        if [type(n.op) for n in mine] != [type(n.op) for n in theirs]:
            raise ValueError(
                f"`{self.name}` is computed in another way for each batch size (its operations are others for "
                f"{self.batch_size} than for {like.batch_size or 'the one it was traced for'}), so that a value inside "
                "has no one place. Trace it with batch_size."
            )
        return mine[number].outputs[index]

    # --- text ---------------------------------------------------------------------------------------------------------

    def sizes(self, tensor: Tensor) -> tuple[int | str, ...]:
        """The tensor's shape, with `n` for the batch size where that is open, and `4n`, `n/2` or `n + 1` for what
        depends on it; `?` where that is not seen."""
        from simplecell.graph.listing import sizes

        return sizes(self, tensor)

    def __str__(self) -> str:
        from simplecell.graph.listing import listing

        return listing(self)

    def __repr__(self) -> str:
        return f"<network {self.name}: {len(self.calls)} layer calls, {len(self.graph.nodes)} nodes>"

    def __reduce__(self) -> Any:
        if self.origin is None:
            raise TypeError(f"Network `{self.name}` cannot be copied or pickled: it was not traced from a model.")
        return _again, (self.origin, self.batch_size)


KEPT = 4
"""batch sizes whose graphs a network keeps"""


@dataclass(frozen=True, eq=False)
class Selection:
    """Makes `network.with_outputs(…)` for another batch size."""

    network: Network
    places: tuple[tuple[str, tuple[int, int]], ...]

    def __call__(self, batch_size: int | None) -> Network:
        base = self.network
        if batch_size is not None:
            base = base.at(batch_size)
        return base.giving({name: base.located(*place, like=self.network) for name, place in self.places}, self)


class Message(str):
    """A KeyError prints its argument's repr; this one's is the text itself."""

    def __repr__(self) -> str:
        return str(self)


def unused(name: str, taken: Collection[str]) -> str:
    """`name`, or `name#2`, `name#3` … if it is taken."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}#{number}"
    return candidate


def _listed(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:most]) or "none"
    return shown + (f" and {len(names) - most} more (print the network)" if len(names) > most else "")


def _again(origin: Callable[[int | None], Network], batch_size: int | None) -> Network:
    return origin(batch_size)
