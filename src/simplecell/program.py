"""`simplecell.compile`: a Keras model as a function of arrays, with as little around the machine code as can be."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simplecell.calling import (
    Shape,
    check_batch_size,
    check_shape,
    fixed_batch_size,
    inputs_of,
    model_inputs,
    outputs_of,
)
from simplecell.engine.run.thread_count import thread_count
from simplecell.graph.network import Network
from simplecell.graph.whereabouts import Whereabouts
from simplecell.keras_backend.program_cache import ProgramCache
from simplecell.layer_steps import LayerStep, layer_steps
from simplecell.precision import COMPILED, checked

if TYPE_CHECKING:
    from simplecell.keras_backend.step_program import StepProgram


Usual = tuple["StepProgram", np.dtype[Any], Shape, np.dtype[Any]]
"""A program of one input and one output, the input's dtype, and the output's shape and dtype."""


class CompiledModel:
    """The program(s) of a model at inference, or of a network; made by `compile`. One program per batch size, all over
    the same machine code.

    Of many sizes the least recently used programs give way (see ProgramCache), until it is frozen. `copy.copy` gives a
    program of the same model, `copy.deepcopy` and `pickle` one of a copy of the model, with the same settings.
    """

    def __init__(self, model: Any, batch_size: int | None, threads: int | None, precision: str, tune: bool) -> None:
        self.model, self.threads, self.precision, self.tune = model, threads, precision, tune
        self.batch_size = batch_size
        self._fixed_batch_size = None if isinstance(model, Network) else fixed_batch_size(model)
        if isinstance(model, Network):
            if batch_size is None:
                self.batch_size = batch_size = model.batch_size
            self._specs, self._names = model.input_specs, tuple(model.inputs)
        else:
            self._inputs = model_inputs(model)
            self._specs, self._names = list(self._inputs.specs), self._inputs.names
        self._usual: dict[Shape, Usual] = {}
        """of one input and one output, by the input's shape: the program, and what fits it"""
        self._last: Usual | None = None
        """what was looked up last: the cache knows of its use"""
        self._disjoint: tuple[Any, Any] = (_nothing, _nothing)
        """the input and output last seen to share no memory, as weak references"""
        self._programs: ProgramCache[StepProgram] = ProgramCache(lambda program: program.executable, left=self._left)
        # what loading the model left on the heap: the arena would be put there, onto pages that count already while
        # weights are packed
        _trim()
        if batch_size is not None:
            self._program(self._zeros(batch_size), stays=True)

    def __call__(self, x: Any, out: Any = None) -> Any:
        """The model's output for `x`, as `model(x, training=False)` gives it.

        Args:
            x: one array `(batch, …)`, or a list of them (or a dict by name) for several inputs. Floats of another
                width, integers, booleans, nested lists of numbers, foreign-endian and non-contiguous arrays are
                converted.
            out: the array (or list of arrays) to write the output to, apart from `x` and from each other in memory;
                None makes a new one.

        Raises:
            ValueError: for a wrong number of inputs, rank, size or dtype, or an `out` that does not fit or overlaps.
        """
        # One array to one array, the usual case of a layer or network in a loop, in as little Python as can be: it is 3
        # µs of 50.
        usual = self._usual.get(x.shape) if type(x) is np.ndarray and type(out) is np.ndarray else None
        if usual is not None:
            program, dtype, out_shape, out_dtype = usual
            given, flags = x.flags, out.flags
            if (
                x.dtype == dtype
                and given.c_contiguous
                and out.shape == out_shape
                and out.dtype == out_dtype
                and flags.c_contiguous
                and flags.writeable
                and (given.owndata and flags.owndata and x is not out or self._share_no_memory(x, out))
            ):
                if usual is not self._last and self._programs.found(x.shape) is not None:
                    self._last = usual
                program.refresh()
                program.executable((x,), (out,))
                return out
        arrays = inputs_of(x, self._specs, self._names)
        if not arrays[0].shape[0] and self.model is None:
            return self._of_no_samples(arrays, out)
        program = self._program(arrays)
        if out is None:
            return program(arrays)
        program(arrays, outputs_of(out, program.results, arrays))
        return out

    def freeze(self) -> None:
        """Give up the model, and each of its weights as soon as it is packed: the least memory, once nobody else holds
        the model.

        Afterwards the program keeps today's weights whatever happens to the model, and takes no batch sizes but those
        that it holds programs for: the one that `compile` was given, and those that were used last. Freezing it again
        does nothing.

        Example:
            >>> program = simplecell.compile(model, batch_size=1)
            >>> del model
            >>> program.freeze()
        """
        if self.model is None:
            return
        programs = self._programs.values()
        if not programs:
            raise ValueError(
                "freeze: the program has not been built for any batch size yet. Give `batch_size` to `compile`, or "
                "call it on data first."
            )
        self.model = None
        for program in programs:
            program.detach()
        gc.collect()  # Keras's models refer to themselves
        _trim()
        for program in programs:
            program.executable.freeze()

    def describe(self, batch_size: int | None = None, measure: bool = True, input_shape: Any = None) -> str:
        """Per step of the program: layer, algorithm and why, shapes, MFLOP, bytes, predicted and (if `measure`)
        measured time.

        Args:
            batch_size: of the program that is described; None: as `input_shape` says, or as in the last call.
            measure: run it on zeros and time each step.
            input_shape: the input's shape with its batch axis (which may be None), or a list of shapes for several
                inputs; None: the model's own, and for sizes that it leaves open those of the last call.
        """
        arrays = self._example(batch_size, input_shape)
        program = self._program(arrays)
        executable = program.executable
        if executable.program is None:
            return "llvmlite is not there: every op runs as its NumPy reference"
        from simplecell.engine.host import host
        from simplecell.engine.run.describe import describe

        return describe(executable.program, host(), executable.threads, program.measure(arrays) if measure else None)

    def layers(self, batch_size: int | None = None, measure: bool = True, input_shape: Any = None) -> list[LayerStep]:
        """The same as records, in the order in which the steps run. Arguments as of `describe`; nothing without
        llvmlite.

        Example:
            >>> slowest = max(program.layers(), key=lambda step: step.measured)
            >>> print(slowest.layer, slowest.algorithm, slowest.why)
        """
        arrays = self._example(batch_size, input_shape)
        program = self._program(arrays)
        executable = program.executable
        if executable.program is None:
            return []
        from simplecell.engine.run.records import records

        measured = program.measure(arrays) if measure else None
        return layer_steps(records(executable.program, measured), program.calls)

    def where(
        self, layer: str, batch_size: int | None = None, input_shape: Any = None
    ) -> Whereabouts | list[Whereabouts]:
        """Where the value that a layer returns is while the program runs: in memory, only inside the registers of a
        step (an epilogue, a loop), or folded away by a rewrite. To have it, make it an output:
        `compile(trace(model).with_outputs(layer))`.

        Args:
            layer: as `trace(model)` prints it: `conv`, `outer/inner`, `conv#2`.
            batch_size, input_shape: of the program, as of `describe`.

        Returns:
            A Whereabouts, which prints as a few words; a list of them for a layer that returns several arrays.

        Raises:
            KeyError: there is no such layer.

        Example:
            >>> print(program.where("conv1"))
            folded away by scales_and_shifts
        """
        program = self._program(self._example(batch_size, input_shape))
        call = next((c for c in program.calls if c.key == layer), None)
        if call is None:
            raise KeyError(f"layer: there is no `{layer}`. The layers are {', '.join(c.key for c in program.calls)}.")
        found = [program.executable.whereabouts(t) for t in call.outputs]
        return found[0] if len(found) == 1 else found

    def assembly(self, batch_size: int | None = None, input_shape: Any = None) -> str:
        """The machine code of the program's kernels, as assembly. Arguments as of `describe`."""
        executable = self._program(self._example(batch_size, input_shape)).executable
        if executable.program is None:
            return ""
        from simplecell.engine.host import host
        from simplecell.engine.run.describe import assembly

        return assembly(executable.program, host())

    # --- copies -----------------------------------------------------------------------------------------------------

    def __copy__(self) -> CompiledModel:
        return CompiledModel(*self._settings("copied"))

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledModel:
        model, *settings = self._settings("copied")
        return CompiledModel(copy.deepcopy(model, memo), *settings)

    def __reduce__(self) -> tuple[Any, ...]:
        return CompiledModel, self._settings("pickled")

    def _settings(self, verb: str) -> tuple[Any, ...]:
        if self.model is None:
            raise TypeError(
                f"A frozen program cannot be {verb}: it has given up its model, and machine code stays in its process. "
                "Copy or pickle it before `freeze`, or save the model."
            )
        return self.model, self.batch_size, self.threads, self.precision, self.tune

    def _share_no_memory(self, x: np.ndarray, out: np.ndarray) -> bool:
        """Have the two no memory in common? A loop asks for the same two again and again."""
        one, other = self._disjoint
        if one() is x and other() is out:
            return True
        if np.may_share_memory(x, out):
            return False
        self._disjoint = weakref.ref(x), weakref.ref(out)
        return True

    # --- programs ---------------------------------------------------------------------------------------------------

    def _left(self, key: Any) -> None:
        self._usual.pop(key, None)
        self._last = None

    def _zeros(self, batch_size: int) -> list[np.ndarray]:
        return self._example(batch_size, [(None, *shape) for shape, _ in self._specs])

    def _example(self, batch_size: int | None, input_shape: Any) -> list[np.ndarray]:
        """Inputs of zeros: of the shapes that are given, else of those used last, else of the model's own."""
        if batch_size is not None:
            check_batch_size(batch_size)
        keys = self._programs.keys()
        last: list[Shape] | None = None
        if keys:
            last = list(keys[-1]) if len(self._specs) > 1 else [keys[-1]]
        if input_shape is None:
            shapes: list[Any] = [(None, *shape) for shape, _ in self._specs]
            if last is not None:
                shapes = last if batch_size is None else [(None, *shape[1:]) for shape in last]
        else:
            one = all(n is None or isinstance(n, (int, np.integer)) for n in input_shape)
            shapes = [tuple(input_shape)] if one else [tuple(shape) for shape in input_shape]
        if len(shapes) != len(self._specs):
            raise ValueError(
                f"input_shape: the model has {len(self._specs)} input(s), got {len(shapes)} shape(s). Pass a list with "
                "one for each."
            )
        default = batch_size or self.batch_size or self._fixed_batch_size or 1
        arrays = []
        for position, (shape, (known, dtype)) in enumerate(zip(shapes, self._specs, strict=True)):
            if batch_size is not None and shape[0] is not None and shape[0] != batch_size:
                raise ValueError(
                    f"batch_size: is {batch_size}, and the batch axis of `input_shape` {shape} is {shape[0]}. Give one "
                    "of them."
                )
            if None in shape[1:]:
                raise ValueError(
                    f"input_shape: the model's input {known} has open sizes, and the program was not called yet. Pass "
                    "the shape, with its batch "
                    "axis, or call the program on data first; a program is made for each size."
                )
            check_shape(position, shape, known)
            arrays.append(np.zeros((default if shape[0] is None else shape[0], *shape[1:]), dtype))
        return arrays

    def _program(self, arrays: Sequence[np.ndarray], stays: bool = False) -> StepProgram:
        key = arrays[0].shape if len(arrays) == 1 else tuple(a.shape for a in arrays)
        program = self._programs.found(key)
        if program is None:
            if self.model is None:
                raise ValueError(
                    f"x: the program is frozen, and was not built for the shape {arrays[0].shape}, only for "
                    f"{', '.join(map(str, self._programs.keys()))}. Call it on data of that shape before `freeze`."
                )
            program = self._programs.get(key, lambda: self._made(arrays), stays)
        if len(arrays) == len(program.results) == 1 and not program.updates and arrays[0].shape not in self._usual:
            self._usual[arrays[0].shape] = (program, self._specs[0][1], *program.results[0])
        return program

    def _made(self, arrays: Sequence[np.ndarray]) -> StepProgram:
        from simplecell.keras_backend.model_trace import trace_model
        from simplecell.keras_backend.step_program import StepProgram

        shapes = [a.shape for a in arrays]
        if isinstance(self.model, Network):
            network = self.model.at(shapes[0][0])
            wanted = [t.shape for t in network.inputs.values()]
            if shapes != wanted:
                raise ValueError(f"x: the network is for inputs of shape {wanted}, got {shapes}.")
        else:
            network = trace_model(self.model, self._inputs, shapes)
        return StepProgram(network, precision=self.precision, threads=self.threads, tune=self.tune)

    def _of_no_samples(self, arrays: Sequence[np.ndarray], out: Any) -> Any:
        """The outputs of a frozen program for a batch of 0: as those of a program for another batch size, but empty."""
        wanted = [a.shape[1:] for a in arrays]
        for key, program in self._programs.items():
            shapes = [key] if len(self._specs) == 1 else list(key)
            batch = shapes[0][0]
            if [s[1:] for s in shapes] == wanted and all(
                shape and batch and shape[0] % batch == 0 for shape, _ in program.results
            ):
                empty = [((0, *shape[1:]), dtype) for shape, dtype in program.results]
                if out is None:
                    return program.structured([np.empty(shape, dtype) for shape, dtype in empty])
                outputs_of(out, empty, arrays)
                return out
        return self._program(arrays)  # says that there is none


