"""Convolution of signals by Fourier transforms along the channels' vectors, against float64 on guarded buffers."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.fourier_channels.algorithm import FourierChannels
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.engine.precision import Precision
from simplecell.ops.base import spec_of
from tests.engine.algorithms.convolution.cases import BIAS_RELU_ADD, SIGMOIDS, Case, problem_of
from tests.engine.algorithms.convolution.fourier import convolved
from tests.engine.harness import available_targets

BOUND = 1e-6
"""Largest error, as a share of the largest output."""

CASES = [
    Case((1, 200, 1), (64,), 32, 4, "same"),
    Case((2, 101, 3), (9,), 17, padding="same"),
    Case((1, 150, 20), (7,), 70, padding="causal"),
    Case((3, 90, 1), (90,), 47),
    Case((1, 333, 2), (31,), 33, 3, ((5, 9),)),
]


def result(
    case: Case, name: str, epilogue: Epilogue, operands: list[np.ndarray], threads: int, end: bool
) -> np.ndarray:
    rng = np.random.default_rng(1)
    op, shape, problem = problem_of(case)
    src, weights = (rng.standard_normal(s).astype(np.float32) for s in (case.src, shape))
    plan = FourierChannels().plan(problem, Setting(target(name), threads, "fast"), epilogue, problem.oc)
    return convolved(
        plan, name, src, weights, op.output_spec(*map(spec_of, (src, weights))).shape, operands, threads, end
    )


@pytest.mark.parametrize("name", available_targets())
@pytest.mark.parametrize("case", CASES, ids=str)
def test_within_the_bound_of_float64(case: Case, name: str) -> None:
    rng = np.random.default_rng(1)
    op, shape, _ = problem_of(case)
    src, weights = (rng.standard_normal(s).astype(np.float32) for s in (case.src, shape))
    expected = op.reference(src.astype(np.float64), weights.astype(np.float64))
    one = result(case, name, NO_EPILOGUE, [], 1, True)
    assert np.abs(one - expected).max() <= BOUND * np.abs(expected).max()
    assert (result(case, name, NO_EPILOGUE, [], 2, False) == one).all()
    assert (result(case, name, NO_EPILOGUE, [], 3, False) == one).all()
    if case is CASES[1]:
        bias, full, scale = rng.standard_normal(case.oc), rng.standard_normal(expected.shape), np.array([0.5])
        wanted = (np.maximum(expected + bias, 0) + full) * 0.5
        assert (
            np.abs(result(case, name, BIAS_RELU_ADD, [bias, full, scale], 2, True) - wanted).max()
            <= BOUND * np.abs(expected).max()
        )
        assert (
            np.abs(result(case, name, SIGMOIDS, [bias], 2, True) - expected - bias).max()
            <= BOUND * np.abs(expected).max()
        )


def test_what_it_cannot_do_is_refused() -> None:
    def why(case: Case, precision: Precision = "tight") -> str | None:
        return FourierChannels().refuses(problem_of(case)[2], Setting(target(), 1, precision))

    assert why(Case((1, 900, 4), (30,), 64, 2)) is None
    assert "exact" in str(why(Case((1, 900, 4), (30,), 64), "exact"))
    assert "groups" in str(why(Case((1, 900, 4), (30,), 64, groups=2)))
    assert "signal" in str(why(Case((1, 90, 90, 4), (9, 9), 64)))
    assert "dilation" in str(why(Case((1, 900, 4), (30,), 64, dilation=2)))
    assert "channels" in str(why(Case((1, 900, 4), (30,), 3)))
    assert "short" in str(why(Case((1, 900, 4), (30,), 64, 9)))
    assert "many" in str(why(Case((1, 900, 512), (30,), 2048)))
