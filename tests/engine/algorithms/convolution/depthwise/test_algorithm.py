"""Depthwise convolution and its gradients as programs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.algorithms.convolution.depthwise.algorithm import Depthwise, DepthwiseAnyWindow, Grouped
from simplecell.engine.algorithms.convolution.depthwise.gradient import DepthwiseByPhases, DepthwiseOnePass
from simplecell.engine.algorithms.convolution.gradient_src.problem import GradientSrcProblem
from simplecell.engine.algorithms.convolution.phases import phases
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.sliding import Axis
from simplecell.engine.code.expression import NO_EPILOGUE
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc, ConvolutionGradientWeights
from simplecell.ops.geometry import output_size
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run
from tests.engine.programs import computed, program_of

CASES: list[tuple[tuple[int, ...], int, int, tuple[int, ...], Convolution]] = [
    # spatial, channels, multiplier, kernel, op
    ((9, 16), 19, 1, (3, 3), Convolution((1, 1), ((1, 1), (1, 1)), (1, 1), 19)),
    ((11, 14), 16, 1, (3, 3), Convolution((2, 2), ((0, 1), (0, 1)), (1, 1), 16)),
    ((8, 7), 5, 1, (5, 5), Convolution((2, 1), ((2, 1), (2, 2)), (1, 1), 5)),
    ((40,), 8, 1, (9,), Convolution((1,), ((8, 0),), (1,), 8)),
    ((33,), 3, 1, (4,), Convolution((2,), ((3, 3),), (3,), 3)),
    ((5, 6, 7), 4, 1, (3, 2, 3), Convolution((1, 2, 1), ((1, 1), (0, 1), (1, 1)), (1, 1, 2), 4)),
    ((7, 7), 3, 1, (2, 1), Convolution((3, 2), ((0, 0), (0, 0)), (1, 1), 3)),
    ((6, 8), 6, 1, (2, 3), Convolution((2, 4), ((0, 0), (2, 1)), (2, 2), 6)),
    ((6, 9), 8, 4, (3, 3), Convolution((1, 1), ((1, 1), (1, 1)), (1, 1), 8)),
    ((5, 9), 3, 3, (3, 2), Convolution((2, 1), ((1, 1), (1, 0)), (1, 1), 3)),
]


def arrays(
    spatial: tuple[int, ...], channels: int, multiplier: int, kernel: tuple[int, ...], op: Convolution
) -> tuple[np.ndarray, ...]:
    out = [output_size(i, k, s, p, d) for i, k, s, p, d in zip(spatial, kernel, op.strides, op.padding, op.dilation)]
    oc = channels * multiplier
    return normal(1, 2, *spatial, channels), normal(2, *kernel, 1, oc), normal(3, 2, *out, oc)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(case: Any) -> None:
    src, weights, _ = arrays(*case)
    for threads in (1, 2):
        result, expected = computed(lambda x, w: ops.apply(case[-1], x, w), src, weights, threads=threads)
        np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("on", available_targets())
def test_forward_with_an_epilogue(on: str) -> None:
    op = CASES[0][-1]
    src, weights, other = arrays(*CASES[0])
    bias, scale = normal(4, 19), np.float32([0.5])

    def block(x: Any, w: Any, b: Any, r: Any, s: Any) -> Any:
        y = ops.add(ops.apply(op, x, w), b)
        return ops.add(ops.multiply(ops.multiply(y, ops.sigmoid(y)), s), r)

    result, expected = computed(block, src, weights, bias, other, scale, on=on)
    np.testing.assert_allclose(result, expected, atol=2e-5)
    program, _ = program_of(block, src, weights, bias, other, scale, on=on)
    assert len(program.run) == 1 and "columns unrolled" in program.run[0].reason


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_for_src(case: Any) -> None:
    spatial, _, multiplier, _, op = case
    _, weights, diff = arrays(*case)
    gradient = ConvolutionGradientSrc(spatial, op.strides, op.padding, op.dilation, op.groups)
    result, expected = computed(lambda d, w: ops.apply(gradient, d, w), diff, weights, threads=2)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_gradient_for_src_with_an_epilogue() -> None:
    spatial, *_, op = CASES[1]
    other, weights, diff = arrays(*CASES[1])
    gradient = ConvolutionGradientSrc(spatial, op.strides, op.padding, op.dilation, op.groups)
    result, expected = computed(lambda d, w, x: ops.add(ops.apply(gradient, d, w), x), diff, weights, other)
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_for_weights(case: Any) -> None:
    *_, kernel, op = case
    src, _, diff = arrays(*case)
    gradient = ConvolutionGradientWeights(kernel, op.strides, op.padding, op.dilation, op.groups)
    first, expected = computed(lambda x, d: ops.apply(gradient, x, d), src, diff)
    np.testing.assert_allclose(first, expected, atol=5e-5)  # up to 300 terms of size 1
    again, _ = computed(lambda x, d: ops.apply(gradient, x, d), src, diff, threads=2)
    np.testing.assert_array_equal(first, again)


GROUPED = [
    ((9, 16), 32, 32, (3, 3), Convolution((1, 1), ((1, 1), (1, 1)), (1, 1), 8)),
    ((7, 9), 8, 16, (3, 2), Convolution((2, 1), ((0, 1), (1, 0)), (1, 2), 4)),
    ((5, 4, 6), 16, 16, (2, 3, 3), Convolution((1, 1, 1), ((1, 0), (1, 1), (1, 1)), (1, 1, 1), 8)),
]


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize(("spatial", "ic", "oc", "kernel", "op"), GROUPED, ids=str)
def test_groups_of_few_channels(
    spatial: tuple[int, ...], ic: int, oc: int, kernel: tuple[int, ...], op: Convolution, on: str
) -> None:
    src, weights, bias = normal(1, 2, *spatial, ic), normal(2, *kernel, ic // op.groups, oc), normal(3, oc)

    def biased(x: Any, w: Any, b: Any) -> Any:
        return ops.relu(ops.add(ops.apply(op, x, w), b))

    first, expected = computed(biased, src, weights, bias, on=on)
    np.testing.assert_allclose(first, expected, atol=2e-5)
    np.testing.assert_array_equal(first, computed(biased, src, weights, bias, on=on, threads=2)[0])
    if on == "avx512":
        assert program_of(biased, src, weights, bias, on=on)[0].run[-1].algorithm == "grouped"


POINTWISE = Convolution((1, 1), ((0, 0), (0, 0)), (1, 1), 8)


@pytest.mark.parametrize(
    ("n", "height", "width", "rows"), [(2, 12, 14, 6), (1, 1, 17, 1), (1, 1, 131, 1), (1, 9, 7, 1)]
)
def test_pointwise_groups_get_rows_that_threads_divide(n: int, height: int, width: int, rows: int) -> None:
    src, weights = normal(1, n, height, width, 32), normal(2, 1, 1, 4, 32)
    problem = ConvolutionProblem.of(POINTWISE, src.shape, weights.shape)
    assert problem is not None
    on = next(name for name in available_targets() if target(name).lanes >= 8 or name == available_targets()[-1])
    setting = Setting(target(on), 2, "fast")
    if Grouped().refuses(problem, setting) is not None:
        pytest.skip("no vectors of eight channels")
    plan = Grouped().plan(problem, setting, NO_EPILOGUE, 32)
    assert plan.schedule.arguments()["oh"] == rows
    dst = guarded(np.full((n, height, width, 32), np.nan, np.float32))
    run(plan.kernel, 2, on, src=guarded(src), weights=guarded(weights), dst=dst, **plan.schedule.arguments())
    np.testing.assert_allclose(
        dst, POINTWISE.reference(src.astype(np.float64), weights.astype(np.float64)), atol=1e-5
    )  # 4 terms


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("case", [CASES[0], CASES[4], CASES[5], CASES[8]], ids=str)
def test_writes_its_channels_of_wider_pixels(case: Any, on: str) -> None:
    """As the part of a concatenation that a plan is told about."""
    *_, op = case
    src, weights, dst = arrays(*case)
    problem = ConvolutionProblem.of(op, src.shape, weights.shape)
    assert problem is not None
    setting = Setting(target(on), 2, "fast")
    algorithm = next(a for a in (Depthwise(), DepthwiseAnyWindow()) if a.refuses(problem, setting) is None)
    plan = algorithm.plan(problem, setting, NO_EPILOGUE, problem.oc + 5)
    assert plan.packing is None
    wide = guarded(np.full((*dst.shape[:-1], problem.oc + 5), np.nan, np.float32))
    run(plan.kernel, 2, on, src=guarded(src), weights=guarded(weights), dst=wide, **plan.schedule.arguments())
    np.testing.assert_allclose(
        wide[..., : problem.oc], op.reference(src.astype(np.float64), weights.astype(np.float64)), atol=1e-5
    )
    assert np.isnan(wide[..., problem.oc :]).all()


def test_what_each_refuses() -> None:
    setting = Setting(replace(target(), lanes=8, registers=16), 1, "fast")

    def why(algorithm: Any, src: tuple[int, ...], weights: tuple[int, ...], op: Convolution) -> str | None:
        problem = ConvolutionProblem.of(op, src, weights)
        assert problem is not None
        refusal: str | None = algorithm.refuses(problem, setting)
        return refusal

    same = ((1, 1), (1, 1))
    plain, each, fours = (Convolution((1, 1), same, (1, 1), groups) for groups in (1, 16, 4))
    depthwise = (1, 9, 9, 16), (3, 3, 1, 16)
    assert why(Depthwise(), *depthwise, each) is None
    assert why(Depthwise(), (1, 9, 9, 16), (3, 3, 16, 16), plain) == "one group"
    assert "4 groups for 16" in str(why(Depthwise(), (1, 9, 9, 16), (3, 3, 4, 16), fours))
    assert "too many to unroll" in str(why(Depthwise(), (1, 9, 9, 16), (3, 9, 1, 16), each))
    assert why(DepthwiseAnyWindow(), (1, 9, 9, 16), (3, 9, 1, 16), each) is None
    assert "multiplier of 3" in str(why(Depthwise(), (1, 9, 9, 16), (3, 3, 1, 48), each))
    assert why(Grouped(), (1, 9, 9, 16), (3, 3, 4, 16), fours) is None
    assert "one input" in str(why(Grouped(), *depthwise, each))
    assert "do not fit vectors" in str(why(Grouped(), (1, 9, 9, 16), (3, 3, 4, 32), fours))
    assert "products" in str(why(Grouped(), (1, 9, 9, 16), (3, 7, 4, 16), fours))


def test_what_gradients_for_the_input_refuse() -> None:
    setting = Setting(replace(target(), lanes=8, registers=16), 1, "fast")

    def why(algorithm: Any, weights: tuple[int, ...], stride: int, groups: int, dilation: int = 1) -> str | None:
        op = ConvolutionGradientSrc((9, 9), (stride,) * 2, ((4, 4), (4, 4)), (dilation, 1), groups)
        out = [output_size(9, k, stride, (4, 4), d) for k, d in zip(weights, (dilation, 1))]
        refusal: str | None = algorithm.refuses(GradientSrcProblem(op, (1, *out, weights[-1]), weights), setting)
        return refusal

    one, by_phases = DepthwiseOnePass(), DepthwiseByPhases()
    assert why(one, (3, 3, 1, 16), 2, 16) is None and why(by_phases, (3, 3, 1, 16), 2, 16) is None
    assert why(one, (3, 3, 1, 16), 1, 16) == "no strides" and why(by_phases, (3, 3, 1, 16), 1, 16) is None
    assert "multiplier" in str(why(one, (3, 3, 1, 32), 2, 16)) and why(by_phases, (3, 3, 1, 32), 2, 16) is None
    assert "dilated" in str(why(one, (3, 3, 1, 16), 2, 16, 2))
    assert "too many" in str(why(one, (3, 9, 1, 16), 2, 16))
    assert "4 phases" in str(why(one, (5, 5, 1, 16), 4, 16))
    assert "4 groups" in str(why(one, (3, 3, 4, 16), 2, 4)) and "4 groups" in str(why(by_phases, (3, 3, 4, 16), 2, 4))


def test_phases_cover_every_input_once() -> None:
    for axis in (Axis(9, 5, 3, 2, 1, 1), Axis(4, 1, 2, 7, 1, 0), Axis(20, 5, 2, 4, 6, 3)):
        outputs = sorted(first + axis.stride * t for first, window, _, _ in phases(axis) for t in range(window.outputs))
        assert outputs == list(range(axis.size))
