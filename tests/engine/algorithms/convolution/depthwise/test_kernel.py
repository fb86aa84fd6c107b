"""Depthwise kernels against float64 NumPy, between guard pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.depthwise.gradient_weights_kernel import DepthwiseGradientWeightsKernel
from simplecell.engine.algorithms.convolution.depthwise.kernel import DepthwiseAny, DepthwiseForward
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.window import plan_columns
from simplecell.engine.host import target
from tests.engine.algorithms.sliding import Window, depthwise, depthwise_weights, normal, planned
from tests.engine.harness import available_targets, guarded, run

SAME = ((0, 0), (1, 1), (1, 1))
CASES = [
    # images, channels, multiplier, window: the row is one tile; many tiles; a last tile of its own
    (2, 1, 1, Window((1, 5, 5), (1, 3, 3), padding=SAME)),
    (1, 16, 1, Window((1, 4, 21), (1, 3, 3), padding=SAME)),
    (1, 17, 1, Window((1, 3, 17), (1, 3, 3), padding=SAME)),
    (1, 15, 1, Window((1, 19, 19), (1, 3, 3), (1, 2, 2), padding=((0, 0), (0, 1), (0, 1)))),
    (1, 8, 1, Window((1, 5, 18), (1, 5, 5), (1, 2, 1), padding=((0, 0), (2, 2), (2, 2)))),
    (1, 7, 1, Window((1, 6, 22), (1, 2, 3), dilation=(1, 2, 3), padding=((0, 0), (1, 0), (6, 0)))),
    (1, 15, 1, Window((1, 1, 7), (1, 1, 3), dilation=(1, 1, 3), padding=((0, 0), (0, 0), (3, 7)))),
    (1, 5, 1, Window((4, 5, 6), (3, 2, 3), (1, 2, 1), (2, 1, 1), ((2, 2), (1, 0), (1, 1)))),
    (1, 8, 2, Window((1, 3, 9), (1, 3, 3), padding=SAME)),
    (1, 3, 16, Window((1, 3, 4), (1, 2, 2))),
]
LINES = [
    (2, 3, 3, Window((1, 3, 9), (1, 3, 3), padding=SAME)),
    (1, 17, 1, Window((1, 1, 40), (1, 1, 9), padding=((0, 0), (0, 0), (8, 0)))),
    (
        1,
        16,
        1,
        Window((1, 1, 13), (1, 1, 12), dilation=(1, 1, 2), strides=(1, 1, 2), padding=((0, 0), (0, 0), (11, 12))),
    ),
    (1, 5, 1, Window((3, 4, 30), (2, 3, 3), (1, 1, 2), padding=((1, 1), (2, 1), (0, 3)))),
]


def forward(
    kernel: Kernel, n: int, ic: int, oc: int, window: Window, on: str, threads: int, end: bool, block: int
) -> tuple[np.ndarray, np.ndarray]:
    src, weights = normal(1, n, *window.size, ic), normal(2, *window.taps, 1, oc)
    dst = guarded(np.full((n, *window.outputs, oc), np.nan, np.float32), end)
    given = window.arguments(n, ic, oc, block)
    arguments = {a: given[a] for a in kernel.arguments if a in given}
    run(kernel, threads, on, src=guarded(src, end), weights=guarded(weights, end), dst=dst, **arguments)
    return dst, depthwise(src, weights, window)


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize(("n", "ic", "multiplier", "window"), CASES, ids=str)
def test_forward(n: int, ic: int, multiplier: int, window: Window, on: str) -> None:
    oc = ic * multiplier
    kernel = DepthwiseForward(planned(window), window.size[0] > 1, multiplier, oc % target(on).lanes != 0)
    first, expected = forward(kernel, n, ic, oc, window, on, 1, True, 1024)
    # One rounding per product and sum, fewer than 50 terms of size 1.
    np.testing.assert_allclose(first, expected, atol=1e-5)
    for threads in (2, 3):
        again, _ = forward(kernel, n, ic, oc, window, on, threads, False, target(on).lanes)
        np.testing.assert_array_equal(again, first)


TWO = [
    # as above, an even number of rows
    (2, 17, 1, Window((1, 4, 18), (1, 3, 3), padding=SAME)),
    (1, 16, 1, Window((1, 2, 9), (1, 5, 3), padding=((0, 0), (2, 2), (1, 1)))),
    (1, 15, 1, Window((1, 12, 17), (1, 3, 3), (1, 2, 2), padding=((0, 0), (0, 1), (0, 1)))),
    (1, 9, 1, Window((1, 9, 10), (1, 5, 5), (1, 3, 1), padding=((0, 0), (4, 3), (2, 2)))),
    (1, 8, 2, Window((1, 6, 9), (1, 4, 3), padding=((0, 0), (0, 1), (1, 1)))),
]


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize(("n", "ic", "multiplier", "window"), TWO, ids=str)
def test_two_rows_at_a_time_are_the_same_to_the_bit(n: int, ic: int, multiplier: int, window: Window, on: str) -> None:
    oc = ic * multiplier
    assert window.outputs[1] % 2 == 0 and window.strides[1] < window.taps[1]
    one = DepthwiseForward(planned(window, 4), False, multiplier, oc % target(on).lanes != 0)
    first, _ = forward(one, n, ic, oc, window, on, 1, True, 1024)
    for threads, end in ((1, True), (3, False)):
        again, _ = forward(
            replace(one, together=2), n, ic, oc, window, on, threads, end, 1024 if end else target(on).lanes
        )
        np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize(("n", "ic", "multiplier", "window"), [CASES[2], *LINES], ids=str)
def test_any_window(n: int, ic: int, multiplier: int, window: Window, on: str) -> None:
    oc = ic * multiplier
    kernel = DepthwiseAny(4, window.size[0] > 1, multiplier, oc % target(on).lanes != 0)
    first, expected = forward(kernel, n, ic, oc, window, on, 1, True, 1024)
    np.testing.assert_allclose(first, expected, atol=1e-5)
    again, _ = forward(kernel, n, ic, oc, window, on, 3, False, target(on).lanes)
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize(("n", "ic", "multiplier", "window"), [CASES[0], CASES[3], CASES[5], CASES[7], *LINES], ids=str)
def test_gradient_of_the_weights(n: int, ic: int, multiplier: int, window: Window, on: str) -> None:
    oc, taps = ic * multiplier, window.taps[2]
    src, diff = normal(1, n, *window.size, ic), normal(2, n, *window.outputs, oc)
    at_a_time = max(t for t in range(1, 9) if taps % t == 0)
    kernel = DepthwiseGradientWeightsKernel(
        at_a_time, 3, window.strides[2], window.dilation[2], window.size[0] > 1, multiplier, oc % target(on).lanes != 0
    )
    results = []
    for threads, end, block in ((1, True, 1024), (3, False, target(on).lanes)):
        dst = guarded(np.full((*window.taps, 1, oc), np.nan, np.float32), end)
        given = window.arguments(n, ic, oc, block)
        arguments = {a: given[a] for a in kernel.arguments if a in given}
        run(kernel, threads, on, src=guarded(src, end), diff_dst=guarded(diff, end), dst=dst, **arguments)
        results.append(dst)
    # Fewer than 800 terms of size 1, so sums below 100 and errors below 100 · 2⁻²⁴ · some dozen.
    np.testing.assert_allclose(results[0], depthwise_weights(src, diff, window), atol=5e-5)
    np.testing.assert_array_equal(results[0], results[1])


def test_padding_that_no_tile_can_hold_is_refused() -> None:
    reason = plan_columns(taps=31, stride=1, dilation=1, pad=30, size=64, outputs=64, most=7)
    assert isinstance(reason, str) and "reaches past" in reason
