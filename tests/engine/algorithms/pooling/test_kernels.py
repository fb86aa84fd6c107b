"""Pooling kernels against the ops' references, between guard pages."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.pooling.any_window.kernel import PoolAny
from simplecell.engine.algorithms.pooling.columns.kernel import PoolColumns
from simplecell.engine.algorithms.pooling.gradient.kernel import PoolGradient
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.window import WindowColumns, plan_columns
from simplecell.engine.host import target
from simplecell.ops.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient
from tests.engine.algorithms.sliding import Window, normal
from tests.engine.harness import available_targets, guarded, run

CASES = [
    (2, 17, Window((1, 8, 10), (1, 2, 2), (1, 2, 2))),
    (1, 16, Window((1, 7, 19), (1, 3, 3), (1, 2, 2), padding=((0, 0), (0, 1), (1, 1)))),
    (2, 5, Window((1, 6, 16), (1, 3, 3), padding=((0, 0), (1, 1), (1, 1)))),
    (1, 1, Window((4, 5, 6), (2, 3, 2), (2, 2, 1), padding=((0, 0), (1, 1), (0, 1)))),
    (1, 4, Window((5, 4, 9), (2, 2, 3), (2, 2, 4), padding=((1, 0), (0, 0), (1, 0)))),
    (1, 7, Window((1, 1, 23), (1, 1, 4), (1, 1, 3), padding=((0, 0), (0, 0), (2, 1)))),
]


def call(
    kernel: Kernel,
    on: str,
    threads: int,
    end: bool,
    window: Window,
    n: int,
    c: int,
    block: int,
    dst: np.ndarray,
    **arrays: np.ndarray,
) -> np.ndarray:
    given = window.arguments(n, c, c, block)
    dst = guarded(np.full_like(dst, np.nan), end)
    numbers = {a: given[a] for a in kernel.arguments if a in given}
    run(kernel, threads, on, dst=dst, **{k: guarded(v, end) for k, v in arrays.items()}, **numbers)
    return dst


def kernels(function: str, n: int, c: int, window: Window, on: str) -> list[Kernel]:
    planes, ragged = window.size[0] > 1, c % target(on).lanes != 0
    columns = plan_columns(
        window.taps[2], window.strides[2], 1, window.padding[2][0], window.size[2], window.outputs[2], 7
    )
    assert isinstance(columns, WindowColumns)
    return [PoolColumns(function, columns, planes, ragged), PoolAny(function, planes, ragged)]


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("function", ["max", "average"])
@pytest.mark.parametrize(("n", "c", "window"), CASES, ids=str)
def test_forward(n: int, c: int, window: Window, function: str, on: str) -> None:
    src = normal(1, n, *window.size, c)
    src[0, 0, 0, -1, 0] = np.nan
    op = (MaxPool if function == "max" else AveragePool)(window.taps, window.strides, window.padding)
    expected = op.reference(src)
    for kernel in kernels(function, n, c, window, on):
        first = call(kernel, on, 1, True, window, n, c, 1024, expected, src=src)
        again = call(kernel, on, 3, False, window, n, c, target(on).lanes, expected, src=src)
        # A maximum is exact; a mean of at most 18 terms of size 1 loses a few units of 2⁻²⁴.
        np.testing.assert_allclose(first, expected, rtol=0, atol=0 if function == "max" else 1e-6)
        np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("function", ["max", "average"])
@pytest.mark.parametrize(("n", "c", "window"), CASES, ids=str)
def test_gradient(n: int, c: int, window: Window, function: str, on: str) -> None:
    src = np.round(normal(1, n, *window.size, c))  # many equal values: the first of them takes the gradient
    geometry = (window.taps, window.strides, window.padding)
    pooled = MaxPool(*geometry).reference(src)
    diff = normal(2, *pooled.shape)
    if function == "max":
        arrays = {"src": src, "pooled": pooled, "diff_dst": diff}
        expected = MaxPoolGradient(*geometry).reference(src, pooled, diff)
    else:
        arrays = {"diff_dst": diff}
        expected = AveragePoolGradient(window.size, *geometry).reference(diff)
    ragged = c % target(on).lanes != 0
    disjoint = window.strides[0] >= window.taps[0] and window.strides[1] >= window.taps[1]
    for by_rows in {False, disjoint}:
        kernel = PoolGradient(function, by_rows, ragged)
        first = call(kernel, on, 1, True, window, n, c, 1024, src, **arrays)
        again = call(kernel, on, 3, False, window, n, c, target(on).lanes, src, **arrays)
        np.testing.assert_allclose(first, expected, atol=2e-6)  # at most 9 summands
        np.testing.assert_array_equal(first, again)
