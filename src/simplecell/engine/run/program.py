"""A program: the frozen, printable list of steps that a graph becomes. Nothing here runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simplecell.engine.code.kernel import Kernel
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
    - `preparing`: computed from parameters, wanted by other steps of `prepare` only, at `offset` in an arena that goes
      when they are done;
    - `arena`: lives from its first writer to its last reader, at `offset` in the arena;
    - `scratch`: one piece per thread, meaningless between steps;
    - `stand-in`: no memory: while a program was made it stood for a part of another buffer.
    """

    kind: str
    nbytes: int
    position: int = 0
    offset: int = 0
    value: np.ndarray | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Part:
    """Which images of the batch a step computes, where a segment of steps takes a few at a time."""

    segment: int
    first: int
    count: int
    of: int
    thread: int | None = None
    """the one that computes them, where each thread has its own images: it meets the others when the segment is done"""

    def __str__(self) -> str:
        return (
            f"images {self.first}–{self.first + self.count - 1} of {self.of}"
            if self.count > 1
            else f"image {self.first} of {self.of}"
        )


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
    part: Part | None = None
    op: Op | None = None
    inputs: tuple[tuple[Address, Spec], ...] = ()
    outputs: tuple[tuple[Address, Spec], ...] = ()

    @property
    def thread(self) -> int | None:
        """The one thread that runs it; None: all share it."""
        if self.part is not None and self.part.thread is not None:
            return self.part.thread
        return None if self.parallel else 0

    @property
    def name(self) -> str:
        return self.kernel.name if self.kernel is not None else f"call-out {self.op.name if self.op else ''}"


def meet(before: Step, after: Step | None) -> bool:
    """Must the threads meet between two steps? Not where one thread runs both, nor in a segment of which each thread
    has its own images."""
    if after is None or before.thread is None or after.thread is None:
        return True
    own = [s.part.segment if s.part is not None and s.part.thread is not None else None for s in (before, after)]
    return own[0] != own[1]


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
    precision: str = ""
    """that it was planned for"""

    @property
    def parallel(self) -> bool:
        """Does it need more than one thread?"""
        return any(s.thread != 0 for s in self.run)

    @property
    def flops(self) -> int:
        return sum(s.flops for s in self.run)

    @property
    def call_outs(self) -> tuple[Step, ...]:
        return tuple(s for s in self.run if s.kernel is None)
