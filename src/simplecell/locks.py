"""Locks that a forked child finds open, whichever of its parent's threads held them."""

from __future__ import annotations

import os
import threading
import weakref

_made: weakref.WeakSet[threading.Lock] = weakref.WeakSet()


def lock() -> threading.Lock:
    """A lock for a few lines that leave what they guard usable wherever they stop: a child goes on from there."""
    made = threading.Lock()
    _made.add(made)
    return made


def _open() -> None:
    for made in list(_made):
        made._at_fork_reinit()  # type: ignore[attr-defined]  # of the standard library, which uses it in the same way


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open)
