"""From a Python function on Keras variables to one program.

`TraceScope` lets the function run once on tensors: every variable that it reads becomes an input of the graph, every
assignment an output. `StepProgram` is the graph built, with the variables that go in and come out; running it changes
the variables only at the end, so that an error leaves them as they were.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable
from keras.src.backend.common.stateless_scope import StatelessScope, get_stateless_scope

from simplecell.graph.graph import Graph, topological
from simplecell.graph.tensor import Constant, Node, Placeholder, Tensor, as_tensor, placeholder
from simplecell.keras_backend.labels import LabelCheck
from simplecell.keras_backend.variable import Cell, Variable, assign_together, changes
from simplecell.ops import elementwise, reduction
from simplecell.ops.base import Spec, spec_of
from simplecell.ops.dtypes import is_inexact, to_dtype


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
        self.checks: list[LabelCheck] = []

    def leaf(self, variable: Variable) -> Any:
        """What stands for the variable's value at the start."""
        # Whether a run changes it shows at the end of the trace; `trace_step` then sets the role.
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
        checks, losses = len(self.checks), len(self.losses)
        try:
            yield
        except BaseException:
            for place, kept in zip(places, before, strict=True):
                place.clear()
                place.update(kept)
            del self.checks[checks:], self.losses[losses:]
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


def gradients(loss: Any, variables: Sequence[Any]) -> list[Any]:
    """Gradients of `loss` for each of `variables`, inside of `train_step` (or whatever a step calls).

    Args:
        loss: a tensor; if it is not a scalar, its sum is differentiated.
        variables: Keras variables (as the loss has read them: after an assignment, at their new value), or tensors.

    Returns:
        One tensor per variable, of its shape and dtype: zeros where the loss does not depend on it.

    Raises:
        RuntimeError: outside of a traced step, where arrays carry no history.
        ValueError: inside of one, if the loss or one of `variables` is a plain array, which nothing was recorded for.

    Example:
        >>> def train_step(self, data):
        ...     x, y = data
        ...     loss = self.compute_loss(x, y, self(x, training=True))
        ...     self.optimizer.apply(simplecell.gradients(loss, self.trainable_weights), self.trainable_weights)
        ...     return {"loss": loss}
    """
    from simplecell.graph.gradients import gradients as graph_gradients
    from simplecell.keras_backend.eager_tensor import EagerScope, value_of

    scope = current_trace()
    if scope is None and (
        any(isinstance(v, KerasVariable) for v in variables)
        or not any(isinstance(x, Tensor) for x in (loss, *variables))
    ):
        raise RuntimeError(
            "`gradients` works inside of a traced step only (`train_step` and what it calls). "
            "Elsewhere NumPy arrays carry no history: write a `train_step` and call `fit` or `train_on_batch`."
        )
    if isinstance(loss, KerasVariable):
        loss = loss.value
    for i, v in enumerate(variables):
        if not isinstance(v, (Tensor, KerasVariable)):
            raise ValueError(
                f"`variables[{i}]` is a {type(v).__name__}, whose use is not recorded: its gradient is not known. Give "
                "variables, or tensors that the "
                "loss was computed from: the step's data (not with `run_eagerly=True`, where they are arrays), or what "
                "was computed from them."
            )
    if not isinstance(loss, Tensor) and not isinstance(scope, EagerScope):
        raise ValueError(
            f"`loss` is a {type(loss).__name__}, not a tensor: it was computed from none of the variables. Compute it "
            "from the model's outputs."
        )
    nodes = set(topological([loss])) if isinstance(loss, Tensor) else set()
    wrt = [scope.version_in(v, nodes) if scope is not None and isinstance(v, KerasVariable) else v for v in variables]
    for i, (v, t) in enumerate(zip(variables, wrt, strict=True)):
        if not isinstance(t, Tensor) and is_inexact(spec_of(t).dtype):
            raise ValueError(
                f"`variables[{i}]` is {v.path}, whose use is not recorded: only those of trainable variables are "
                "recorded with `run_eagerly=True`, "
                "and in `train_step` only."
            )
    tensors = [t for t in wrt if isinstance(t, Tensor)]
    if isinstance(loss, Tensor) and tensors:
        found = dict(
            zip(
                map(id, tensors),
                graph_gradients(reduction.sum(loss) if loss.shape != () else loss, tensors),
                strict=True,
            )
        )
    else:
        found = {}
    result = [found[id(t)] if id(t) in found else np.zeros(t.shape, t.dtype) for t in wrt]
    return [value_of(g) for g in result] if isinstance(scope, EagerScope) else result


# --- programs ---------------------------------------------------------------------------------------------------------


