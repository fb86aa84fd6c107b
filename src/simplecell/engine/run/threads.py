"""The worker threads: threads that live in machine code, where they wait for work, asleep or awake, without the
interpreter.

docs/threads.md says who owns what, and in which order things happen.
"""

from __future__ import annotations

import _thread
import ctypes
import sys
import threading
import time
from functools import cache

import numpy as np

from simplecell.engine.machine.machine import machine
from simplecell.engine.run import runner
from simplecell.engine.target import Target
from simplecell.forks import renew_in_child

PATIENCE = 0.1
"""Seconds to wait for workers that have been hired and are still to come. A run does without those that are late."""


class Team:
    """A launching thread and `threads - 1` workers, all of which take part in every run. One run at a time has the
    workers; another that comes meanwhile does so on its own thread alone (the bits are the same)."""

    def __init__(self, target: Target, threads: int) -> None:
        self.threads = threads
        launch, serve = machine(target).functions("runner", runner.module, "launch", "serve")
        self._launch = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(launch)
        self._serve = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(serve)
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Start without workers: at first, and in a forked child, whose parent's threads are not there."""
        self._words = _memory(self.threads)
        self._address = int(self._words.ctypes.data)
        self._hiring = threading.Lock()
        self._hired = 0
        self._wanted = self.threads - 1

    def run(self, table: int, count: int) -> None:
        """Run `count` steps of the table at that address; returns when all threads are done."""
        if self._hired < self._wanted:
            self._hire()
        self._launch(self._address, table, count)

    def _hire(self) -> None:
        """Start the workers that are missing, if the system has threads to give. An exception in between does no harm:
        a worker that has been started counts when it comes, and one too many leaves by itself."""
        with self._hiring:
            while self._hired < self._wanted:
                if self._start():
                    self._hired += 1
                else:
                    self._wanted = self._hired  # goes on with those that are there
        end = time.monotonic() + PATIENCE
        while self._words[runner.PRESENT] < self._hired and time.monotonic() < end:
            time.sleep(0)

    def _start(self) -> bool:
        """Start a worker, if that is possible. (Not by `threading.Thread`, which waits for it in Python, where a
        signal's exception may come.)"""
        if sys.is_finalizing():
            return False  # it would wait for the interpreter, and we for it
        try:
            _thread.start_new_thread(self._serve, (self._address,))
        except RuntimeError:  # the system has none to give
            return False
        return True


def _memory(threads: int) -> np.ndarray:
    """A team's words, on a cache line of their own, never freed: workers look at them until the process is gone.

    Workers sleep at the interpreter's locks (`PyThread_…`, of its stable interface): they are there on every system,
    and want no interpreter."""
    words = np.zeros(runner.team_words(threads) + 8, np.int64)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(words))
    words = words[-(words.ctypes.data // 8) % 8 :]
    api = ctypes.pythonapi
    words[runner.LIMIT] = threads
    words[runner.SLEEP] = _address(api.PyThread_acquire_lock)
    words[runner.WAKE] = _address(api.PyThread_release_lock)
    for number in range(1, threads):
        lock = _ALLOCATE()
        if not lock:
            raise MemoryError("a lock for a worker thread")
        _ACQUIRE(lock, 1)
        words[runner.worker_word(number) + runner.LOCK] = lock
    return words


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


_ALLOCATE = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThread_allocate_lock", ctypes.pythonapi))
_ACQUIRE = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(("PyThread_acquire_lock", ctypes.pythonapi))


@cache
def team(target: Target, threads: int) -> Team:
    """The process's team of that many threads."""
    return Team(target, threads)
