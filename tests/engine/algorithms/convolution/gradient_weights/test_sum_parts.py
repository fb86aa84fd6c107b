"""The sum of the gradients of parts: in order, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.gradient_weights.sum_parts import SumParts
from simplecell.engine.host import target
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run


@pytest.mark.parametrize("on", available_targets())
def test_sum_of_parts(on: str) -> None:
    for size in (1, target(on).lanes - 1, target(on).lanes, 3 * target(on).lanes + 1):
        parts = normal(1, 5, size)
        for threads in (1, 3):
            dst = guarded(np.full(size, np.nan, np.float32))
            run(SumParts(), on=on, threads=threads, src=guarded(parts), dst=dst, parts=5, size=size)
            want = parts[0]
            for part in parts[1:]:
                want = want + part
            assert dst.tobytes() == want.tobytes()
