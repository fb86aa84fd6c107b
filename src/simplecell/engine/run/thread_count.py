"""How many threads a program uses: the one door for `threads=` and the setting."""

from __future__ import annotations

import operator
import os
from typing import Any

SETTING = "SIMPLECELL_THREADS"
"""Environment variable: how many threads programs use; unset means the cores that this process may run on."""

MAX_THREADS = 4096
"""Several times the cores of any machine with one memory. (A run's ticket has 16 bits for the number, see `runner`.)"""


def thread_count(threads: Any = None) -> int:
    """How many threads to use.

    Args:
        threads: what was asked for; None means the setting, or the cores that this process may run on.

    Raises:
        TypeError: for what is no whole number.
        ValueError: for a number out of range, asked for or set.
    """
    if threads is None:
        return _default()
    try:
        if isinstance(threads, bool):
            raise TypeError
        count = operator.index(threads)
    except TypeError:
        raise TypeError(
            f"threads must be a whole number from 1 to {MAX_THREADS}, or None; "
            f"got {threads!r} ({type(threads).__name__})."
        ) from None
    if not 1 <= count <= MAX_THREADS:
        what = "at least 1" if count < 1 else f"at most {MAX_THREADS}"
        raise ValueError(f"threads must be {what}, got {count}. None takes the cores of this process.")
    return count


def _default() -> int:
    setting = os.environ.get(SETTING)
    if setting:
        if not (setting.isascii() and setting.isdigit() and 1 <= int(setting) <= MAX_THREADS):
            raise ValueError(f"{SETTING} must be a whole number from 1 to {MAX_THREADS}, got {setting!r}.")
        return int(setting)
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    return min(cores, MAX_THREADS)
