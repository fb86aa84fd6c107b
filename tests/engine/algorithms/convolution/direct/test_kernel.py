"""What direct convolution alone does: small caches, rows that join, pools in blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.direct.algorithm import Direct
from simplecell.engine.algorithms.convolution.direct.kernel import ConvolutionDirect
from simplecell.engine.algorithms.convolution.direct.schedule import Channels, DirectSchedule, direct_tile
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.engine.target import Target
from simplecell.ops.base import spec_of
from simplecell.ops.pooling import AveragePool, MaxPool
from tests.engine.algorithms.convolution.cases import BIAS_RELU_ADD, SIGMOIDS, Case, problem_of
from tests.engine.algorithms.convolution.running import convolved
from tests.engine.harness import available_targets


def planned(
    problem: ConvolutionProblem, on: Target, epilogue: Epilogue, threads: int = 1
) -> ConvolutionPlan[ConvolutionDirect]:
    return Direct().plan(problem, Setting(on, threads, "fast"), epilogue, problem.oc)


def test_groups_are_merged_to_fill_a_vector() -> None:
    _, _, problem = problem_of(Case((1, 8, 8, 32), (3, 3), 64, groups=16))
    assert Channels.of(problem, 16).merged == 4


def test_axes_of_extent_one_are_dropped_and_pointwise_rows_join() -> None:
    assert problem_of(Case((2, 50, 1, 3), (5, 1), 4))[2].dst == (1, 1, 46)
    pointwise = problem_of(Case((2, 5, 6, 3), (1, 1), 4))[2]
    assert (pointwise.n, pointwise.dst) == (1, (1, 1, 60))


@pytest.mark.parametrize("name", available_targets())
@pytest.mark.parametrize("fitting", [0.3, 2.8, 40])
def test_small_caches_make_many_blocks(fitting: float, name: str) -> None:
    """Blocks of rows, of columns and parts of the output channels, all ragged, in caches that so many of the blocks of
    weights would fill."""
    op, shape, problem = problem_of(Case((2, 13, 37, 5), (3, 3), 70, padding="same"))
    tile = direct_tile(problem, target(name))
    l2 = int(fitting * 4 * 9 * 5 * tile.vectors * target(name).lanes)
    plan = planned(problem, replace(target(name), l2=l2), NO_EPILOGUE, threads=2)
    assert plan.kernel.tile == tile and plan.kernel.waiting == (fitting < 4)
    rng = np.random.default_rng(2)
    src, weights = rng.standard_normal((2, 13, 37, 5)).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
    dst = convolved(plan, name, src, weights, (2, 13, 37, 70), threads=2)
    np.testing.assert_allclose(dst, op.reference(src, weights), rtol=2e-5, atol=2e-5)


JOINED = [
    Case((2, 14, 13, 40), (3, 3), 34, 2, "same"),
    Case((1, 7, 7, 5), (3, 3), 47, padding="same"),
    Case((2, 13, 13, 5), (1, 1), 31, 2),
    Case((1, 5, 6, 7, 3), (3, 2, 3), 17, padding="same"),
]


@pytest.mark.parametrize("name", available_targets())
@pytest.mark.parametrize("case", JOINED, ids=str)
def test_rows_that_join(case: Case, name: str) -> None:
    """Tiles across the ends of rows, with caches that hold all and ones that make blocks of rows and sums that wait;
    bits as of tiles within rows."""
    if target(name).registers >= 32:
        pytest.skip("addresses for rows that join are for 16 registers")
    rng = np.random.default_rng(4)
    op, shape, problem = problem_of(case)
    src, weights = rng.standard_normal(case.src).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
    bias = rng.standard_normal(case.oc).astype(np.float32)
    full = rng.standard_normal(op.output_spec(*map(spec_of, (src, weights))).shape).astype(np.float32)

    by_taps: list[bool] = []

    def result(l2: int, threads: int, end: bool, joined: bool = True, l1: int = 1 << 15) -> np.ndarray:
        plan = planned(problem, replace(target(name), l1=l1, l2=l2), BIAS_RELU_ADD, threads)
        assert isinstance(plan.schedule, DirectSchedule)
        by_taps.append(plan.kernel.waiting and plan.schedule.taps.taps2 == 1)
        assert plan.kernel.joined == (plan.schedule.loops.block_columns >= problem.dst[2])
        kernel = replace(plan.kernel, joined=joined and plan.kernel.joined)
        operands = bias, full, np.full(1, 0.5, np.float32)
        return convolved(replace(plan, kernel=kernel), name, src, weights, full.shape, operands, threads, end)

    expected = (np.maximum(op.reference(src, weights) + bias, 0) + full) * 0.5
    found = result(1 << 20, 1, True)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(found, result(1 << 20, 1, True, joined=False))
    for l2, threads, end in ((1 << 20, 3, False), (40 * 1024, 2, True), (4096, 3, False)):
        np.testing.assert_array_equal(found, result(l2, threads, end))
    for l1 in (512, 1024, 2048, 4096):  # one of them holds the weights of a tap, but not of a row of taps
        np.testing.assert_array_equal(found, result(1 << 20, 2, True, l1=l1))
    assert any(by_taps) or problem.kernel[2] == 1 or problem.kernel[0] > 1


POOLED: list[tuple[Case, tuple[int, ...]]] = [
    (Case((2, 17, 1), (3,), 17, padding="same"), (2,)),
    (Case((1, 203, 3), (5,), 33, padding="same"), (3,)),
    (Case((1, 7, 7, 5), (3, 3), 47, padding="same"), (2, 2)),
    (Case((1, 46, 23, 3), (3, 3), 32), (2, 2)),  # tiles of 11, 7 and 3 pixels cut windows
    (Case((2, 37, 42, 3), (3, 2), 100, 2, ((0, 2), (3, 1))), (2, 2)),
    (Case((2, 5, 27, 12), (3, 3), 16, padding="same", dilation=2), (1, 4)),
    (Case((1, 5, 6, 7, 3), (3, 2, 3), 17), (1, 2, 2)),
    (Case((1, 12, 13, 200), (3, 3), 33), (3, 2)),
]


@pytest.mark.parametrize("name", available_targets())
@pytest.mark.parametrize(("case", "size"), POOLED, ids=str)
def test_pooled_as_stored_is_pooled_afterwards(case: Case, size: tuple[int, ...], name: str) -> None:
    """With caches that hold the layer and small ones, which make blocks of rows and columns, parts of the channels, and
    sums that wait."""
    rng = np.random.default_rng(2)
    op, shape, _ = problem_of(case)
    src, weights = rng.standard_normal(case.src).astype(np.float32), rng.standard_normal(shape).astype(np.float32)
    bias = rng.standard_normal(case.oc).astype(np.float32)
    bias[3], src.reshape(-1)[[2, -1]] = -np.inf, np.nan

    def result(pool: MaxPool | AveragePool | None, epilogue: Epilogue, threads: int, end: bool, l2: int) -> np.ndarray:
        problem = ConvolutionProblem.of(op, case.src, shape, pool)
        assert problem is not None
        plan = planned(problem, replace(target(name), l2=l2), epilogue, threads)
        whole = op.output_spec(*map(spec_of, (src, weights)))
        shape_of_dst = (whole if pool is None else pool.output_spec(whole)).shape
        return convolved(plan, name, src, weights, shape_of_dst, [bias] * len(epilogue.arguments), threads, end)

    none = ((0, 0),) * len(size)
    most, mean = MaxPool(size, size, none), AveragePool(size, size, none)
    for epilogue in (NO_EPILOGUE, SIGMOIDS):
        whole = result(None, epilogue, 1, True, 1 << 20)
        found = result(most, epilogue, 1, True, 1 << 20)
        np.testing.assert_array_equal(found, most.reference(whole))
        for threads, l2 in ((3, 1 << 20), (2, 4096), (3, 40 * 1024)):
            np.testing.assert_array_equal(found, result(most, epilogue, threads, False, l2))
        np.testing.assert_allclose(result(mean, epilogue, 2, False, 4096), mean.reference(whole), rtol=1e-6, atol=1e-5)


def test_pools_that_direct_convolution_leaves_alone() -> None:
    def why(case: Case, *size: int, epilogue: Epilogue | None = None) -> str | None:
        op, shape, _ = problem_of(case)
        problem = ConvolutionProblem.of(op, case.src, shape, MaxPool(size, size, ((0, 0),) * len(size)))
        assert problem is not None
        return Direct().refuses_pool(problem, Setting(target(), 1, "fast"), epilogue)

    assert why(Case((1, 9, 9, 3), (3, 3), 16), 2, 2, epilogue=SIGMOIDS) is None
    assert "planes" in str(why(Case((1, 9, 9, 9, 3), (3, 3, 3), 16), 2, 2, 2))
    assert "pointwise" in str(why(Case((1, 9, 9, 3), (1, 1), 16), 2, 2))
    assert "like the map" in str(why(Case((1, 9, 9, 3), (3, 3), 16), 2, 2, epilogue=BIAS_RELU_ADD))


@pytest.mark.parametrize("name", available_targets())
def test_the_tile_wastes_little(name: str) -> None:
    """Whatever a layer's measured preferences, no more than a third is computed for nothing."""
    t = target(name)
    rng = np.random.default_rng(3)
    for _ in range(50):
        pixels, ic, vectors = (int(v) for v in rng.integers((14, 1, 2), (500, 700, 40)))
        problem = problem_of(Case((1, pixels, ic), (1,), vectors * t.lanes))[2]
        tile = direct_tile(problem, t)
        assert (
            -(-vectors // tile.vectors) * tile.vectors * -(-pixels // tile.pixels) * tile.pixels
            <= 1.35 * vectors * pixels
        )
