"""Programs by what they were made for. Each holds memory of its own (arena, packed weights), so the least recently used
give way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from simplecell.forks import lock

P = TypeVar("P")

BUDGET = 1 << 29
"""Bytes that the programs of one cache may hold together; the last two stay in any case (an epoch has a last, smaller
batch)."""


class ProgramCache(Generic[P]):
    """`executable_of` tells the Executable of a program. Threads may share a cache; one program is then made twice at
    worst, and kept once.

    Args:
        left: is called with the key of each program that has given way.
    """

    def __init__(
        self, executable_of: Callable[[P], Any], budget: int | None = None, left: Callable[[Any], Any] | None = None
    ) -> None:
        self._executable_of, self._budget, self._left = executable_of, budget, left
        self._programs: OrderedDict[Hashable, tuple[P, int]] = OrderedDict()
        """by key, with the bytes that it counts; 0 for those that stay"""
        self._bytes = 0
        self._lock = lock()

    def __len__(self) -> int:
        return len(self._programs)

    def keys(self) -> list[Any]:
        """From the least to the most recently used."""
        with self._lock:
            return list(self._programs)

    def items(self) -> list[tuple[Any, P]]:
        with self._lock:
            return [(key, program) for key, (program, _) in self._programs.items()]

    def values(self) -> list[P]:
        with self._lock:
            return [program for program, _ in self._programs.values()]

    def get(self, key: Hashable, make: Callable[[], P], stays: bool = False) -> P:
        """The program of `key`; made now if there is none. One that `stays` does not give way."""
        found = self.found(key)
        return self._kept(key, make(), stays) if found is None else found

    def found(self, key: Hashable) -> P | None:
        """The program of `key`, if there is one; it is the most recently used one from now on."""
        with self._lock:
            held = self._programs.get(key)
            if held is None:
                return None
            self._programs.move_to_end(key)
            return held[0]

    def discard(self, key: Hashable, wait: bool = True) -> None:
        """Let the program of `key` go, if there is one. Without `wait`, nothing is done while another holds the
        lock."""
        if not self._lock.acquire(blocking=wait):
            return
        try:
            _, size = self._programs.pop(key, (None, 0))
            self._bytes -= size
        finally:
            self._lock.release()

    def _kept(self, key: Hashable, program: P, stays: bool) -> P:
        size = 0 if stays else memory_of(self._executable_of(program))
        budget = BUDGET if self._budget is None else self._budget
        with self._lock:
            other = self._programs.get(key)
            if other is not None:  # another thread was quicker
                return other[0]
            self._programs[key] = program, size
            self._bytes += size
            gone = [old for old in list(self._programs)[:-2] if self._gives_way(old, budget)]
        if self._left is not None:
            for old in gone:
                self._left(old)
        return program

    def _gives_way(self, key: Hashable, budget: int) -> bool:
        _, size = self._programs[key]
        if not size or self._bytes <= budget:
            return False
        del self._programs[key]
        self._bytes -= size
        return True


def memory_of(executable: Any) -> int:
    """Bytes that an Executable holds while it waits; at least 64 KiB, for its tables and its graph."""
    plan = executable.program
    held = 0 if plan is None else plan.arena_bytes + plan.kept_bytes + plan.scratch_bytes * executable.threads
    return int(held) + (1 << 16)
