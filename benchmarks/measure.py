"""Alternating runs and medians: what a shared, noisy machine allows one to say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

WARM = 3


def alternate(
    runs: Mapping[str, Callable[[], object]], seconds: float = 2.0, least: int = 7, most: int = 400
) -> dict[str, float]:
    """Median seconds of each function, called in turn: A B C A B C …, so that a slow moment of the machine hits all
    alike.

    Each turn of one function first runs it `WARM` times unmeasured, so that caches and clocks are its own and not its
    predecessor's (after another runtime, three runs passed until a layer with 12 MB of outputs was steady again), then
    repeats it for about 2 ms.
    """
    repeats: dict[str, int] = {}
    once: dict[str, float] = {}
    for name, run in runs.items():
        run()
        start = time.perf_counter()
        run()
        once[name] = max(time.perf_counter() - start, 1e-7)
        repeats[name] = int(np.clip(0.002 / once[name], 1, 1000))
    turn = sum(once[n] * (repeats[n] + WARM) for n in runs)
    turns = int(np.clip(seconds / max(turn, 1e-9), least, most))
    times: dict[str, list[float]] = {n: [] for n in runs}
    for _ in range(turns):
        for name, run in runs.items():
            for _ in range(WARM):
                run()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            times[name].append((time.perf_counter() - start) / repeats[name])
    return {n: float(np.median(t)) for n, t in times.items()}


def peak_gflops(threads: int) -> float:
    """What this core's multiply-add units give: a loop of independent FMAs on registers, in simplecell's own machine
    code."""
    from benchmarks.peak import fma_loop

    run, flops = fma_loop(threads)
    best = min(_timed(run) for _ in range(20))
    return flops / best / 1e9


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
