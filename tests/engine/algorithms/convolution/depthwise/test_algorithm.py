"""Depthwise convolution and its gradients as programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.algorithms.convolution.depthwise.algorithm import phases
from simplecell.engine.algorithms.sliding import Axis
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc, ConvolutionGradientWeights
from simplecell.ops.geometry import output_size
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets
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


def test_phases_cover_every_input_once() -> None:
    for axis in (Axis(9, 5, 3, 2, 1, 1), Axis(4, 1, 2, 7, 1, 0), Axis(20, 5, 2, 4, 6, 3)):
        outputs = sorted(first + axis.stride * t for first, window, _, _ in phases(axis) for t in range(window.outputs))
        assert outputs == list(range(axis.size))
