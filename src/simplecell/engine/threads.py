"""The worker threads: Python threads that live in machine code, where they wait for work without the interpreter."""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache

import numpy as np

from simplecell.engine import runner
from simplecell.engine.machine import machine
from simplecell.engine.target import Target

SETTING = "SIMPLECELL_THREADS"
"""Environment variable: how many threads programs use; unset means the cores that this process may run on."""


def default_threads() -> int:
    """How many threads a program uses if it is not told."""
    setting = os.environ.get(SETTING)
    if setting:
        if not setting.isdigit() or not 1 <= int(setting) <= runner.MAX_THREADS:
            raise ValueError(f"{SETTING} must be a whole number from 1 to {runner.MAX_THREADS}, got {setting!r}.")
        return int(setting)
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return min(cores, runner.MAX_THREADS)


class Pool:
    """`threads - 1` workers, all of which take part in every run. One program at a time has them; another that runs meanwhile does so
    on its own thread alone (the bits are the same)."""

    def __init__(self, target: Target, threads: int) -> None:
        self.threads = threads
        run, serve, post = machine(target).functions("runner", runner.module, "run", "serve", "post")
        p, i = ctypes.c_void_p, ctypes.c_int64
        self._run = ctypes.CFUNCTYPE(None, p, i, i, i, p)(run)
        self._serve = ctypes.CFUNCTYPE(i, p, i, i)(serve)
        self._post = ctypes.CFUNCTYPE(i, p, p, i, i)(post)
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Start without workers: at first, and in a forked child, whose parent's threads are not there."""
        self._memory = np.zeros(runner.POOL_WORDS + 8, np.int64)
        self._address = -(-self._memory.ctypes.data // 64) * 64
        self._words = self._memory[(self._address - self._memory.ctypes.data) // 8 :]
        self._bells: list[threading.Semaphore] = []
        self._busy = threading.Lock()

    def run(self, table: int, count: int) -> None:
        """Run `count` steps of the table at that address; returns when all threads are done."""
        threads = self.threads
        if threads > 1 and self._busy.acquire(blocking=False):
            try:
                self._words[runner.STOPPED] = 0
                while len(self._bells) < threads - 1:
                    self._hire()
                asleep = self._post(self._address, table, count, threads)
                while asleep:
                    worker = asleep.bit_length() - 1
                    self._bells[worker - 1].release()
                    asleep &= ~(1 << worker)
                self._run(table, count, 0, threads, self._address)
            finally:
                self._busy.release()
        else:
            alone = _alone()
            alone.words[runner.STOPPED] = 0
            self._run(table, count, 0, 1, alone.address)

    def stop(self) -> None:
        """Called inside a step (a call-out that failed): no thread begins another step of this run."""
        self._words[runner.STOPPED] = 1
        _alone().words[runner.STOPPED] = 1

    def _hire(self) -> None:
        bell = threading.Semaphore(0)
        self._bells.append(bell)
        number = len(self._bells)
        seen = int(self._words[runner.TICKET])
        threading.Thread(target=self._work, args=(number, bell, seen), name=f"simplecell-{number}", daemon=True).start()

    def _work(self, number: int, bell: threading.Semaphore, seen: int) -> None:
        address, serve = self._address, self._serve
        while True:
            seen = serve(address, number, seen)
            bell.acquire()


class _Alone(threading.local):
    """A meeting of one, for each Python thread."""

    def __init__(self) -> None:
        self.words = np.zeros(runner.MEETING_WORDS, np.int64)
        self.address = int(self.words.ctypes.data)


_meeting = _Alone()


def _alone() -> _Alone:
    return _meeting


@cache
def pool(target: Target, threads: int) -> Pool:
    """The process's pool of that many threads."""
    return Pool(target, threads)
