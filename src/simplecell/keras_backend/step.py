"""Running a trainer's steps: each kind of step (train, test, predict) on each kind of batch is one program, made when
first needed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.trainers.trainer import model_supports_jit

from simplecell.graph.unknown import Untraceable
from simplecell.keras_backend.conversion import ready
from simplecell.keras_backend.eager_tensor import EagerScope, value_of
from simplecell.keras_backend.joined import Joined
from simplecell.keras_backend.program_cache import ProgramCache
from simplecell.keras_backend.step_program import StepProgram
from simplecell.keras_backend.tracing import trace_function
from simplecell.keras_backend.untraceable import layers_that_may_be_called_out
from simplecell.keras_backend.variable import changes
from simplecell.ops.base import Symbolic
from simplecell.precision import KERAS


class Step:
    """`function(data)` of `trainer`, as programs. Called with a list of batches (one per step of an execution); returns
    the last step's outputs, or, of a step that `joins`, all of them joined along the batch.

    Args:
        record: whether gradients are taken.
        joins: as above. Such a step may have batches without samples; what trains or measures may not, as means over
            nothing are NaN.
    """

    def __init__(
        self, trainer: Any, function: Callable[[Any], Any], *, record: bool = False, joins: bool = False
    ) -> None:
        self.trainer, self.function, self.record, self.joins = trainer, function, record, joins
        self._programs: ProgramCache[StepProgram] = ProgramCache(lambda program: program.executable)
        self._state = State(None, None, None, (), ())
        self.uncompiled = False
        """Could it not be traced, because of layers that Keras says cannot be? It then runs op by op."""

    def __call__(self, batches: Sequence[Any], joined: Joined | None = None) -> Any:
        """Run. With `joined`, outputs are added to that, and nothing is returned."""
        if joined is None and (len(batches) == 1 or not self.joins):
            results = [self.run(batch) for batch in batches]
            return results[-1]
        into = Joined(len(batches)) if joined is None else joined
        for batch in batches:
            self.run(batch, into)
        return into.result() if joined is None else None

    def run(self, batch: Any, joined: Joined | None = None) -> Any:
        data = tree.map_structure(lambda x: None if x is None else ready(x), batch)
        leaves = [x for x in tree.flatten(data) if x is not None]
        count = leaves[0].shape[0] if leaves and leaves[0].ndim else 1
        if not count and not self.joins:
            raise ValueError(
                f"A batch holds no sample: its first array has the shape {leaves[0].shape}. Nothing can be learned "
                "from it or measured on it. "
                "Leave such batches out, or pass at least one sample."
            )
        program = None
        if not (self.uncompiled or self.trainer.run_eagerly or any(x.dtype.kind in "OSUMm" for x in leaves)):
            program = self._program_or_none(data)
        if program is None:
            outputs = self._run_eagerly(data)
        else:
            room = None if joined is None else joined.room(program.leaves, count)
            outputs = program(leaves, None if room is None else room_for(room, program))
        if joined is not None:
            joined.add(outputs, count)
        return outputs

    def _program_or_none(self, data: Any) -> StepProgram | None:
        try:
            return self.program(data)
        except Untraceable as error:
            if model_supports_jit(self.trainer):
                raise
            self.uncompiled = True
            warnings.warn(
                "The step runs uncompiled, op by op, as a layer of the model with `supports_jit=False` cannot be "
                f"traced: {error}",
                stacklevel=2,
            )
            return None

    def program(self, data: Any) -> StepProgram:
        """The program for batches like `data`."""
        state = self._present()
        return self._programs.get((describe(data), state.fingerprint), lambda: self._made(data, state))

    def _made(self, data: Any, state: State) -> StepProgram:
        with layers_that_may_be_called_out(self.trainer):
            network = trace_function(self.function, data)
        program = StepProgram(network, precision=KERAS)
        program.owners = state.owners  # an id stays taken as long as a program can be found by it
        return program

    def _present(self) -> State:
        """What the trace depends on besides the data: which variables there are, which are trainable, and the
        optimizer."""
        functional = getattr(
            self.trainer, "_functional", None
        )  # a Sequential model makes a new one when layers come or go
        optimizer = getattr(self.trainer, "optimizer", None)
        state, structure = self._state, changes.structure
        if state.structure is not structure or state.functional is not functional or state.optimizer is not optimizer:
            variables = self.trainer.variables
            fingerprint = (id(optimizer), id(functional), tuple((id(v), v.trainable) for v in variables))
            # One store: whoever finds the state finds what belongs together.
            self._state = state = State(
                structure, functional, optimizer, fingerprint, (optimizer, functional, variables)
            )
        return state

    def _run_eagerly(self, data: Any) -> Any:
        scope = EagerScope(self.record)
        with np.errstate(all="ignore"):
            with scope:
                outputs = self.function(data)
            # copies: a value may be the caller's data, or a variable's
            outputs = tree.map_structure(
                lambda x: np.array(value_of(x)) if isinstance(x, (Symbolic, np.ndarray)) else x, outputs
            )
            scope.commit()
        return outputs


@dataclass(frozen=True, eq=False)
class State:
    """A trainer's variables and optimizer, as they were when `changes.structure` was `structure`."""

    structure: object
    functional: Any
    optimizer: Any
    fingerprint: tuple[Any, ...]
    owners: tuple[Any, ...]


def room_for(room: Sequence[np.ndarray | None], program: StepProgram) -> list[np.ndarray]:
    """The arrays that a program writes its results to, given room for some of its outputs' leaves."""
    places = [place for place, spec in zip(room, program.leaves, strict=True) if spec is not None]
    return [np.empty(*spec) if place is None else place for place, spec in zip(places, program.results, strict=True)]


def describe(data: Any) -> Any:
    """Structure, shapes and dtypes of a batch, as something to look programs up by."""
    if isinstance(data, np.ndarray):
        return (data.shape, data.dtype.name)
    if isinstance(data, dict):
        return ("dict", *((key, describe(data[key])) for key in data))
    if isinstance(data, (list, tuple)):
        return (type(data).__name__, *map(describe, data))
    return None
