"""`simplecell.compile`: a Keras model as a function of arrays, with as little around the machine code as can be."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simplecell.engine.thread_count import thread_count

if TYPE_CHECKING:
    from simplecell.engine.build import Executable
    from simplecell.keras_backend.tracing import StepProgram


class CompiledModel:
    """The inference program(s) of a model; made by `compile`. One program per batch size, all over the same machine code."""

    def __init__(self, model: Any, batch_size: int | None, threads: int | None, precision: str, tune: bool) -> None:
        self.model, self.threads, self.precision, self.tune = model, threads, precision, tune
        self.batch_size = batch_size
        self._programs: dict[Any, StepProgram] = {}
        self._usual: dict[tuple[int, ...], tuple[StepProgram, np.dtype[Any], tuple[int, ...], np.dtype[Any]]] = {}
        """of one input and one output, by the input's shape: the program, and what fits it"""
        self._specs = _input_specs(model)
        _trim()  # what loading the model left on the heap: the arena would be put there, onto pages that count already while weights are packed
        if batch_size is not None:
            self._program(self._zeros(batch_size))

    def __call__(self, x: Any, out: Any = None) -> Any:
        """The model's output for `x`, as `model(x, training=False)` gives it.

        Args:
            x: one array `(batch, …)`, or a list of them for several inputs. Float arrays of another width, integers, foreign-endian and
                non-contiguous arrays are converted.
            out: the array (or list of arrays) to write the output to; None makes a new one.

        Raises:
            ValueError: for a wrong number of inputs, rank, size or an `out` that does not fit.
        """
        # One array to one array, the usual case of a layer or network in a loop, in as little Python as can be: it is 3 µs of 50.
        usual = self._usual.get(x.shape) if type(x) is np.ndarray and type(out) is np.ndarray else None
        if usual is not None:
            program, dtype, out_shape, out_dtype = usual
            flags = out.flags
            if (
                x.dtype == dtype
                and x.flags.c_contiguous
                and out.shape == out_shape
                and out.dtype == out_dtype
                and flags.c_contiguous
                and flags.writeable
            ):
                program.refresh()
                program.executable((x,), (out,))
                return out
        several = isinstance(x, (list, tuple))
        arrays = [self._checked(i, a) for i, a in enumerate(x if several else (x,))]
        if len(arrays) != len(self._specs):
            raise ValueError(f"x: the model has {len(self._specs)} input(s), got {len(arrays)} array(s). Pass a list with one for each.")
        program = self._program(arrays)
        if out is None:
            return program(arrays)
        results = list(out) if isinstance(out, (list, tuple)) else [out]
        # An array's dtype against a dtype: the name of a dtype takes 3 µs, as long as all the rest of a call.
        fits = len(results) == len(program.results) and all(
            a.shape == shape and a.dtype == dtype and a.flags.c_contiguous and a.flags.writeable
            for a, (shape, dtype) in zip(results, program.results)
        )
        if not fits:
            specs = [t.spec for t in program.graph.outputs]
            raise ValueError(
                f"out: must be writeable, C-contiguous and of shape and dtype {', '.join(map(str, specs))}; got "
                f"{', '.join(f'{a.dtype.name}{list(a.shape)}' for a in results)}. Make it with np.empty."
            )
        program.refresh()
        program.executable(arrays, results)
        return out

    def freeze(self) -> None:
        """Give up the model, and each of its weights as soon as it is packed: the least memory, once nobody else holds the model.

        Afterwards the program keeps today's weights whatever happens to the model, and takes no batch sizes but those that it was built for.
        Freezing it again does nothing.

        Example:
            >>> program = simplecell.compile(model, batch_size=1)
            >>> del model
            >>> program.freeze()
        """
        if self.model is None:
            return
        if not self._programs:
            raise ValueError(
                "freeze: the program has not been built for any batch size yet. Give `batch_size` to `compile`, or call it on data first."
            )
        self.model = None
        for program in self._programs.values():
            program.detach()
        gc.collect()  # Keras's models refer to themselves
        _trim()
        for program in self._programs.values():
            program.executable.freeze()

    def describe(self, batch_size: int | None = None, measure: bool = True) -> str:
        """Per step of the program: layer, algorithm and why, shapes, MFLOP, bytes, predicted and (if `measure`) measured time."""
        arrays = self._zeros(batch_size or self.batch_size or 1)
        executable = self._executable(arrays)
        if executable.program is None:
            return "llvmlite is not there: every op runs as its NumPy reference"
        from simplecell.engine.describe import describe
        from simplecell.engine.target import host

        self(arrays)
        return describe(executable.program, host(), executable.threads, executable.measure(arrays) if measure else None)

    def assembly(self, batch_size: int | None = None) -> str:
        """The machine code of the program's kernels, as assembly."""
        executable = self._executable(self._zeros(batch_size or self.batch_size or 1))
        if executable.program is None:
            return ""
        from simplecell.engine.describe import assembly
        from simplecell.engine.target import host

        return assembly(executable.program, host())

    def _zeros(self, batch_size: int) -> list[np.ndarray]:
        for shape, _ in self._specs:
            if None in shape:
                raise ValueError(f"batch_size: the model's input {shape} has open sizes. Call the program on data; a program is made for each size.")
        return [np.zeros((batch_size, *(n or 0 for n in shape)), dtype) for shape, dtype in self._specs]

    def _executable(self, arrays: Sequence[np.ndarray]) -> Executable:
        return self._program(arrays).executable

    def _checked(self, position: int, x: Any) -> np.ndarray:
        shape, dtype = self._specs[position] if position < len(self._specs) else ((), np.dtype("float32"))
        if type(x) is np.ndarray and x.dtype == dtype and x.flags.c_contiguous and x.shape[1:] == shape:
            return x
        array = np.ascontiguousarray(x, dtype)
        if array.ndim != len(shape) + 1 or any(known is not None and known != n for n, known in zip(array.shape[1:], shape)):
            raise ValueError(
                f"x: input {position} must have shape (batch, {', '.join(map(str, shape))}), got {np.shape(x)}."
                + (" Add the batch axis with x[None]." if array.shape == shape else "")
            )
        return array

    def _program(self, arrays: Sequence[np.ndarray]) -> StepProgram:
        key = arrays[0].shape if len(arrays) == 1 else tuple(a.shape for a in arrays)
        program = self._programs.get(key)
        if program is None:
            from simplecell.engine.tune import tuning
            from simplecell.keras_backend.tracing import trace_step

            if self.model is None:
                raise ValueError(
                    f"x: the program is frozen, and was not built for the shape {arrays[0].shape}, only for {', '.join(map(str, self._programs))}. "
                    "Call it on data of that shape before `freeze`."
                )
            if any(0 in a.shape for a in arrays):
                raise ValueError(f"x: an empty batch ({arrays[0].shape}) has no output to compute. Pass at least one sample.")
            data: Any = list(arrays) if len(arrays) > 1 else arrays[0]
            with tuning(self.tune):
                program = trace_step(lambda d: self.model(d, training=False), data, threads=self.threads, precision=self.precision)
            self._programs[key] = program
            if len(arrays) == len(program.results) == 1:
                self._usual[arrays[0].shape] = (program, self._specs[0][1], *program.results[0])
        return program


