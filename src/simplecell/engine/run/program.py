"""A program: the frozen, printable list of steps that a graph becomes. Nothing here runs."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from simplecell.engine.code.kernel import Kernel
from simplecell.ops.base import Op, Spec
from simplecell.precision import Precision

ALIGNMENT = 64
"""bytes: one cache line, and one AVX-512 vector"""


def rounded(nbytes: int) -> int:
    """Bytes that a buffer takes: whole cache lines, and one at least."""
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


SCRATCH_STRIDE = -1
"""Stands, among a step's arguments, for the size of one thread's scratch, which is known when all steps are."""


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
class Considered:
    """What a table of algorithms said about one of them."""

    name: str
    refusal: str | None = None
    """why it cannot compute the problem; None: it can"""
    cost: float = 0.0
    """predicted nanoseconds on one thread, those for the weights included where they change at each run"""
    seconds: float | None = None
    """measured, where the program is tuned"""


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
    """why this algorithm, and how its work is cut, in one line"""
    considered: tuple[Considered, ...] = ()
    """what the table of algorithms said about each"""
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


def touches(step: Step, buffers: Set[int]) -> bool:
    """Does it read or write one of these buffers?"""
    return not buffers.isdisjoint(step.reads) or not buffers.isdisjoint(step.writes)


def depending(steps: Sequence[Step], changing: Set[int]) -> set[int]:
    """`changing`, and the buffers whose content may change with them: all that a step touches these writes."""
    found = set(changing)
    while True:
        before = len(found)
        for s in steps:
            if touches(s, found):
                found.update(s.writes)
        if len(found) == before:
            return found


def predicted_ns(flops: int, nbytes: int) -> float:
    """A first guess of one thread's time: 60 GFLOP/s or 8 GB/s, whichever is slower."""
    return max(flops / 60.0, nbytes / 8.0)


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
    precision: Precision = "exact"
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
