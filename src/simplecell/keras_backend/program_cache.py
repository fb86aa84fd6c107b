"""Programs by what they were made for. Each holds memory of its own (arena, packed weights), so the least recently used give way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

P = TypeVar("P")

BUDGET = 1 << 29
"""Bytes that the programs of one cache may hold together; the last two stay in any case (an epoch has a last, smaller batch)."""


class ProgramCache(Generic[P]):
    """`executable_of` tells the Executable of a program."""

    def __init__(self, executable_of: Callable[[P], Any], budget: int = BUDGET) -> None:
        self._executable_of, self._budget = executable_of, budget
        self._programs: OrderedDict[Hashable, tuple[P, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._programs)

    def values(self) -> list[P]:
        return [program for program, _ in self._programs.values()]

    def get(self, key: Hashable, make: Callable[[], P]) -> P:
        """The program of `key`; made now if there is none."""
        found = self._programs.get(key)
        if found is not None:
            self._programs.move_to_end(key)
            return found[0]
        program = make()
        size = memory_of(self._executable_of(program))
        self._programs[key] = program, size
        self._bytes += size
        while self._bytes > self._budget and len(self._programs) > 2:
            _, (_, freed) = self._programs.popitem(last=False)
            self._bytes -= freed
        return program


def memory_of(executable: Any) -> int:
    """Bytes that an Executable holds while it waits; at least 64 KiB, for its tables and its graph."""
    plan = executable.program
    held = 0 if plan is None else plan.arena_bytes + plan.kept_bytes + plan.scratch_bytes * executable.threads
    return int(held) + (1 << 16)