class StepProgram:
    """One traced step, built: called with the data's leaves it returns the step's outputs and updates the variables."""

    def __init__(
        self,
        graph: Graph,
        scope: TraceScope,
        data: Sequence[Tensor],
        outputs: Any,
        slots: list[int | None],
        threads: int | None,
        precision: str,
    ) -> None:
        from simplecell.engine.build import build  # on first use: `import keras` does without the engine

        self.graph = graph
        specs = [(t.spec.shape, to_dtype(t.spec.dtype)) for t in graph.outputs]
        count = len(specs) - len(scope.updated)
        self.results, self._new = specs[:count], specs[count:]
        """shape and dtype of each array that the step gives, and of the new value of each variable that it updates"""
        self.executable = build(graph, threads=threads, precision=precision)
        self._outputs, self._slots = outputs, slots
        self._updated = list(scope.updated.values())
        read = [variable for variable, _ in scope.read.values()]
        self._inputs = [v for v in read if id(v) in scope.updated]
        self._parameters = [v for v in read if id(v) not in scope.updated]
        places = {t: i for i, t in enumerate(data)}
        self._checks = [([places[t] for t in check.sources], check) for check in scope.checks]
        self.owners: tuple[Any, ...] = ()
        self._seen: object = None
        self._cells: list[Cell] = []

    def refresh(self) -> None:
        """Hand new values of the parameters to the program, if there are any."""
        if self._seen is changes.values:
            return  # no variable of the process has got a new value
        # One thread at a time takes values and hands them over: none overtakes another with older ones.
        with self.executable.changing:
            now = changes.values  # before the cells are looked at: what is assigned meanwhile is found next time
            cells = [v.cell for v in self._parameters]
            if len(cells) != len(self._cells) or any(a is not b for a, b in zip(cells, self._cells)):
                self.executable.set_parameters([array_of(v, cell) for v, cell in zip(self._parameters, cells)])
                self._cells = cells
            self._seen = now

    def detach(self) -> None:
        """Part with the parameters' variables: their values now are the program's for good (see Executable.freeze)."""
        self.refresh()
        with self.executable.changing:
            self._parameters, self._cells = [], []

    def __call__(self, data: Sequence[np.ndarray], out: Sequence[np.ndarray] | None = None) -> Any:
        """Run on the arrays of the data's leaves (without Nones), and return the step's outputs: arrays that are the
        caller's own.

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
        return [*(array_of(v, v.cell) for v in self._inputs), *data]

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
        """Shape and dtype of each leaf of the step's outputs; None for those that are not computed."""
        return [None if slot is None else self.results[slot] for slot in self._slots]

    def structured(self, results: Sequence[np.ndarray]) -> Any:
        """The step's outputs, in the structure in which it returns them."""
        if self._outputs is None and self._slots == [0]:
            return results[0]
        leaves = tree.flatten(self._outputs)
        flat = [_own(leaf) if slot is None else results[slot] for leaf, slot in zip(leaves, self._slots, strict=True)]
        return tree.pack_sequence_as(self._outputs, flat)


def _own(leaf: Any) -> Any:
    return np.array(leaf) if isinstance(leaf, np.ndarray) else leaf


def array_of(variable: Variable, cell: Cell) -> np.ndarray:
    array = cell.array
    if array is None:
        raise ValueError(
            f"Variable {variable.path} has no value yet. Build the model first, for instance by calling it on a batch."
        )
    return array


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Tracing and planning make thousands of objects that stay; each search among them for garbage goes through all of
    Keras's too (a seventh of the time in which ResNet-50 is compiled)."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@_uncollected()
def trace_step(
    function: Callable[[Any], Any], data: Any, *, threads: int | None = None, precision: str = "fast"
) -> StepProgram:
    """Trace `function(data)`, where the arrays in `data` give shapes and dtypes only, and build the program."""
    leaves = tree.flatten(data)
    inputs = {i: placeholder(spec_of(x), f"data {i}") for i, x in enumerate(leaves) if isinstance(x, np.ndarray)}
    scope = TraceScope()
    scope.data.update(inputs.values())
    with scope:
        outputs = function(tree.pack_sequence_as(data, [inputs.get(i, x) for i, x in enumerate(leaves)]))
        outputs = tree.map_structure(lambda x: x.value if isinstance(x, KerasVariable) else x, outputs)
    flat = tree.flatten(outputs)
    results: list[Tensor] = []
    slots: list[int | None] = []
    for leaf in flat:
        slots.append(len(results) if isinstance(leaf, Tensor) else None)
        if isinstance(leaf, Tensor):
            results.append(leaf)
    results += [as_tensor(scope.assigned[key]) for key in scope.updated]
    kept = tree.map_structure(lambda x: None if isinstance(x, Tensor) else x, outputs)
    for variable, tensor in scope.read.values():
        if id(variable) in scope.updated:
            # The one place where a node changes after it was made: nobody else holds it, and only now it is known.
            object.__setattr__(tensor.node.op, "role", "input")
    graph = Graph.of([*(t for _, t in scope.read.values()), *inputs.values()], results)
    return StepProgram(graph, scope, list(inputs.values()), kept, slots, threads, precision)


# --- graphs inside of graphs ------------------------------------------------------------------------------------------


def close_over(inside: Sequence[Tensor], outputs: Sequence[Tensor]) -> tuple[Graph, list[Tensor]]:
    """The part of the graph that depends on `inside`, as a graph of its own; what it uses from around it comes as
    further inputs.

    Returns the graph (inputs: `inside`, then one per capture) and the captured tensors of the outer graph.
    """
    own = {t.node for t in inside}
    dependent = set(own)
    nodes = topological(outputs)
    for node in nodes:
        if any(t.node in dependent for t in node.inputs):
            dependent.add(node)
    moved: dict[Tensor, Tensor] = {t: t for t in inside}
    captures: list[Tensor] = []
    stand_ins: list[Tensor] = []

    def move(t: Tensor) -> Tensor:
        if t not in moved:
            if isinstance(t.node.op, Constant):
                moved[t] = t
            else:
                moved[t] = placeholder(t.spec, "captured")
                captures.append(t)
                stand_ins.append(moved[t])
        return moved[t]

    for node in nodes:
        if node in dependent and not isinstance(node.op, Placeholder):
            copy = Node.make(node.op, [move(t) for t in node.inputs], node.scope)
            moved.update(zip(node.outputs, copy.outputs, strict=True))
    results = [move(t) for t in outputs]
    return Graph.of([*inside, *stand_ins], results), captures
