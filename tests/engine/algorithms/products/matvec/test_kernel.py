"""A row times a matrix on guarded buffers."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.products.matvec.kernel import ROWS, MatVec
from simplecell.engine.host import target
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run


@pytest.mark.parametrize("on", available_targets())
def test_products(on: str) -> None:
    w = target(on).lanes
    for n, k in [(1, 1), (w - 1, ROWS), (w, ROWS - 1), (w + 1, ROWS + 1), (2 * w, 0), (5 * w + 3, 37)]:
        a, b = normal(1, k), normal(2, k, n)
        results = []
        for threads, end in [(1, True), (2, False), (3, True)]:
            dst = guarded(np.full(n, np.nan, np.float32), end)
            run(MatVec(), on=on, threads=threads, a=guarded(a, end), b=guarded(b, end), dst=dst, n=n, k=k, chunk=2 * w)
            results.append(dst.tobytes())
        np.testing.assert_allclose(dst, a.astype(np.float64) @ b, atol=1e-6 * max(k, 1))
        assert len(set(results)) == 1
