"""Weights turned round, all taps and some."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.gradient_src.weights import TurnSchedule, TurnWeights
from simplecell.engine.host import target
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run


@pytest.mark.parametrize("on", available_targets())
def test_turned_weights(on: str) -> None:
    w = target(on).lanes
    for groups, ic, oc in [(1, w, w), (1, w + 1, 2 * w - 1), (3, 2, 5), (2, w, 1)]:
        src = normal(1, 3, 5, ic, groups * oc)
        dst = guarded(np.full((3, 2, oc, groups * ic), np.nan, np.float32))
        # all three rows of taps; of the five columns, those with number 3 and 1
        given = TurnSchedule(
            ic, oc, groups, kh=3, kw=5, taps_d=1, last_d=0, tap_stride_d=1, taps_h=3, last_h=2, tap_stride_h=1,
            taps_w=2, last_w=3, tap_stride_w=2,
        )  # fmt: skip
        run(TurnWeights(), on=on, threads=2, dst=dst, src=guarded(src), **given.arguments())
        want = src[::-1, 3::-2].reshape(3, 2, ic, groups, oc).transpose(0, 1, 4, 3, 2).reshape(dst.shape)
        np.testing.assert_array_equal(dst, want)
