"""Convolution on a matrix unit against float64 and its stated error, on guarded buffers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.matrix import schedule
from simplecell.engine.algorithms.convolution.matrix.algorithm import PARTS, Matrix
from simplecell.engine.algorithms.convolution.matrix.blocking import can_pool
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.bfloat16 import ERROR
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target
from simplecell.ops.base import spec_of
from simplecell.ops.convolution import Convolution
from simplecell.ops.pooling import AveragePool, MaxPool
from simplecell.precision import Precision
from tests.engine.algorithms.convolution.cases import BIAS_RELU_ADD, SIGMOIDS, Case, problem_of
from tests.engine.algorithms.convolution.running import convolved

try:
    AMX: Target | None = target("amx")
except ValueError:
    AMX = None

needs_amx = pytest.mark.skipif(
    AMX is None, reason="this CPU has no AMX, or the system does not let this process use it"
)

MORE = [
    Case((1, 14, 14, 64), (3, 3), 64, padding="same"),
    Case((2, 15, 13, 96), (3, 3), 48, 2, "same"),
    Case((1, 7, 7, 33), (3, 3), 31, padding="same"),
    Case((1, 300, 33), (9,), 40, 4, "same"),
    Case((1, 61, 65), (5,), 32, 3, ((7, 9),)),
    Case((1, 6, 23, 31), (5, 3), 63, padding=((9, 1), (0, 8)), dilation=2),
    Case((1, 9, 40, 16), (2, 5), 17, 3, ((0, 0), (4, 4)), 2),
    Case((1, 300, 64), (1,), 129),
    Case((1, 100, 78, 32), (1, 2), 16, padding=((0, 0), (1, 0))),
    Case((2, 19, 21, 3), (7, 7), 40, 2, "same"),
    Case((1, 11, 40, 3), (3, 3), 33, padding="same"),
    Case((1, 40, 1), (31,), 16, 3, ((40, 35),)),
    Case((1, 5, 3, 2), (2, 9), 17, padding=((0, 0), (11, 9))),
    Case((1, 6, 5, 7, 4), (3, 2, 5), 17, 2, "same"),
]


def drawn(case: Case) -> tuple[Convolution, ConvolutionProblem, np.ndarray, np.ndarray, np.random.Generator]:
    """A case's op and problem, with fresh inputs and weights."""
    rng = np.random.default_rng()
    op, shape, problem = problem_of(case)
    return (
        op,
        problem,
        rng.standard_normal(case.src).astype(np.float32),
        rng.standard_normal(shape).astype(np.float32),
        rng,
    )


def result(
    op: Convolution,
    case: Case,
    src: np.ndarray,
    weights: np.ndarray,
    precision: Precision = "fast",
    threads: int = 1,
    end: bool = True,
    epilogue: Epilogue = NO_EPILOGUE,
    operands: list[np.ndarray] | None = None,
    l2: int = 0,
    pool: Any = None,
) -> np.ndarray:
    assert AMX is not None
    problem = ConvolutionProblem.of(op, case.src, weights.shape, pool)
    assert problem is not None and (problem.pool is None or can_pool(problem.pool))
    setting = Setting(replace(AMX, l2=l2 or AMX.l2), threads, precision)
    plan = Matrix().plan(problem, setting, epilogue, problem.oc)
    stored = op.output_spec(*map(spec_of, (src, weights)))
    stored = stored if pool is None else pool.output_spec(stored)
    return convolved(plan, "amx", src, weights, stored.shape, operands or (), threads, end)


@needs_amx
@pytest.mark.parametrize("precision", PARTS)
@pytest.mark.parametrize("case", MORE, ids=str)
def test_equals_float64_within_the_stated_error(case: Case, precision: Precision) -> None:
    op, problem, src, weights, _ = drawn(case)
    exact = op.reference(src.astype(np.float64), weights.astype(np.float64))
    magnitude = op.reference(np.abs(src).astype(np.float64), np.abs(weights).astype(np.float64))
    results = [result(op, case, src, weights, precision, *how) for how in ((1, True), (2, False), (3, True))]
    rounding = 2.0**-24 * 8 * (problem.taps * problem.ic) ** 0.5  # of the sums in float32
    assert (np.abs(results[0] - exact) <= (ERROR[PARTS[precision]] + rounding) * magnitude).all()
    if exact.size >= 100:  # the largest of a few may be small
        assert np.abs(results[0] - exact).max() <= (3e-5 if precision == "fast" else 1e-6) * np.abs(exact).max()
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


@needs_amx
@pytest.mark.parametrize("l2", [16 * 1024, 64 * 1024, 256 * 1024])
@pytest.mark.parametrize("case", MORE[:4], ids=str)
def test_blocks_do_not_change_bits(case: Case, l2: int) -> None:
    op, _, src, weights, _ = drawn(case)
    expected = result(op, case, src, weights)
    for threads in (1, 2, 3):
        assert (result(op, case, src, weights, threads=threads, l2=l2) == expected).all()


