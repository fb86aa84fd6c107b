"""Packing weights, scaled or not: the scaled kernels give the bits of the product packed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.direct.weights import PackConvolutionWeights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.algorithm import Winograd
from simplecell.engine.code.expression import NO_EPILOGUE
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.ops.convolution import Convolution
from tests.engine.harness import available_targets, guarded, run

RNG = np.random.default_rng()


@pytest.mark.parametrize("name", available_targets())
@pytest.mark.parametrize(("ic", "oc", "groups"), [(3, 5, 1), (16, 33, 1), (12, 24, 6), (40, 40, 2)])
@pytest.mark.parametrize("winograd", [False, True])
def test_scaled_packing_is_packing_of_the_product(name: str, ic: int, oc: int, groups: int, winograd: bool) -> None:
    t = target(name)
    op = Convolution((1, 1), ((1, 1), (1, 1)), (1, 1), groups)
    shape = (3, 3, ic // groups, oc)
    problem = ConvolutionProblem.of(op, (1, 20, 20, ic), shape)
    assert problem is not None
    if winograd and (groups > 1 or min(ic, oc) < t.lanes):
        return
    algorithm = Winograd(4, 3) if winograd else Direct()
    plan = algorithm.plan(problem, Setting(t, 1, "fast"), NO_EPILOGUE, oc)
    packer = plan.weights.kernel if winograd else PackConvolutionWeights()
    weights, scale = (RNG.standard_normal(s).astype(np.float32) for s in (shape, (oc,)))

    def packed(kernel, threads: int, end: bool, **sources: np.ndarray) -> np.ndarray:
        dst = guarded(np.full(plan.weights.nbytes // 4, np.nan, np.float32), end)
        run(
            kernel,
            threads,
            name,
            dst=dst,
            **{k: guarded(v, end) for k, v in sources.items()},
            **plan.weights.schedule.arguments(),
        )
        return dst

    expected = packed(packer, 1, True, src=weights * scale)
    for threads, end in ((1, True), (2, False), (3, True)):
        np.testing.assert_array_equal(
            packed(replace(packer, scaled=True), threads, end, src=weights, scale=scale), expected
        )
