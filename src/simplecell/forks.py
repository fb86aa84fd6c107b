"""What a forked child finds of state that its parent's other threads, which are not there, were changing when it was
forked."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Protocol


class HeldAcrossForks:
    """A lock that the forking thread holds while the process forks: what it guards is whole in the child. Use it as
    `with held.lock:`.

    The lock is the plain one of the interpreter, whose `with` no signal can come between. Only for state that is
    changed in a bounded time, and under which no other lock of this kind is taken: forks wait for it.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._held: list[Iterator[None]] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._remake)

    def _holding(self) -> Iterator[None]:
        with self.lock:
            yield

    def _hold(self) -> None:
        holding = self._holding()
        next(holding)  # an exception of a signal's leaves the lock open, or the generator drops it
        self._held.append(holding)

    def _let_go(self) -> None:
        self._held.clear()

    def _remake(self) -> None:
        """A new one: what others waited at cannot be trusted, nor even be let go."""
        self.lock = threading.RLock()
        _left_behind.append(self._held)
        self._held = []


compiling = HeldAcrossForks()
"""Whoever makes machine code, or asks LLVM for anything, holds it."""


class Renewable(Protocol):
    """What has a lock, threads or changing memory of its own."""

    def renew(self) -> None:
        """Called in a forked child, before anything else runs there: become as new, by plain stores."""


def renew_in_child(owner: Renewable) -> None:
    """Have `owner.renew()` called in each forked child, as long as the owner lives."""
    key = next(_keys)
    _owners[key] = weakref.ref(owner, lambda _: _owners.pop(key, None))


def lock() -> threading.Lock:
    """A lock that a forked child finds open, whoever held it: for a few lines that leave what they guard usable
    wherever they stop."""
    made, key = threading.Lock(), next(_keys)
    _locks[key] = weakref.ref(made, lambda _: _locks.pop(key, None))
    return made


# Dicts and not a WeakSet: each change of them is one step of the interpreter, which no fork divides.
_owners: dict[int, weakref.ref[Renewable]] = {}
_locks: dict[int, weakref.ref[threading.Lock]] = {}
_keys = itertools.count()
_left_behind: list[object] = []


def _renew() -> None:
    for found in list(_locks.values()):
        open_lock = found()
        if open_lock is not None:
            open_lock._at_fork_reinit()  # type: ignore[attr-defined]  # of the standard library, which uses it in the same way
    for reference in list(_owners.values()):
        owner = reference()
        if owner is not None:
            owner.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