@needs_amx
@pytest.mark.parametrize(
    "case", [MORE[0], MORE[1], MORE[2], MORE[4], MORE[5], Case((1, 3, 15, 130), (1, 1), 70)], ids=str
)
def test_input_channels_in_parts(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """What large layers do lest their weights leave L2: sums wait while other pixels are summed."""
    op, _, src, weights, _ = drawn(case)
    expected = result(op, case, src, weights)
    monkeypatch.setattr(schedule, "PART_BYTES", 1)
    for threads in (1, 2, 3):
        assert (result(op, case, src, weights, threads=threads) == expected).all()
        assert (result(op, case, src, weights, threads=threads, l2=64 * 1024) == expected).all()


@needs_amx
@pytest.mark.parametrize("case", MORE[:3], ids=str)
def test_epilogues(case: Case) -> None:
    op, _, src, weights, rng = drawn(case)
    plain = result(op, case, src, weights)
    bias, other = (rng.standard_normal(s).astype(np.float32) for s in (case.oc, plain.shape))
    operands = [bias, other, np.array([0.5], np.float32)]
    np.testing.assert_array_equal(
        result(op, case, src, weights, epilogue=BIAS_RELU_ADD, operands=operands),
        (np.maximum(plain + bias, 0) + other) * np.float32(0.5),
    )
    np.testing.assert_array_equal(
        result(op, case, src, weights, epilogue=SIGMOIDS, operands=[bias], threads=2), plain + bias
    )


@needs_amx
@pytest.mark.parametrize(
    ("case", "size"),
    [
        (MORE[0], (2, 2)),
        (Case((2, 15, 13, 40), (3, 3), 33, padding="same"), (2, 2)),  # a row and a column are left over
        (Case((1, 21, 37, 3), (5, 5), 16), (2, 2)),
        (Case((1, 9, 40, 16), (2, 5), 17, 3, ((0, 0), (4, 4)), 2), (1, 4)),
        (Case((1, 12, 36, 32), (3, 3), 32, padding="same"), (2, 3)),
        (
            Case((1, 10, 74, 32), (3, 3), 33, padding="same"),
            (2, 2),
        ),  # five tiles of 16 are wider than a row with its border
        (Case((2, 5, 74, 19), (3, 4), 16, padding=((1, 1), (2, 1))), (1, 2)),
        (Case((1, 301, 33), (9,), 40, 2, "same"), (2,)),
        (Case((1, 4, 9, 10, 17), (3, 3, 3), 18, padding="same"), (1, 2, 2)),
    ],
    ids=str,
)
def test_pooled_as_stored_is_pooled_afterwards(case: Case, size: tuple[int, ...]) -> None:
    op, _, src, weights, rng = drawn(case)
    src.reshape(-1)[rng.integers(0, src.size, 3)] = np.nan
    bias = rng.standard_normal(case.oc).astype(np.float32)
    bias[3] = -np.inf
    none = ((0, 0),) * len(size)
    most, mean = MaxPool(size, size, none), AveragePool(size, size, none)
    for epilogue, operands in ((NO_EPILOGUE, []), (SIGMOIDS, [bias])):
        whole = result(op, case, src, weights, epilogue=epilogue, operands=operands)
        found = result(op, case, src, weights, epilogue=epilogue, operands=operands, pool=most)
        np.testing.assert_array_equal(found, most.reference(whole))
        for threads, l2 in ((3, 0), (2, 64 * 1024)):
            np.testing.assert_array_equal(
                found, result(op, case, src, weights, "fast", threads, False, epilogue, operands, l2, most)
            )
        found = result(op, case, src, weights, epilogue=epilogue, operands=operands, pool=mean)
        np.testing.assert_allclose(
            found, mean.reference(whole), rtol=0, atol=2.0**-21 * np.abs(whole[np.isfinite(whole)]).max()
        )


@needs_amx
def test_infinities_and_nan_reach_only_the_outputs_that_read_them() -> None:
    case = Case((1, 9, 11, 40), (3, 3), 20, padding="same")
    op, _, src, weights, _ = drawn(case)
    expected = result(op, case, src, weights)
    for value in (np.nan, np.inf, -np.inf, np.frombuffer(b"\xff\xff\xff\x7f", np.float32)[0]):
        spoiled = src.copy()
        spoiled[0, 4, 5, 17] = value
        found = result(op, case, spoiled, weights)
        assert not np.isfinite(found[0, 3:6, 4:7]).any()
        found[0, 3:6, 4:7] = expected[0, 3:6, 4:7]
        assert (found == expected).all()


@needs_amx
def test_small_and_large_values() -> None:
    """What is scaled by powers of two keeps its bits, as long as nothing falls below 2⁻¹²⁶."""
    case = Case((1, 5, 6, 32), (3, 3), 16, padding="same")
    op, _, src, weights, _ = drawn(case)
    expected = result(op, case, src, weights)
    for power in (-60, 60):
        assert (result(op, case, src * np.float32(2.0**power), weights) == expected * np.float32(2.0**power)).all()


def test_refusals() -> None:
    _, _, plain = problem_of(Case((1, 8, 8, 32), (3, 3), 32))
    _, _, grouped = problem_of(Case((1, 8, 8, 32), (3, 3), 32, groups=2))
    with_unit, without = replace(target(), matrix=True), replace(target(), matrix=False)
    matrix = Matrix()
    assert matrix.refuses(plain, Setting(without, 1, "fast")) == "no matrix unit"
    assert matrix.refuses(plain, Setting(with_unit, 1, "exact")) == "precision is exact"
    assert matrix.refuses(grouped, Setting(with_unit, 1, "fast")) == "it has groups"
    assert matrix.refuses(plain, Setting(with_unit, 1, "fast")) is None
