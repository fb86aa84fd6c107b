"""The strided depthwise gradient in one pass, against float64 NumPy, between guard pages."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.depthwise.gradient_src_kernel import DepthwiseGradientSrcKernel, Phase
from simplecell.engine.algorithms.convolution.phases import phases
from simplecell.engine.algorithms.sliding import Axis
from simplecell.engine.code.window import WindowColumns, plan_columns
from simplecell.engine.host import target
from simplecell.ops.convolution import ConvolutionGradientSrc
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run

CASES = [
    # channels, height, width (of src)
    (17, Axis(9, 5, 3, 2, 1, 1), Axis(30, 15, 3, 2, 1, 1)),
    (16, Axis(8, 4, 3, 2, 1, 0), Axis(8, 4, 3, 2, 1, 0)),
    (5, Axis(6, 6, 2, 1, 1, 1), Axis(20, 7, 5, 3, 1, 2)),
    (1, Axis(7, 2, 1, 5, 1, 0), Axis(11, 4, 2, 2, 3, 0)),
]


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize(("channels", "h", "w"), CASES, ids=str)
def test_gradient(channels: int, h: Axis, w: Axis, on: str) -> None:
    found = []
    for _, window, tap, step in phases(w):
        columns = plan_columns(window.taps, 1, window.dilation, window.pad, window.size, window.outputs, 7)
        assert isinstance(columns, WindowColumns)
        found.append(Phase(columns, window.pad, tap, step))
    kernel = DepthwiseGradientSrcKernel(tuple(found), w.taps, channels % target(on).lanes != 0)
    diff, weights = normal(1, 2, h.outputs, w.outputs, channels), normal(2, h.taps, w.taps, 1, channels)
    high = [(a.outputs - 1) * a.stride + (a.taps - 1) * a.dilation + 1 - a.size - a.pad for a in (h, w)]
    padding = tuple((a.pad, max(0, p)) for a, p in zip((h, w), high))
    op = ConvolutionGradientSrc((h.size, w.size), (h.stride, w.stride), padding, (h.dilation, w.dilation), channels)
    results = []
    for threads, end, block in ((1, True, 1024), (3, False, target(on).lanes)):
        dst = guarded(np.full((2, h.size, w.size, channels), np.nan, np.float32), end)
        numbers = {"n": 2, "ih": h.outputs, "iw": w.outputs, "oh": h.size, "ow": w.size, "channels": channels}
        numbers |= {"block": block, "strip": target(on).lanes, "kh": h.taps, "sh": h.stride, "ph": h.pad}
        run(kernel, threads, on, src=guarded(diff, end), weights=guarded(weights, end), dst=dst, **numbers)
        results.append(dst)
    np.testing.assert_allclose(
        results[0], op.reference(diff.astype(np.float64), weights.astype(np.float64)), atol=1e-5
    )  # at most 15 terms
    np.testing.assert_array_equal(results[0], results[1])
