"""Convolution by Fourier transforms: the transform as algebra, its error where sums do not cancel, and
blocks for small caches."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.fourier_rows.algorithm import FourierRows
from simplecell.engine.algorithms.convolution.fourier_sizes import ERROR, RADICES
from simplecell.engine.code.expression import NO_EPILOGUE
from simplecell.engine.code.fourier import frequencies, passes, twiddles
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.ops.base import spec_of
from simplecell.precision import Precision
from tests.engine.algorithms.convolution.cases import Case, problem_of
from tests.engine.algorithms.convolution.running import convolved


def result(case: Case, src: np.ndarray, weights: np.ndarray, threads: int = 1, l2: int = 1 << 20) -> np.ndarray:
    setting = Setting(replace(target(), l2=l2), threads, "fast")
    plan = FourierRows().plan(problem_of(case)[2], setting, NO_EPILOGUE, case.oc)
    shape = case.op.output_spec(spec_of(src), spec_of(weights)).shape
    return convolved(plan, target().name, src, weights, shape, threads=threads)


def test_the_bound_holds_for_positive_inputs_and_large_kernels() -> None:
    """Sums do not cancel, and direct ones err by 1e-6 and more."""
    rng = np.random.default_rng(1)
    case = Case((1, 150, 40, 1), (61, 31), 1, padding="same")
    src, weights = rng.random(case.src, np.float32), rng.random(case.weights, np.float32)
    expected = case.op.reference(src.astype(np.float64), weights.astype(np.float64))
    assert np.abs(result(case, src, weights) - expected).max() <= ERROR * np.abs(expected).max()


def test_caches_choose_the_block() -> None:
    rng = np.random.default_rng(1)
    case = Case((1, 45, 131, 1), (31, 31), 1, padding="same")
    src, weights = (rng.standard_normal(s).astype(np.float32) for s in (case.src, case.weights))
    expected = case.op.reference(src.astype(np.float64), weights.astype(np.float64))
    for l2 in (1 << 16, 1 << 22):
        assert np.abs(result(case, src, weights, 2, l2) - expected).max() <= ERROR * np.abs(expected).max()


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
