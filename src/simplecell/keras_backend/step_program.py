"""A network as a program that reads Keras's variables and changes them.

Running it changes the variables only at the end, so that an error leaves them as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simplecell.keras_backend.tracing import uncollected
from simplecell.keras_backend.variable import assign_together, changes
from simplecell.ops.dtypes import to_dtype

if TYPE_CHECKING:
    from simplecell.graph.network import Network
    from simplecell.graph.parts import Parameter, Value


class StepProgram:
    """A network, built: called with the arrays of its inputs it returns its outputs and updates the variables."""

    @uncollected()
    def __init__(self, network: Network, *, precision: str, threads: int | None = None, tune: bool = False) -> None:
        from simplecell.engine.build import build  # on first use: `import keras` does without the engine

        self.graph = network.graph
        self.calls = network.calls
        """the calls of layers, on tensors of `graph`; `executable.simplified` tells what has become of these"""
        specs = [(t.spec.shape, to_dtype(t.spec.dtype)) for t in network.graph.outputs]
        count = len(network.outputs)
        self.results, self._new = specs[:count], specs[count:]
        """shape and dtype of each array that the program gives, and of the new value of each variable it updates"""
        self.executable = build(network.graph, threads=threads, precision=precision, tune=tune)
        self.structured = network.structure
        """the program's outputs, in the structure in which the function returns them"""
        self._updated: list[Any] = [u.source for u in network.updates.values()]
        self._inputs = [p for p in network.parameters.values() if not p.kept]
        self._parameters = [p for p in network.parameters.values() if p.kept]
        places = {t: i for i, t in enumerate(network.inputs.values())}
        self._checks = [([places[t] for t in check.sources], check) for check in network.checks]
        self.owners: tuple[Any, ...] = ()
        self._seen: object = None
        self._cells: list[Value] = []

    def refresh(self) -> None:
        """Hand new values of the parameters to the program, if there are any."""
        if self._seen is changes.values:
            return  # no variable of the process has got a new value
        # One thread at a time takes values and hands them over: none overtakes another with older ones.
        with self.executable.changing:
            now = changes.values  # before the cells are looked at: what is assigned meanwhile is found next time
            cells = [p.source.cell for p in self._parameters]
            if len(cells) != len(self._cells) or any(a is not b for a, b in zip(cells, self._cells)):
                self.executable.set_parameters([_array(p, cell) for p, cell in zip(self._parameters, cells)])
                self._cells = cells
            self._seen = now

    def detach(self) -> None:
        """Part with the parameters' variables: their values now are the program's for good (see Executable.freeze)."""
        self.refresh()
        with self.executable.changing:
            self._parameters, self._cells = [], []

    def __call__(self, data: Sequence[np.ndarray], out: Sequence[np.ndarray] | None = None) -> Any:
        """Run on the arrays of the inputs (those of a step's data without its Nones), and return the outputs: arrays
        that are the caller's own.

        Args:
            out: where to write them: C-contiguous arrays of `results`, which overlap neither each other nor the data.
        """
        for positions, check in self._checks:
            check(*(data[i] for i in positions))
        self.refresh()
        given = self._given(data)
        results = [np.empty(shape, dtype) for shape, dtype in self.results] if out is None else list(out)
        values = [np.empty(shape, dtype) for shape, dtype in self._new]
        self.executable(given, [*results, *values])
        assign_together(self._updated, values)
        return self.structured(results)

    def _given(self, data: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [*(p.array for p in self._inputs), *data]

    def measure(self, data: Sequence[np.ndarray]) -> list[float]:
        """Median seconds of each step of the program on that data; variables stay as they are."""
        self.refresh()
        return self.executable.measure(self._given(data))

    @property
    def updates(self) -> bool:
        """Does a run change variables?"""
        return bool(self._updated)

    @property
    def leaves(self) -> list[tuple[tuple[int, ...], np.dtype[Any]] | None]:
        """Shape and dtype of each leaf of what the function returns; None for those that are not computed."""
        return [None if slot is None else self.results[slot] for slot in self.structured.slots]


def _array(parameter: Parameter, cell: Value) -> np.ndarray:
    array = cell.array
    return parameter.array if array is None else array  # which says that there is none
