"""From a Python function on Keras variables to a network.

`TraceScope` lets the function run once on tensors: every variable that it reads becomes a parameter, every assignment
an update. `trace_function` makes the network of it; `step_program` makes programs of networks.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable
from keras.src.backend.common.stateless_scope import StatelessScope, get_stateless_scope

from simplecell.graph.graph import Graph, substitute
from simplecell.graph.network import Network, unused
from simplecell.graph.parts import Check, Parameter, Structure, Update, only
from simplecell.graph.tensor import Node, Tensor, as_tensor, placeholder
from simplecell.keras_backend.layer_calls import LayerCalls
from simplecell.keras_backend.variable import Variable
from simplecell.ops import elementwise
from simplecell.ops.base import Spec, spec_of


class TraceScope(StatelessScope):
    """Inside, a variable's value is a tensor. Variables need not be named before: reading one makes it an input."""

    def __init__(self) -> None:
        super().__init__(collect_losses=True)
        self.read: dict[int, tuple[Variable, Any]] = {}
        self.versions: dict[int, list[Any]] = {}
        self.assigned: dict[int, Any] = {}
        self.updated: dict[int, Variable] = {}
        self.data: set[Tensor] = set()
        """what stands for the step's data"""
        self.checks: list[Check] = []
        self.calls: LayerCalls | None = LayerCalls()

    def leaf(self, variable: Variable) -> Any:
        """What stands for the variable's value at the start."""
        # Whether a run changes it shows at the end of the trace; `trace_function` then puts an input in its place.
        return placeholder(Spec(variable._shape, variable._dtype), variable.path, "parameter")

    def get_current_value(self, variable: Variable) -> Any:
        key = id(variable)
        if key not in self.state_mapping:
            if key in self.updated:
                version = self.reread(variable, self.assigned[key])
            else:
                version = self.leaf(variable)
                self.read[key] = (variable, version)
            self.state_mapping[key] = version
            self.versions.setdefault(key, []).append(version)
        return self.state_mapping[key]

    def reread(self, variable: Variable, value: Any) -> Any:
        """What a variable reads as after `value` was assigned: the value, but not how it came about (no gradient flows
        through an assignment)."""
        return elementwise.stop_gradient(as_tensor(value))

    def add_update(self, update: tuple[Variable, Any]) -> None:
        variable, value = update
        self.updated[id(variable)] = variable
        self.assigned[id(variable)] = value
        self.state_mapping.pop(id(variable), None)

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """What an attempt that fails has done to variables inside is undone."""
        places = (self.read, self.versions, self.assigned, self.updated, self.state_mapping)
        before = [{k: list(v) if isinstance(v, list) else v for k, v in place.items()} for place in places]
        checks, losses, calls = len(self.checks), len(self.losses), 0 if self.calls is None else len(self.calls)
        try:
            yield
        except BaseException:
            for place, kept in zip(places, before, strict=True):
                place.clear()
                place.update(kept)
            del self.checks[checks:], self.losses[losses:]
            if self.calls is not None:
                self.calls.forget(calls)
            raise

    def version_in(self, variable: Variable, nodes: set[Node]) -> Any:
        """The last value of `variable` that one of `nodes` stands for; the present one if none does."""
        present = self.get_current_value(variable)
        for version in reversed(self.versions[id(variable)]):
            if isinstance(version, Tensor) and version.node in nodes:
                return version
        return present


def current_trace() -> TraceScope | None:
    scope = get_stateless_scope()
    while scope is not None and not isinstance(scope, TraceScope):
        scope = scope.original_scope
    return scope


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Tracing and planning make thousands of objects that stay; each search among them for garbage goes through all of
    Keras's too (a seventh of the time in which ResNet-50 is compiled)."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@uncollected()
def trace_function(
    function: Callable[[Any], Any],
    data: Any,
    *,
    name: str = "step",
    root: Any = None,
    inputs: Sequence[str] | None = None,
    outputs: Callable[[Any], Sequence[str]] | None = None,
) -> Network:
    """Trace `function(data)`, where the arrays in `data` give shapes and dtypes only.

    Args:
        name: the network's.
        root: the model whose call the function is; its own name is left out of the names of layers.
        inputs: a name for each array in `data`.
        outputs: names the leaves of what the function returns, given that.
    """
    leaves = tree.flatten(data)
    places = [i for i, x in enumerate(leaves) if isinstance(x, np.ndarray)]
    labels = [f"data {i}" for i in places] if inputs is None else list(inputs)
    given = {i: placeholder(spec_of(leaves[i]), label) for i, label in zip(places, labels, strict=True)}
    scope = TraceScope()
    scope.data.update(given.values())
    with scope:
        result = function(tree.pack_sequence_as(data, [given.get(i, x) for i, x in enumerate(leaves)]))
        result = tree.map_structure(lambda x: x.value if isinstance(x, KerasVariable) else x, result)
    flat = tree.flatten(result)
    names = [str(i) for i in range(len(flat))] if outputs is None else outputs(result)
    new = {k: as_tensor(scope.assigned[k]) for k in scope.updated}
    # What a run changes is handed in anew each time; what it only reads stays, with what is derived from it.
    varying = {t: placeholder(t.spec, v.path) for k, (v, t) in scope.read.items() if k in new}
    tensors = [x for x in flat if isinstance(x, Tensor)]
    moved: dict[Tensor, Tensor] = {}
    if varying:
        moved = substitute([*tensors, *new.values(), *scope.calls.tensors()], varying)
    named: dict[str, Tensor] = {}
    for leaf, leaf_name in zip(flat, names, strict=True):
        if isinstance(leaf, Tensor):
            named[unused(leaf_name, named)] = moved.get(leaf, leaf)
    parameters: dict[str, Parameter] = {}
    paths: dict[int, str] = {}
    for k, (v, t) in scope.read.items():
        paths[k] = unused(v.path, parameters)
        parameters[paths[k]] = Parameter(paths[k], moved.get(t, t), v)
    updates: dict[str, Update] = {}
    for k, v in scope.updated.items():
        path = paths[k] if k in paths else unused(v.path, [*parameters, *updates])
        updates[path] = Update(path, moved.get(new[k], new[k]), v)
    return Network(
        name=name,
        graph=Graph.of(
            [*(p.tensor for p in parameters.values()), *given.values()],
            [*named.values(), *(u.tensor for u in updates.values())],
        ),
        inputs=MappingProxyType(dict(zip(labels, given.values(), strict=True))),
        outputs=MappingProxyType(named),
        parameters=MappingProxyType(parameters),
        updates=MappingProxyType(updates),
        calls=scope.calls.calls(root, moved),
        structure=_structure(result, flat),
        batch_size=next((t.shape[0] for t in given.values() if t.shape), 1),
        checks=tuple(scope.checks),
    )


def _structure(result: Any, flat: Sequence[Any]) -> Structure:
    if isinstance(result, Tensor):
        return Structure((0,), only)
    place = count()
    return Structure(
        tuple(next(place) if isinstance(x, Tensor) else None for x in flat),
        partial(tree.pack_sequence_as, tree.map_structure(lambda x: None, result)),
        tuple(x for x in flat if not isinstance(x, Tensor)),
    )
