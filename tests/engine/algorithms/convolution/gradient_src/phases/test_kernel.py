"""Zeros where no tap reaches."""

from __future__ import annotations

import numpy as np

from simplecell.engine.algorithms.convolution.direct.schedule import Spread
from simplecell.engine.algorithms.convolution.gradient_src.phases.kernel import SpreadZeros
from simplecell.engine.algorithms.convolution.gradient_src.phases.schedule import Zeros, ZerosSchedule
from tests.engine.harness import guarded, run


def test_zeros_between() -> None:
    """Only the pixels of the phase are written."""
    dst = guarded(np.full((2, 4, 6, 19), 7, np.float32))
    first = dst[:, 1:, 1:]
    given = ZerosSchedule(
        Zeros(images=2, planes=1, rows=2, pixels=3, channels=19), Spread(4 * 6 * 19, 0, 2 * 6 * 19, 2 * 19)
    )
    at = np.frombuffer(dst, np.float32)[(6 + 1) * 19 :]
    run(SpreadZeros(), threads=2, dst=at, **given.arguments())
    assert not first[:, ::2, ::2].any()
    assert np.count_nonzero(dst) == dst.size - first[:, ::2, ::2].size
