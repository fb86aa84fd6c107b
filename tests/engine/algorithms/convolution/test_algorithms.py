"""Every algorithm of the table on every case that it does not refuse, against float64, on guarded buffers.

Inputs are drawn anew in each run; a failure says the seed, and CASES_SEED=… in the environment draws the same again.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.algorithm import ConvolutionAlgorithm
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.table import ALGORITHMS
from simplecell.engine.host import host, target
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target
from simplecell.precision import Precision
from tests.engine.algorithms.convolution.cases import CASES, MEANING, PRECISIONS, Case, accepted, problem_of
from tests.engine.algorithms.convolution.running import convolved
from tests.engine.harness import available_targets
from tests.engine.targets import AVX2, AVX512, NEON, X86_64

SEED = int(os.environ.get("CASES_SEED", secrets.randbits(32)))
TARGETS = [*available_targets(), *(["amx"] if host().matrix else [])]
ROUNDING = 2.0**-20
"""Of float32 sums, as a share of the sum of their products' magnitudes. Each of n additions errs by up to 2⁻²⁴ of the
partial sum, which grows with the root of n where signs are random: as a root mean square that is some n · 2⁻²⁴ / 4 of
one product, half of 2⁻²⁴ of all magnitudes, however many they are. Of a million outputs the worst, whose partial sums
were large too, was off by six times 2⁻²⁴; sixteen times are allowed."""
AROUND = 5
"""values between the pixels of a dst that is a part of a concatenation"""
MOST_MARKED = {"fast": 0.0, "tight": 0.5, "exact": 0.0}
"""By precision: the share of patches that may count as having an outlier. Of normal random numbers hardly any does,
unless it is at an edge and has few channels: all the values there may be small."""


@dataclass(frozen=True)
class Drawn:
    """A case with numbers."""

    src: np.ndarray
    weights: np.ndarray
    operands: tuple[np.ndarray, ...]
    whole: tuple[int, ...]
    """the shape before it is pooled"""
    wanted: np.ndarray
    rounding: np.ndarray
    """what direct sums may be off by"""
    largest: float
    """of the outputs that there might be: of a few, all may be small"""


@cache
def drawn(name: str) -> Drawn:
    case = CASES[name]
    op, pool = case.op, case.max_pool
    rng = np.random.default_rng([SEED, list(CASES).index(name)])
    src, weights = (rng.standard_normal(s).astype(np.float32) for s in (case.src, case.weights))
    wide = src.astype(np.float64), weights.astype(np.float64)
    sums, magnitudes, squares = (op.reference(*map(f, wide)) for f in (np.asarray, np.abs, np.square))
    shapes = {"channel": (case.oc,), "full": sums.shape, "scalar": (1,)}
    operands = tuple(rng.standard_normal(shapes[kind]).astype(np.float32) for kind in case.epilogue.kinds)
    wanted = MEANING[case.epilogue](sums, *operands)
    factor = max([1.0, *(float(np.abs(o).max()) for o in operands if o.size == 1)])
    magnitudes = factor * (magnitudes + sum(np.abs(o) for o in operands))
    largest = factor * max(float(np.abs(sums).max()), float(np.sqrt(squares.max())))
    if pool is not None:
        wanted, magnitudes = pool.reference(wanted), pool.reference(magnitudes)
    return Drawn(src, weights, operands, sums.shape, wanted, ROUNDING * magnitudes, largest)


def plans(
    algorithm: ConvolutionAlgorithm, case: Case, on: str
) -> Iterator[tuple[Precision, ConvolutionPlan[Any], ConvolutionPlan[Any], ConvolutionPlan[Any] | None]]:
    """Each plan that is another one than for the precisions before: on 1 thread, on 3, and on 3 where dst is a part of
    a concatenation, if it can be."""
    problem, known = problem_of(case)[2], []
    for precision in accepted(algorithm, case, target(on)):
        one, three = (Setting(target(on), threads, precision) for threads in (1, 3))
        plan = algorithm.plan(problem, one, case.epilogue, case.oc)
        if plan in known:
            continue
        known.append(plan)
        joined = case.groups == 1 and case.oc >= 16 and "full" not in case.epilogue.kinds  # as placement.py has it
        yield (
            precision,
            plan,
            algorithm.plan(problem, three, case.epilogue, case.oc),
            algorithm.plan(problem, three, case.epilogue, case.oc + AROUND) if joined else None,
        )


RUNS = [
    (algorithm, name, on)
    for on in TARGETS
    for name, case in CASES.items()
    for algorithm in ALGORITHMS
    if accepted(algorithm, case, target(on))
]


@pytest.mark.parametrize(("algorithm", "name", "on"), RUNS, ids=[f"{a.name}-{name}-{on}" for a, name, on in RUNS])
def test_within_the_stated_error_of_float64(algorithm: ConvolutionAlgorithm, name: str, on: str) -> None:
    d, case = drawn(name), CASES[name]

    def run(plan: ConvolutionPlan[Any], threads: int, shape: tuple[int, ...] = (), **how: Any) -> np.ndarray:
        """On arrays that end (one thread) or begin where the memory does."""
        return convolved(plan, on, d.src, d.weights, shape or d.wanted.shape, d.operands, threads, threads == 1, **how)

    for precision, plan, on_three, joined in plans(algorithm, case, on):
        what, marked = f"{precision}, seed {SEED}", MOST_MARKED[precision]
        first = run(plan, 1, marked=marked)
        check(first, d, algorithm.error(precision) * d.largest, what)
        if case.max_pool is not None:
            problem = problem_of(replace(case, pool=()))[2]
            whole = algorithm.plan(problem, Setting(target(on), 1, precision), case.epilogue, case.oc)
            stored = run(whole, 1, shape=d.whole, marked=marked)
            np.testing.assert_array_equal(first, case.max_pool.reference(stored), f"{what}: pooled afterwards")
        np.testing.assert_array_equal(run(on_three, 3, marked=marked), first, f"{what}: on 3 threads")
        if joined is not None:
            there = run(joined, 3, marked=marked, dst_pixel=case.oc + AROUND)
            np.testing.assert_array_equal(there, first, f"{what}: as a part of a concatenation")
        if plan.apart is not None:
            direct = run(plan, 1, apart=True)
            check(direct, d, 0.0, f"{what}: summed directly")
            np.testing.assert_array_equal(run(on_three, 3, apart=True), direct, f"{what}: directly on 3 threads")


def check(found: np.ndarray, d: Drawn, error: float, what: str) -> None:
    """Within the algorithm's own error and that of rounding."""
    over = np.abs(found - d.wanted) - (error + d.rounding)
    at = tuple(map(int, np.unravel_index(over.argmax(), over.shape)))
    assert over[at] <= 0, f"{what}: {over[at]:.1e} more than may be, at {at}"


