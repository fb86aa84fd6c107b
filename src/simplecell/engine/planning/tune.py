"""Timing instead of predicting: with `tune=True`, each algorithm that a table offers for a problem is run, and the
fastest is remembered on disk.

A choice decides which sums are rounded, so it is made only where it is asked for: programs that are not tuned do not
read what tuning has found.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from simplecell.engine.machine import cache

_found: dict[str, dict[str, float]] = {}
"""What this process knows: problem → algorithm → seconds."""

RUNS = 5

_FILE = "tuned.json"
"""In the cache's folder."""


def times(problem: str, candidates: Mapping[str, Callable[[], Callable[[], object]]]) -> dict[str, float]:
    """Seconds by algorithm: remembered, or measured now.

    Args:
        problem: names the problem, the target and the number of threads.
        candidates: algorithm → a function that prepares it and returns what is to be timed.
    """
    known = _found.get(problem) or _read().get(problem, {})
    if set(known) != set(candidates):
        runs = {name: prepare() for name, prepare in candidates.items()}
        known = dict.fromkeys(runs, float("inf"))
        for run in runs.values():
            run()
        for _ in range(RUNS):  # in turn: a slow moment of the machine hits all alike
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                known[name] = min(known[name], time.perf_counter() - start)
        _found[problem] = known
        _write({**_read(), problem: known})
    _found[problem] = known
    return known


def _read() -> dict[str, dict[str, float]]:
    """What is on disk; nothing if that is not what `_write` writes."""
    try:
        data = json.loads(cache.read_file(_FILE) or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {k: v for k, v in data.items() if isinstance(v, dict) and v and all(_is_time(t) for t in v.values())}


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")


def _write(data: dict[str, dict[str, float]]) -> None:
    cache.write_file(_FILE, json.dumps(data, indent=0).encode())