def compile(
    model: Any, batch_size: int | None = None, threads: int | None = None, precision: str = COMPILED, tune: bool = False
) -> CompiledModel:
    """A Keras model, or a network, as a function of arrays.

    Args:
        model: a built Keras model (Sequential, functional or subclassed), or a Network (see `simplecell.trace`), which
            may have been traced for training, or have inner values as its outputs.
        batch_size: build the program for this batch size now; None builds one for each batch size when it first comes.
        threads: how many threads it may use (None: the setting SIMPLECELL_THREADS, or the cores of this process).
        precision: `fast` may use Winograd's and Fourier's transforms and matrix units: errors are at most 3e-5 of the
            largest output, so that outputs which are much smaller (the quiet parts of a recording, the dark ones of a
            scan) may lose their digits beside it. `tight`, as Keras's own calls are: those of them that err as little
            as direct sums, and an outlier in the input changes nothing but the outputs that see it. `exact` sums
            directly. In all of them, a NaN or an infinity reaches exactly the outputs that see it.
        tune: time the algorithms that could compute each convolution and take the fastest, instead of predicting it.
            What was found is remembered on disk. Slower to build; results may differ in the last bits from those of a
            program that was not tuned.

    Returns:
        A CompiledModel: `program(x, out=None)`, `program.describe()`. New weights (`set_weights`, `fit`) are seen at
        the next call, until `program.freeze()` gives up the model to save memory.

    Raises:
        TypeError: for a `model` that is none, or threads that are no whole number.
        ValueError: for a model that is not built, an unknown precision, or a number of threads that is out of range.

    Example:
        >>> program = simplecell.compile(model)
        >>> program(x)            # as model(x, training=False)
        >>> print(program.describe())
    """
    checked(precision)
    if not isinstance(model, Network) and not hasattr(model, "built"):
        raise TypeError(
            f"model: must be a Keras model or a Network (see simplecell.trace), got {type(model).__name__}."
        )
    if batch_size is not None:
        check_batch_size(batch_size)
    return CompiledModel(model, batch_size, None if threads is None else thread_count(threads), precision, tune)


def _nothing() -> None:
    return None


def _trim() -> None:
    """Have the C library give back what was freed. (glibc's keeps it for later; others have no such function and no
    such need.)"""
    if os.name == "posix":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)
