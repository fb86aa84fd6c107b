"""graph → executable: the one entry that front ends call."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from simplecell.engine.run.thread_count import thread_count
from simplecell.forks import lock
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.simplify import Simplified, simplify
from simplecell.graph.tensor import Placeholder, Tensor
from simplecell.graph.whereabouts import Whereabouts, whereabouts
from simplecell.ops.dtypes import to_dtype
from simplecell.precision import COMPILED, Precision, checked

if TYPE_CHECKING:
    from simplecell.engine.run.program import Program

DEBUG = "SIMPLECELL_DEBUG"
"""Environment variable: 1 prints each program when it is built, 2 its graph too, 3 LLVM IR and assembly of its kernels
as well."""


class Executable:
    """A graph ready to run. Parameters (placeholders of role `parameter`) are set seldom; inputs come with each
    call."""

    def __init__(self, simplified: Simplified, threads: int, precision: Precision, tune: bool) -> None:
        self.simplified = simplified
        """the graph that runs, and what has become of the tensors of the one that was given (see `whereabouts`)"""
        self.graph = graph = simplified.graph
        self.program: Program | None = None
        self._in_memory: frozenset[Tensor] = frozenset()
        self._specs = [t.spec for t in graph.outputs]
        self._dtypes = [to_dtype(s.dtype) for s in self._specs]
        self._is_parameter = [
            isinstance(t.node.op, Placeholder) and t.node.op.role == "parameter" for t in graph.inputs
        ]
        self._parameters: list[np.ndarray] = []
        self._prepared: list[np.ndarray] | None = None
        """the list of parameters whose derived data stands in memory; None while that is being computed"""
        self.changing = lock()
        """held while parameters are taken or prepared; not while the program runs"""
        self.threads = threads
        if machine_code():
            from simplecell.engine.host import host
            from simplecell.engine.plan import stages
            from simplecell.engine.run.runtime import Bound

            target = host()
            made = stages(graph, target, threads, precision, tune)
            self.program, self._in_memory = made.program, made.in_memory
            self._bound = Bound(self.program, target, threads)
            _debug(self)

    def whereabouts(self, tensor: Tensor) -> Whereabouts:
        """Where the value of a tensor of the graph that was given is, while the program runs."""
        known = (
            self._in_memory if self.program is not None else frozenset(t for n in self.graph.nodes for t in n.outputs)
        )
        return whereabouts(self.simplified, tensor, known.union(self.graph.inputs))

    def set_parameters(self, arrays: Sequence[np.ndarray]) -> None:
        """Give the parameters, in the order in which they stand among the graph's inputs; derived data is recomputed at
        the next run.

        Where several threads do so, each must hold `changing` from when it reads the values until it has given them.
        """
        self._parameters = list(arrays)

    def freeze(self) -> None:
        """Keep only what runs need: each parameter is let go as soon as what is derived from it (packed weights) is
        computed. None can be given again."""
        if self.program is None:
            return
        with self.changing:
            prepared = self._prepared is self._parameters
            parameters, self._parameters = self._parameters, []
            self._prepared = None
            self._bound.freeze(parameters, prepared)
            self._prepared = self._parameters

    def __call__(self, inputs: Sequence[np.ndarray], out: Sequence[np.ndarray] | None = None) -> Sequence[np.ndarray]:
        """Run on arrays of exactly the placeholders' shapes and dtypes (C-contiguous, aligned, native endian)."""
        if self.program is None:
            return self._by_reference(inputs, out)
        if self._prepared is not self._parameters:
            self._prepare()
        outputs: Sequence[np.ndarray] = (
            [np.empty(s.shape, d) for s, d in zip(self._specs, self._dtypes)] if out is None else out
        )
        self._bound.run(inputs, outputs)
        return outputs

    def _prepare(self) -> None:
        with self.changing:
            parameters = self._parameters  # the latest, whatever this thread came with: nobody goes back to older ones
            if self._prepared is not parameters:
                assert self.program is not None
                if len(parameters) != len(self.program.parameters):
                    raise RuntimeError(
                        f"The program needs {len(self.program.parameters)} parameters and has {len(parameters)}: they "
                        "were never given, or `freeze` was "
                        "interrupted while it let them go. Make the program anew."
                    )
                self._prepared = None  # should preparing fail or be interrupted, the next run begins it again
                self._bound.prepare(parameters)
                self._prepared = parameters

    def measure(self, inputs: Sequence[np.ndarray], repeats: int = 10) -> list[float]:
        """Median seconds of each step of the program (empty without machine code)."""
        return [] if self.program is None else self._bound.measure(inputs, self(inputs), repeats)

    def _by_reference(self, inputs: Sequence[np.ndarray], out: Sequence[np.ndarray] | None) -> list[np.ndarray]:
        given, parameters = iter(inputs), iter(self._parameters)
        results = evaluate(self.graph, [next(parameters) if p else next(given) for p in self._is_parameter])
        if out is None:
            return results
        for target, value in zip(out, results, strict=True):
            target[...] = value
        return list(out)


def build(graph: Graph, *, threads: int | None = None, precision: str = COMPILED, tune: bool = False) -> Executable:
    """Compile a graph.

    Args:
        graph: what to compute; dtypes and shapes are fixed.
        threads: how many threads it may use (None: the setting SIMPLECELL_THREADS, or the cores of this process).
        precision: `fast` may use algorithms with fewer multiplications or shorter factors and a stated error bound;
            `tight` only such that err as little as direct sums; `exact` sums directly.
        tune: time the algorithms that a table offers, and take the fastest, instead of predicting it.

    Raises:
        TypeError: for threads that are no whole number.
        ValueError: for an unknown precision, or a number of threads that is out of range.
    """
    return Executable(simplify(graph), thread_count(threads), checked(precision), tune)


@cache
def machine_code() -> bool:
    """Can machine code be made here? Warns once if not."""
    try:
        import llvmlite.ir  # noqa: F401

        from simplecell.engine.host import this_cpu

        this_cpu()  # LLVM's library tells, unless it has done so before
    except Exception as error:  # an ImportError, or the loader's OSError
        warnings.warn(
            f"llvmlite cannot be loaded ({error}); programs run on their NumPy reference, which is slow. Reinstall "
            "llvmlite.",
            RuntimeWarning,
            stacklevel=3,
        )
        return False
    return True


def _debug(executable: Executable) -> None:
    level = os.environ.get(DEBUG, "")
    if level in ("", "0") or executable.program is None:
        return
    from simplecell.engine.host import host
    from simplecell.engine.run.describe import assembly, describe, intermediate

    if level >= "2":
        print(executable.graph)
    print(describe(executable.program, host(), executable.threads))
    if level >= "3":
        print(intermediate(executable.program, host()))
        print(assembly(executable.program, host()))
