"""Convolution by Fourier transforms: the transform as algebra, and the kernel against float64 on guarded buffers."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.fourier_rows.algorithm import FourierRows
from simplecell.engine.algorithms.convolution.fourier_sizes import RADICES
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.fourier import frequencies, passes, twiddles
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.engine.precision import Precision
from simplecell.ops.base import spec_of
from tests.engine.algorithms.convolution.cases import BIAS_RELU_ADD, Case, problem_of
from tests.engine.algorithms.convolution.fourier import convolved
from tests.engine.harness import available_targets

BOUND = 1e-6
"""Largest error, as a share of the largest output. (Measured: 2e-7 with signed inputs, 5e-7 with positive ones; direct
sums of 31×31 values 1.1e-6, 1.7e-6.)"""

CASES = [
    Case((1, 20, 35, 1), (7, 7), 1, padding="same"),
    Case((1, 45, 131, 1), (31, 31), 1, padding="same"),
    Case((2, 61, 50, 1), (9, 4), 8),
    Case((1, 70, 33, 3), (5, 6), 3, padding=((2, 0), (1, 3))),
    Case((3, 40, 47, 2), (6, 3), 5, padding="same", dilation=2),
    Case((2, 1500, 1), (200,), 1, padding="same"),
    Case((1, 700, 2), (131,), 4, padding="causal"),
    Case((1, 300, 1), (300,), 2),
]


def result(
    case: Case, name: str, epilogue: Epilogue, operands: list[np.ndarray], threads: int, end: bool, l2: int = 1 << 20,
    given: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:  # fmt: skip
    rng = np.random.default_rng(1)
    op, shape, problem = problem_of(case)
    src, weights = given or (rng.standard_normal(s).astype(np.float32) for s in (case.src, shape))
    setting = Setting(replace(target(name), l2=l2), threads, "fast")
    plan = FourierRows().plan(problem, setting, epilogue, problem.oc)
    return convolved(
        plan, name, src, weights, op.output_spec(*map(spec_of, (src, weights))).shape, operands, threads, end
    )


@pytest.mark.parametrize("name", available_targets())
@pytest.mark.parametrize("case", CASES, ids=str)
def test_within_the_bound_of_float64(case: Case, name: str) -> None:
    rng = np.random.default_rng(1)
    op, shape, _ = problem_of(case)
    src, weights = rng.standard_normal(case.src).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
    expected = op.reference(src.astype(np.float64), weights.astype(np.float64))
    one = result(case, name, NO_EPILOGUE, [], 1, True)
    assert np.abs(one - expected).max() <= BOUND * np.abs(expected).max()
    assert (result(case, name, NO_EPILOGUE, [], 3, False) == one).all()
    if case is CASES[3]:
        bias, full, scale = rng.standard_normal(case.oc), rng.standard_normal(expected.shape), np.array([0.5])
        wanted = (np.maximum(expected + bias, 0) + full) * 0.5
        assert (
            np.abs(result(case, name, BIAS_RELU_ADD, [bias, full, scale], 2, True) - wanted).max()
            <= BOUND * np.abs(expected).max()
        )


def test_the_bound_holds_for_positive_inputs_and_large_kernels() -> None:
    """Sums do not cancel, and direct ones err by 1e-6 and more."""
    rng = np.random.default_rng(1)
    case = Case((1, 150, 40, 1), (61, 31), 1, padding="same")
    op, shape, problem = problem_of(case)
    src, weights = rng.random(case.src, np.float32), rng.random(shape, np.float32)
    expected = op.reference(src.astype(np.float64), weights.astype(np.float64))
    assert (
        np.abs(result(case, target().name, NO_EPILOGUE, [], 1, True, given=(src, weights)) - expected).max()
        <= BOUND * np.abs(expected).max()
    )


def test_caches_choose_the_block() -> None:
    case = CASES[1]
    small, large = (result(case, target().name, NO_EPILOGUE, [], 2, True, l2) for l2 in (1 << 16, 1 << 22))
    assert np.abs(small - large).max() <= BOUND * np.abs(large).max()


@pytest.mark.parametrize("radices", RADICES, ids=str)
def test_passes_and_factors_are_the_transform(radices: tuple[int, ...]) -> None:
    """The kernel's passes, in NumPy: frequencies come out in the order that `frequencies` says."""
    rng = np.random.default_rng(1)
    size, table = prod(radices), twiddles(radices)
    x = rng.standard_normal(size) + 1j * rng.standard_normal(size)
    z = x.copy()
    for p in passes(radices):
        runs = z.reshape(-1, p.radix, p.rows)
        split = np.einsum("pq,rqj->rpj", np.exp(-2j * np.pi * np.outer(range(p.radix), range(p.radix)) / p.radix), runs)
        if p.rows > 1:
            w = table[p.offset : p.offset + p.rows * (p.radix - 1) * 2].reshape(p.rows, p.radix - 1, 2)
            split[:, 1:] *= (w[..., 0] + 1j * w[..., 1]).T
        z = split.ravel()
    order = frequencies(radices)
    assert sorted(order) == list(range(size))
    np.testing.assert_allclose(z, np.fft.fft(x)[order], atol=1e-5 * size)


def test_what_it_cannot_do_is_refused() -> None:
    def why(case: Case, precision: Precision = "tight") -> str | None:
        return FourierRows().refuses(problem_of(case)[2], Setting(target(), 1, precision))

    assert why(Case((1, 80, 80, 1), (9, 9), 1)) is None
    assert why(Case((1, 9000, 1), (500,), 1)) is None
    assert "exact" in str(why(Case((1, 80, 80, 1), (9, 9), 1), "exact"))
    assert "strides" in str(why(Case((1, 80, 80, 1), (9, 9), 1, 2)))
    assert "groups" in str(why(Case((1, 80, 80, 2), (9, 9), 2, groups=2)))
    assert "channels" in str(why(Case((1, 80, 80, 9), (9, 9), 1)))
    assert "flat" in str(why(Case((1, 80, 80, 1), (3, 9), 1)))
    assert "short" in str(why(Case((1, 900, 1), (9,), 1)))
    assert "dilated" in str(why(Case((1, 9000, 1), (500,), 1, dilation=2)))
    assert "three" in str(why(Case((1, 20, 20, 20, 1), (5, 5, 5), 1)))
    assert "rows" in str(why(Case((1, 80, 900, 1), (1, 200), 1)))
    assert "taller" in str(why(Case((1, 9000, 80, 1), (2100, 1), 1)))
