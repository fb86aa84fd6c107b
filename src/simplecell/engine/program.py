"""A program: the frozen, printable list of steps that a graph becomes. Nothing here runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simplecell.engine.kernel import Kernel
from simplecell.ops.base import Op, Spec


@dataclass(frozen=True)
class Address:
    """A place in a buffer: `offset` in bytes."""

    buffer: int
    offset: int = 0

    def __add__(self, nbytes: int) -> Address:
        return Address(self.buffer, self.offset + nbytes)


@dataclass(frozen=True)
class Buffer:
    """Memory that steps read and write. `kind`:

    - `input` / `parameter` / `output`: the caller's array number `position`;
    - `constant`: `value`, made when the program is;
    - `prepared`: computed from parameters, kept from one run to the next, at `offset` in the kept memory;
    - `preparing`: computed from parameters, wanted by other steps of `prepare` only, at `offset` in an arena that goes when they are done;
    - `arena`: lives from its first writer to its last reader, at `offset` in the arena;
    - `scratch`: one piece per thread, meaningless between steps.
    """

    kind: str
    nbytes: int
    position: int = 0
    offset: int = 0
    value: np.ndarray | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Step:
    """One kernel with its arguments, or (kernel None) a call-out: an op that runs as its NumPy reference."""

    kernel: Kernel | None
    arguments: tuple[tuple[str, Address | int | float], ...]
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    label: str = ""
    """the layer, as `outer/inner`"""
    algorithm: str = ""
    reason: str = ""
    """why this algorithm, and why not the ones before it in the table"""
    shapes: str = ""
    flops: int = 0
    nbytes: int = 0
    predicted: float = 0.0
    """nanoseconds on one thread, as the table of algorithms predicts them; 0 where there is no table"""
    parallel: bool = True
    op: Op | None = None
    inputs: tuple[tuple[Address, Spec], ...] = ()
    outputs: tuple[tuple[Address, Spec], ...] = ()

    @property
    def name(self) -> str:
        return self.kernel.name if self.kernel is not None else f"call-out {self.op.name if self.op else ''}"


@dataclass(frozen=True)
class Program:
    """`prepare` runs when parameters change, `run` at every call; both index into `buffers`."""

    buffers: tuple[Buffer, ...]
    prepare: tuple[Step, ...]
    run: tuple[Step, ...]
    inputs: tuple[Spec, ...]
    parameters: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    arena_bytes: int
    scratch_bytes: int
    """per thread"""
    kept_bytes: int = 0
    """constants and prepared buffers"""
    preparing_bytes: int = 0
    """the arena of `prepare`"""

    @property
    def flops(self) -> int:
        return sum(s.flops for s in self.run)

    @property
    def call_outs(self) -> tuple[Step, ...]:
        return tuple(s for s in self.run if s.kernel is None)
