"""A network with further inputs and outputs: gradients of its values, statistics of its maps. Compiled, and kept."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from simplecell.forks import lock
from simplecell.graph.graph import Graph
from simplecell.graph.network import Network
from simplecell.graph.parts import structure_of
from simplecell.graph.tensor import Tensor
from simplecell.keras_backend.program_cache import ProgramCache
from simplecell.keras_backend.step_program import StepProgram
from simplecell.precision import KERAS, Precision, checked

Build = Callable[[Network], tuple[dict[str, Tensor], dict[str, Tensor]]]
"""Of a network for one batch size: further inputs (placeholders), and outputs, by name."""

KEPT = 16
"""derived programs that are kept of one network"""


class Derived:
    """Made by `derived`. One program per batch size."""

    def __init__(self, network: Network, build: Build, precision: Precision) -> None:
        self._network, self._build, self._precision = weakref.ref(network), build, precision
        self._programs: ProgramCache[tuple[StepProgram, tuple[str, ...], tuple[str, ...]]] = ProgramCache(
            lambda made: made[0].executable
        )

    def run(self, arrays: Sequence[np.ndarray], **further: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by name, as new arrays.

        Args:
            arrays: one for each input of the network (see `calling.inputs_of`).
            further: the further inputs by name; converted to their dtypes.

        Raises:
            ValueError: for another set of further inputs, or another shape.
        """
        count = arrays[0].shape[0]
        program, inputs, outputs = self._programs.get(count, lambda: self._made(count))
        if set(inputs) != set(further):
            raise ValueError(f"further: must be {', '.join(inputs) or 'none'}, got {', '.join(further) or 'none'}.")
        specs = [t.spec for t in program.graph.inputs[-len(inputs) :]] if inputs else []
        given = [np.ascontiguousarray(further[name], spec.dtype) for name, spec in zip(inputs, specs, strict=True)]
        for name, array, spec in zip(inputs, given, specs, strict=True):
            if array.shape != spec.shape:
                raise ValueError(f"{name}: must have shape {spec.shape}, got {array.shape}.")
        results = [np.empty(shape, dtype) for shape, dtype in program.results]
        program([*arrays, *given], results)
        return dict(zip(outputs, results, strict=True))

    def _made(self, batch_size: int) -> tuple[StepProgram, tuple[str, ...], tuple[str, ...]]:
        network = self._network()
        assert network is not None  # whoever runs this holds it
        base = network.at(batch_size)
        further, outputs = self._build(base)
        made = replace(
            base,
            graph=Graph.of([*base.graph.inputs, *further.values()], list(outputs.values())),
            inputs=MappingProxyType({**base.inputs, **further}),
            outputs=MappingProxyType(outputs),
            updates=MappingProxyType({}),
            structure=structure_of(list(outputs)),
            batch_size=batch_size,
            origin=None,
            _made={},
        )
        return StepProgram(made, precision=self._precision), tuple(further), tuple(outputs)


_derived: weakref.WeakKeyDictionary[Network, OrderedDict[Hashable, Derived]] = weakref.WeakKeyDictionary()
_lock = lock()


def derived(network: Network, key: Hashable, build: Build, precision: str = KERAS) -> Derived:
    """A program that computes further values from a network's, for any batch size. Nothing is assigned to variables.

    Args:
        key: whoever asks again with the same one, and the same precision, gets the same program: it must say all that
            `build` depends on. Programs of a function that is not named by it must not be kept: pass `object()`.
        build: called with the network for one batch size; returns further inputs (placeholders) and the outputs, by
            name, made of the network's tensors by `simplecell.ops`, Python's operators and `graph.gradients`. It must
            not hold on to the model or the network.

    Example:
        >>> def build(net):
        ...     (y,) = net.outputs.values()
        ...     seed = placeholder(y.spec, "seed")
        ...     (dx,) = gradients([y], list(net.inputs.values()), [seed])
        ...     return {"seed": seed}, {"y": y, "dx": dx}
        >>> derived(network, "saliency", build).run([x], seed=np.ones((len(x), 10)))["dx"]
    """
    key = key, checked(precision)
    with _lock:
        known = _derived.setdefault(network, OrderedDict())
        found = known.get(key)
        if found is None:
            found = known[key] = Derived(network, build, checked(precision))
            while len(known) > KEPT:
                known.popitem(last=False)
        else:
            known.move_to_end(key)
    return found
