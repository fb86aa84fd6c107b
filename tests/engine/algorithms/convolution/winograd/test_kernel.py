"""Winograd convolution: small caches, its error where sums do not cancel, pools of NaN and infinities, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.algorithm import Winograd
from simplecell.engine.algorithms.convolution.winograd.transforms import ERRORS, Transform
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.ops.base import spec_of
from simplecell.ops.pooling import AveragePool, MaxPool
from simplecell.precision import Precision
from tests.engine.algorithms.convolution.cases import BIAS_RELU_ADD, Case, problem_of
from tests.engine.algorithms.convolution.running import convolved
from tests.engine.harness import available_targets

TRANSFORMS = [Transform(*outputs_and_taps) for outputs_and_taps in ERRORS]


def result(
    transform: Transform,
    case: Case,
    name: str,
    epilogue: Epilogue,
    operands: list[np.ndarray],
    threads: int,
    end: bool,
    l2: int,
    pool: Any = None,
    apart: bool = False,
) -> np.ndarray:
    """What the kernel stores, or (`apart`) what is stored where every patch is set apart."""
    rng = np.random.default_rng(1)
    op, shape, _ = problem_of(case)
    problem = ConvolutionProblem.of(op, case.src, shape, pool)
    t, algorithm = target(name), Winograd(transform.outputs, transform.taps)
    setting = Setting(replace(t, l2=l2), 1, "fast")
    assert problem is not None and (pool is None or algorithm.refuses_pool(problem, setting, epilogue) is None)
    src, weights = rng.standard_normal(case.src).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
    plan = algorithm.plan(problem, setting, epilogue, problem.oc)
    stored = op.output_spec(*map(spec_of, (src, weights)))
    stored = stored if pool is None else pool.output_spec(stored)
    return convolved(plan, name, src, weights, stored.shape, operands, threads, end, apart)


@pytest.mark.parametrize("l2", [16 * 1024, 256 * 1024])
def test_small_caches_make_many_blocks_chunks_and_parts(l2: int) -> None:
    case = Case((2, 22, 19, 35), (3, 3), 130, padding="same")
    rng = np.random.default_rng(1)
    op, shape, _ = problem_of(case)
    expected = op.reference(*(rng.standard_normal(s).astype(np.float32).astype(np.float64) for s in (case.src, shape)))
    out = result(Transform(4), case, target().name, NO_EPILOGUE, [], 2, True, l2)
    assert np.abs(out - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_the_bound_holds_for_many_channels_and_positive_inputs(transform: Transform) -> None:
    """As after a relu: sums do not cancel, so the largest output is large. 256 channels are as many as the widest 3×3
    layers that use F(4,3)."""
    case = Case((1, 12, 12, 256), (transform.taps,) * 2, 32, padding="same")
    rng = np.random.default_rng(1)
    op, shape, _ = problem_of(case)
    src, weights = rng.standard_normal(case.src).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
    expected = op.reference(src.astype(np.float64), weights.astype(np.float64))
    out = result(transform, case, target().name, NO_EPILOGUE, [], 1, True, 1 << 20)
    assert np.abs(out - expected).max() <= transform.error * np.abs(expected).max()


POOLED: list[tuple[Transform, Case, tuple[int, ...]]] = [
    # odd extents: a row and a column are left over
    (Transform(2), Case((2, 5, 7, 17), (3, 3), 33, padding="same"), (2, 2)),
    # whole patches that only hold what is left over
    (Transform(4), Case((2, 11, 9, 19), (3, 3), 49), (2, 2)),
    (Transform(6), Case((2, 13, 7, 16), (3, 3), 18, padding="same"), (3, 2)),
    (Transform(2, 7), Case((2, 17, 3, 17), (7, 1), 33, padding=((3, 3), (0, 0))), (2, 1)),
]


@pytest.mark.parametrize("name", available_targets())
@pytest.mark.parametrize(("transform", "case", "size"), POOLED, ids=str)
def test_pooled_as_stored_is_pooled_afterwards(
    transform: Transform, case: Case, size: tuple[int, ...], name: str
) -> None:
    """NaN and infinities among the operands, too."""
    rng = np.random.default_rng(2)
    none = ((0, 0),) * len(size)
    most, mean = MaxPool(size, size, none), AveragePool(size, size, none)
    shape = result(transform, case, name, NO_EPILOGUE, [], 1, True, 1 << 20).shape
    bias, full = (rng.standard_normal(s).astype(np.float32) for s in (case.oc, shape))
    bias[3] = full[0, ..., 7] = -np.inf
    full.reshape(-1)[rng.integers(0, full.size, 20)] = np.nan
    how = BIAS_RELU_ADD, [bias, full, np.array([0.5])]
    whole = result(transform, case, name, *how, 1, True, 1 << 20)
    for threads, l2 in ((1, 1 << 20), (3, 1 << 20), (2, 128 * 1024)):  # one block, and several
        found = result(transform, case, name, *how, threads, threads == 1, l2, most)
        np.testing.assert_array_equal(found, most.reference(whole))
    pooled, stored = (result(transform, case, name, *how, 1, True, 1 << 20, p, apart=True) for p in (most, None))
    np.testing.assert_array_equal(pooled, most.reference(stored))
    found = result(transform, case, name, *how, 2, False, 1 << 20, mean)
    np.testing.assert_allclose(found, mean.reference(whole), rtol=1e-6, atol=1e-6)


def test_windows_that_cut_tiles_are_not_pooled() -> None:
    def why(transform: Transform, case: Case, *size: int) -> str | None:
        op, shape, _ = problem_of(case)
        problem = ConvolutionProblem.of(op, case.src, shape, MaxPool(size, size, ((0, 0),) * len(size)))
        assert problem is not None
        algorithm = Winograd(transform.outputs, transform.taps)
        return algorithm.refuses_pool(problem, Setting(target(), 1, "fast"), NO_EPILOGUE)

    assert why(Transform(4), Case((1, 9, 9, 16), (3, 3), 16), 2, 2) is None
    assert "4×4 outputs" in str(why(Transform(4), Case((1, 9, 9, 16), (3, 3), 16), 3, 3))
    assert "4×4 outputs" in str(why(Transform(4), Case((1, 9, 9, 9, 16), (3, 3, 3), 16), 2, 2, 2))
    assert "1×4 outputs" in str(why(Transform(4), Case((1, 9, 9, 16), (1, 3), 16), 2, 2))
    assert "too large" in str(why(Transform(4), Case((1, 9, 9, 16), (3, 3), 16), 4, 4))


def test_exact_precision_and_what_winograd_cannot_do_are_refused() -> None:
    def why(case: Case, precision: Precision = "fast") -> str | None:
        on = target("x86-64" if "x86-64" in available_targets() else None)
        return Winograd(4, 3).refuses(problem_of(case)[2], Setting(on, 1, precision))

    assert why(Case((1, 8, 8, 16), (3, 3), 16)) is None
    assert "exact" in str(why(Case((1, 8, 8, 16), (3, 3), 16), "exact"))
    assert "strides" in str(why(Case((1, 8, 8, 16), (3, 3), 16, 2)))
    assert "dilation" in str(why(Case((1, 8, 8, 16), (3, 3), 16, dilation=2)))
    assert "groups" in str(why(Case((1, 8, 8, 16), (3, 3), 16, groups=2)))
    assert "3×3" in str(why(Case((1, 8, 8, 16), (5, 5), 16)))
    assert "3×3" in str(why(Case((1, 8, 8, 8, 16), (3, 1, 3), 16)))
    assert "channels" in str(why(Case((1, 8, 8, 3), (3, 3), 16)))


def test_unknown_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="outputs \\+ taps - 1"):
        Transform(3, 3)
