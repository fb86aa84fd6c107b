"""The gradients of convolutions as programs: dimensions, strides, dilation, padding, groups, small and large
channels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.host import target
from simplecell.engine.plan import plan
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution, ConvolutionGradientSrc, ConvolutionGradientWeights
from simplecell.ops.geometry import output_size
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets
from tests.engine.programs import computed

Case = tuple[int, tuple[int, ...], int, int, tuple[int, ...], Convolution]

CASES: list[Case] = [
    # images, spatial, input channels, output channels, kernel, op
    (3, (9, 11), 19, 21, (3, 3), Convolution((1, 1), ((1, 1), (1, 1)), (1, 1))),
    (2, (9, 12), 5, 10, (3, 2), Convolution((2, 3), ((0, 1), (2, 1)), (2, 1))),
    (5, (12, 12), 1, 17, (3, 3), Convolution((1, 1), ((0, 0), (0, 0)), (1, 1))),
    (2, (17, 17), 3, 8, (7, 7), Convolution((2, 2), ((3, 3), (3, 2)), (1, 1))),
    (2, (6, 7), 33, 16, (1, 1), Convolution((1, 1), ((0, 0), (0, 0)), (1, 1))),
    (2, (7, 8), 6, 35, (1, 1), Convolution((2, 2), ((0, 0), (0, 0)), (1, 1))),
    (2, (8, 8), 12, 18, (3, 3), Convolution((1, 1), ((1, 1), (1, 1)), (1, 1), 3)),
    (1, (8, 8), 6, 64, (3, 3), Convolution((2, 1), ((1, 1), (0, 1)), (1, 1), 2)),
    (3, (19,), 7, 9, (4,), Convolution((1,), ((3, 0),), (1,))),
    (3, (20,), 4, 6, (3,), Convolution((3,), ((0, 0),), (2,))),
    (2, (5, 6, 7), 3, 7, (2, 3, 3), Convolution((2, 1, 2), ((1, 1), (1, 0), (0, 2)), (1, 1, 1))),
    (2, (5, 6, 7), 3, 2, (3, 3, 3), Convolution((1, 1, 1), ((0, 0), (0, 0), (0, 0)), (1, 1, 1))),
    (2, (2, 2), 4, 18, (5, 5), Convolution((1, 1), ((2, 2), (2, 2)), (1, 1))),
    (2, (9, 9), 4, 5, (2, 2), Convolution((4, 3), ((0, 0), (1, 0)), (2, 2))),
    (2, (9, 8), 256, 5, (1, 1), Convolution((2, 2), ((0, 0), (0, 0)), (1, 1))),
    (9, (3, 3), 2, 2, (2, 2), Convolution((1, 1), ((0, 0), (0, 0)), (1, 1))),
]


def arrays(
    n: int, spatial: tuple[int, ...], ic: int, oc: int, kernel: tuple[int, ...], op: Convolution
) -> tuple[np.ndarray, ...]:
    out = [output_size(i, k, s, p, d) for i, k, s, p, d in zip(spatial, kernel, op.strides, op.padding, op.dilation)]
    return normal(1, n, *spatial, ic), normal(2, *kernel, ic // op.groups, oc), normal(3, n, *out, oc)


def check_weights(case: Case, on: str | None = None, threads: int = 1) -> bytes:
    src, weights, diff = arrays(*case)
    op = case[-1]
    gradient = ConvolutionGradientWeights(weights.shape[:-2], op.strides, op.padding, op.dilation, op.groups)
    result, expected = computed(lambda x, d: ops.apply(gradient, x, d), src, diff, on=on, threads=threads)
    np.testing.assert_allclose(
        result, expected, atol=1e-6 * diff.size / diff.shape[-1]
    )  # a sum over pixels, of products of size 1
    return result.tobytes()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_for_weights(case: Case) -> None:
    assert len({check_weights(case, threads=threads) for threads in (1, 2, 3)}) == 1


@pytest.mark.parametrize("on", available_targets())
def test_gradient_for_weights_on_every_target(on: str) -> None:
    for case in (CASES[0], CASES[3]):
        check_weights(case, on=on)


def check_src(case: Case, on: str | None = None, threads: int = 1) -> bytes:
    src, weights, diff = arrays(*case)
    op = case[-1]
    gradient = ConvolutionGradientSrc(src.shape[1:-1], op.strides, op.padding, op.dilation, op.groups)
    result, expected = computed(lambda d, w: ops.apply(gradient, d, w), diff, weights, on=on, threads=threads)
    np.testing.assert_allclose(
        result, expected, atol=1e-6 * weights.size / weights.shape[-2]
    )  # a sum over taps and output channels
    return result.tobytes()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_for_src(case: Case) -> None:
    assert len({check_src(case, threads=threads) for threads in (1, 2, 3)}) == 1


@pytest.mark.parametrize("on", available_targets())
def test_gradient_for_src_on_every_target(on: str) -> None:
    check_src(CASES[1], on=on)


def test_transposed_convolution_with_an_epilogue() -> None:
    for case in (CASES[0], CASES[1], CASES[5], CASES[9]):
        src, weights, diff = arrays(*case)
        op, bias, skip = case[-1], normal(5, src.shape[-1]), normal(6, *src.shape)
        gradient = ConvolutionGradientSrc(src.shape[1:-1], op.strides, op.padding, op.dilation, op.groups)

        def layer(d: Any, w: Any, b: Any, s: Any, gradient: Any = gradient) -> Any:
            return ops.add(ops.relu(ops.add(ops.apply(gradient, d, w), b)), s)

        result, expected = computed(layer, diff, weights, bias, skip, threads=2)
        np.testing.assert_allclose(result, expected, atol=1e-6 * weights.size / weights.shape[-2])


def test_padding_wider_than_the_kernel() -> None:
    """Outputs that see only padding send nothing back: the gradient reads diff_dst from further in."""
    check_src((2, (4, 5), 3, 6, (2, 3), Convolution((1, 1), ((3, 2), (0, 4)), (1, 1))))


def test_the_table_of_weights_gives_its_reasons() -> None:
    def algorithm(ic: int, size: int, precision: str) -> tuple[str, str]:
        src, diff = placeholder(Spec((8, size, size, ic))), placeholder(Spec((8, size, size, 64)))
        gradient = ConvolutionGradientWeights((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
        step = plan(Graph.of([src, diff], [ops.apply(gradient, src, diff)]), target(), 1, precision).run[0]
        return step.algorithm, step.reason

    name, reason = algorithm(64, 16, "fast")
    assert name.startswith("winograd F(4,3)") and re.search(r"predicted µs: winograd F\(4,3\) \d+, direct \d+;", reason)
    name, reason = algorithm(64, 16, "exact")
    assert name.startswith("direct") and "not winograd: precision is exact" in reason
    name, reason = algorithm(3, 16, "fast")
    assert name.startswith("direct") and "channels" in reason