def compile(model: Any, batch_size: int | None = None, threads: int | None = None, precision: str = "fast", tune: bool = False) -> CompiledModel:
    """A Keras model as a function of arrays.

    Args:
        model: a built Keras model (Sequential, functional or subclassed).
        batch_size: build the program for this batch size now; None builds one for each batch size when it first comes.
        threads: how many threads it may use (None: the setting SIMPLECELL_THREADS, or the cores of this process).
        precision: `fast` may use Winograd, and matrix units (error within 3e-5 of the largest output); `tight`, as Keras's own calls are, only where it errs
            as little as direct sums, and Fourier transforms, which err less for large kernels; `exact` sums directly.
        tune: time the algorithms that could compute each convolution and take the fastest, instead of predicting it. What was found is
            remembered on disk. Slower to build; results may differ in the last bits from those of a program that was not tuned.

    Returns:
        A CompiledModel: `program(x, out=None)`, `program.describe()`. New weights (`set_weights`, `fit`) are seen at the next call, until
        `program.freeze()` gives up the model to save memory.

    Raises:
        TypeError: for threads that are no whole number.
        ValueError: for a model that is not built, an unknown precision, or a number of threads that is out of range.

    Example:
        >>> program = simplecell.compile(model)
        >>> program(x)            # as model(x, training=False)
        >>> print(program.describe())
    """
    if precision not in ("fast", "tight", "exact"):
        raise ValueError(f"precision must be 'fast', 'tight' or 'exact', got {precision!r}.")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, or None for any; got {batch_size}.")
    return CompiledModel(model, batch_size, None if threads is None else thread_count(threads), precision, tune)


def _trim() -> None:
    """Have the C library give back what was freed. (glibc's keeps it for later; others have no such function and no such need.)"""
    if os.name == "posix":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)


def _input_specs(model: Any) -> list[tuple[tuple[int | None, ...], np.dtype[Any]]]:
    """Shapes without the batch axis, and dtypes, of the model's inputs."""
    if not getattr(model, "built", False):
        raise ValueError("model: must be built, so that its input shapes are known. Call it once on data, or `model.build(input_shape)`.")
    try:
        inputs = model.inputs
    except AttributeError:
        inputs = None
    if inputs:
        return [(tuple(t.shape[1:]), np.dtype(t.dtype)) for t in inputs]
    shapes = getattr(model, "_build_shapes_dict", None)
    if not shapes:
        raise ValueError("model: its input shapes are not known. Call it once on data, or `model.build(input_shape)`.")
    first = [s for s in shapes.values() if s is not None]
    return [(tuple(s[1:]), np.dtype("float32")) for s in (first if isinstance(first[0], tuple) else [tuple(first)])]