# --- the table of cases ----------------------------------------------------------------------------------------------

ALL = [AVX512, replace(AVX512, name="amx", matrix=True), AVX2, X86_64, NEON]


@cache
def probes(rank: int) -> list[ConvolutionProblem]:
    """Many problems of a rank, of all kinds."""
    rng, found = np.random.default_rng(rank), []
    for _ in range(600):
        kernel = tuple(int(k) for k in rng.choice([1, 2, 3, 3, 3, 5, 7, 64], rank))
        src = tuple(int(rng.choice([5, 9, 40, 200])) for k in kernel)
        ic, oc = (int(c) for c in rng.choice([1, 3, 8, 16, 32], 2))
        groups = int(rng.choice([1, 1, 1, ic, max(ic // 2, 1)]))
        case = Case(
            (1, *src, ic), kernel, oc * groups if groups > 1 else oc, int(rng.integers(1, 3)), "same", 1, groups
        )
        if case.strides == 1 or all(k > 1 for k in kernel):
            found.append(problem_of(case)[2])
    return found


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("on", ALL, ids=[t.name for t in ALL])
def test_each_algorithm_has_cases_of_each_rank_that_it_computes(rank: int, on: Target) -> None:
    lacking = []
    for algorithm in ALGORITHMS:
        settings = [Setting(on, 1, precision) for precision in PRECISIONS]
        computes = any(algorithm.refuses(p, setting) is None for p in probes(rank) for setting in settings)
        if computes and not any(case.rank == rank and accepted(algorithm, case, on) for case in CASES.values()):
            lacking.append(algorithm.name)
    assert lacking == []


def test_each_algorithm_has_each_epilogue() -> None:
    for on in ALL:
        for algorithm in ALGORITHMS:
            found = {case.epilogue for case in CASES.values() if accepted(algorithm, case, on)}
            assert found == set(MEANING) or not found, f"{algorithm.name} on {on.name}"
    assert all(any(accepted(a, case, on) for case in CASES.values() for on in ALL) for a in ALGORITHMS)


def test_each_algorithm_that_pools_has_pools() -> None:
    for algorithm in ALGORITHMS:
        if type(algorithm).refuses_pool is not ConvolutionAlgorithm.refuses_pool:
            cases = [
                name for name, case in CASES.items() if case.pool and any(accepted(algorithm, case, on) for on in ALL)
            ]
            assert cases, algorithm.name


def test_stated_errors_are_what_precisions_promise() -> None:
    most = {"fast": 3e-5, "tight": 1e-5, "exact": 0.0}
    for algorithm in ALGORITHMS:
        for precision in {p for case in CASES.values() for on in ALL for p in accepted(algorithm, case, on)}:
            assert algorithm.error(precision) <= most[precision], f"{algorithm.name}, {precision}"


def test_each_algorithm_is_run_on_emulated_arm() -> None:
    """In tests/arm.txt stand cases of each, by the names that they have there."""
    lines = (Path(__file__).parents[3] / "arm.txt").read_text(encoding="utf-8").splitlines()
    function = test_within_the_stated_error_of_float64.__name__
    listed = {line.partition("[")[2].rstrip("]") for line in lines if f"::{function}[" in line}
    there = {
        a.name: {f"{a.name}-{name}-neon" for name, case in CASES.items() if accepted(a, case, NEON)} for a in ALGORITHMS
    }
    assert listed <= set().union(*there.values()), "they are refused there"
    assert all(names & listed for names in there.values() if names)
