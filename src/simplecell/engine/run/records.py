"""What a program does, as records that pages, notebooks and `describe` read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from simplecell.engine.run.program import Considered, Part, Program, Step, predicted_ns


@dataclass(frozen=True)
class Record:
    """One step of a program. Where a segment takes a few images of the batch at a time, it stands for all of them."""

    label: str
    """where in the model it comes from: the scope of its first node; empty for what belongs to no layer"""
    algorithm: str
    reason: str
    """why that algorithm, and how its work is cut"""
    considered: tuple[Considered, ...]
    """what the table said about each algorithm; empty where there is but one way"""
    shapes: str
    flops: int
    nbytes: int
    """that it must move at least"""
    predicted: float
    """seconds on one thread"""
    measured: float | None = None
    """seconds"""
    images: int | None = None
    """at a time, at most; None: the whole batch"""


@dataclass(frozen=True)
class Pieces:
    """The records of a segment that takes a few images of the batch at a time."""

    records: tuple[Record, ...]
    parts: tuple[Part, ...]


def records(program: Program, measured: Sequence[float] | None = None) -> list[Record]:
    """One for each step of the program, in the order in which they run. `measured`: seconds of each step."""
    found: list[Record] = []
    for entry in grouped(program, measured):
        found += entry.records if isinstance(entry, Pieces) else [entry]
    return found


def grouped(program: Program, measured: Sequence[float] | None = None) -> list[Record | Pieces]:
    """The same, those of a segment together."""
    found: list[Record | Pieces] = []
    numbered = list(enumerate(program.run))
    for segment, members in groupby(numbered, key=lambda e: e[1].part.segment if e[1].part is not None else None):
        if segment is None:
            found += [_record([s], [measured[i]] if measured else None) for i, s in members]
            continue
        pieces: dict[Part, list[tuple[int, Step]]] = {}
        for i, s in members:
            assert s.part is not None
            pieces.setdefault(s.part, []).append((i, s))
        together = []
        for same in zip_longest(*pieces.values()):  # the same step of each piece
            of_all = [e for e in same if e is not None]
            times = [measured[i] for i, _ in of_all] if measured else None
            together.append(_record([s for _, s in of_all], times))
        found.append(Pieces(tuple(together), tuple(pieces)))
    return found


def _record(steps: Sequence[Step], measured: Sequence[float] | None) -> Record:
    """Of steps that differ only in their images."""
    first = steps[0]
    return Record(
        first.label,
        first.algorithm,
        first.reason,
        first.considered,
        first.shapes,
        sum(s.flops for s in steps),
        sum(s.nbytes for s in steps),
        sum(s.predicted or predicted_ns(s.flops, s.nbytes) for s in steps) / 1e9,
        None if measured is None else sum(measured),
        None if first.part is None else max(s.part.count for s in steps if s.part is not None),
    )
