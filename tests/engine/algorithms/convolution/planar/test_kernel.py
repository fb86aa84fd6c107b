"""Planar convolution against float64 on guarded buffers."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.planar.algorithm import Planar
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.ops.base import spec_of
from tests.engine.algorithms.convolution.cases import BIAS_RELU_ADD, Case, problem_of
from tests.engine.harness import available_targets, guarded, run

CASES = [
    Case((1, 1, 1), (1,), 1),
    Case((2, 40, 1), (3,), 1, padding="same"),
    Case((1, 9, 97, 1), (3, 3), 1, padding="same"),
    Case((2, 12, 33, 1), (11, 7), 1, padding="same"),
    Case((1, 7, 131, 1), (5, 5), 8, padding="same"),
    Case((1, 7, 101, 1), (3, 3), 2),
    Case((1, 6, 35, 3), (3, 5), 3, padding=((2, 0), (1, 3))),
    Case((1, 9, 47, 2), (3, 3), 5, padding="same", dilation=2),
    Case((1, 4, 5, 39, 1), (3, 3, 3), 1, padding="same"),
]


def result(
    case: Case, name: str, epilogue: Epilogue, operands: list[np.ndarray], threads: int, end: bool
) -> np.ndarray:
    rng = np.random.default_rng(1)
    op, shape, problem = problem_of(case)
    src, weights = rng.standard_normal(case.src).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
    plan = Planar().plan(problem, Setting(target(name), 1, "fast"), epilogue, problem.oc)
    packed = guarded(np.full(plan.weights.nbytes // 4, np.nan, np.float32), end)
    run(plan.weights.kernel, threads, name, dst=packed, src=guarded(weights, end), **plan.weights.schedule.arguments())
    dst = guarded(np.full(op.output_spec(spec_of(src), spec_of(weights)).shape, np.nan, np.float32), end)
    stride = -(-plan.scratch_bytes // 64) * 64
    scratch = guarded(np.full(stride * threads // 4, np.nan, np.float32), end)
    at_edge = {f"e{i}": guarded(o.astype(np.float32), end) for i, o in enumerate(operands)}
    given = {"dst": dst, "src": guarded(src, end), "weights": packed, "scratch": scratch, "scratch_stride": stride}
    run(plan.kernel, threads, name, **given, **plan.schedule.arguments(), **at_edge)
    return dst.copy()


@pytest.mark.parametrize("name", available_targets())
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_reference(case: Case, name: str) -> None:
    rng = np.random.default_rng(1)
    op, shape, _ = problem_of(case)
    src, weights = rng.standard_normal(case.src).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
    expected = op.reference(src.astype(np.float64), weights.astype(np.float64))
    bound = 1e-6 * np.sqrt(np.prod(shape[:-1])) * 4
    one = result(case, name, NO_EPILOGUE, [], 1, True)
    assert np.abs(one - expected).max() <= bound * max(1, np.abs(expected).max())
    assert (result(case, name, NO_EPILOGUE, [], 3, False) == one).all()
    if case is CASES[6]:
        bias, full, scale = rng.standard_normal(case.oc), rng.standard_normal(expected.shape), np.array([0.5])
        wanted = (np.maximum(expected + bias, 0) + full) * 0.5
        assert np.abs(result(case, name, BIAS_RELU_ADD, [bias, full, scale], 2, True) - wanted).max() <= 1e-5 * max(
            1, np.abs(wanted).max()
        )
