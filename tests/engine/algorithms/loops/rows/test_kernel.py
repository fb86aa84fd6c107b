"""The loop nest: sizes about the vector width, strides, broadcasting, several outputs, threads."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from simplecell.engine.algorithms.loops.nest import BROADCAST, CONTIGUOUS, STRIDED
from simplecell.engine.algorithms.loops.rows.kernel import RowLoop
from simplecell.engine.algorithms.loops.rows.schedule import RowLoopSchedule
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.host import target as target_named
from tests.engine.harness import available_targets, guarded, run

FMA = Expression(
    ("float32", "float32", "float32"),
    (
        Instruction("multiply", (0, 1), "float32"),
        Instruction("add", (3, 2), "float32"),
        Instruction("less", (3, 2), "bool"),
    ),
    (4, 5),
)
"""a·b + c, and a·b < c"""


def sizes(target: str) -> list[int]:
    w = target_named(target).lanes
    return [1, 2, w - 1, w, w + 1, 2 * w, 2 * w + 1, 37, 131]


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("target", available_targets())
def test_sizes(target: str, end: bool) -> None:
    rng = np.random.default_rng(1)
    kernel = RowLoop(FMA, (CONTIGUOUS, BROADCAST, CONTIGUOUS), (CONTIGUOUS, CONTIGUOUS), 1)
    for n in sizes(target):
        for rows in (1, 3):
            a, c = (guarded(rng.standard_normal((rows, n)).astype(np.float32), end) for _ in range(2))
            b = guarded(rng.standard_normal((rows, 1)).astype(np.float32), end)
            first = None
            for threads in (1, 2, 3):
                y, z = guarded(np.zeros((rows, n), np.float32), end), guarded(np.zeros((rows, n), bool), end)
                strides = ((n,), (1,), (n,), (n,), (n,))
                schedule = RowLoopSchedule(n, 64, (rows,), strides, (None,) * 5, inputs=3)
                run(kernel, threads, target, i0=a, i1=b, i2=c, o0=y, o1=z, **schedule.arguments())
                assert np.array_equal(y, a * b + c) and np.array_equal(z, a * b < c)
                first = y.copy() if first is None else first
                assert np.array_equal(first, y)


@pytest.mark.parametrize("target", available_targets())
@pytest.mark.parametrize("dtype", ["float32", "uint8", "bool", "int64"])
def test_strided(dtype: str, target: str) -> None:
    """Gathers in an expression, scatters, and plain copies, with negative strides too."""
    rng = np.random.default_rng(2)
    double = Expression((dtype,), (Instruction("maximum", (0, 0), dtype),), (1,))
    for expression in (double, Expression.identity(dtype)):
        kernel = RowLoop(expression, (STRIDED,), (STRIDED,), 0)
        for n in sizes(target):
            x = guarded(rng.integers(0, 2, n * 3 - 2).astype(dtype))
            y = guarded(np.zeros(n * 2 - 1, dtype))
            schedule = RowLoopSchedule(n, 64, (), ((), ()), (-3, 2), inputs=1)
            last = x.ctypes.data + (n - 1) * 3 * x.itemsize
            run(kernel, 2, target, i0=last, o0=y, **schedule.arguments())
            assert np.array_equal(y[::2], x[::-3]) and not y[1::2].any()


@pytest.mark.parametrize("threads", [1, 2, 5, 64])
def test_outer_axes(threads: int) -> None:
    """A transpose over four axes, the odometer turning over in every one, with more threads than rows too."""
    shape = (2, 3, 4, 5)
    x = guarded(np.arange(prod(shape), dtype=np.float32).reshape(shape))
    y = guarded(np.zeros(shape[::-1], np.float32))
    kernel = RowLoop(Expression.identity(), (STRIDED,), (CONTIGUOUS,), 3)
    schedule = RowLoopSchedule(2, 64, (5, 4, 3), ((1, 5, 20), (24, 6, 2)), (60, None), inputs=1)
    run(kernel, threads, None, i0=x, o0=y, **schedule.arguments())
    assert np.array_equal(y, x.transpose(3, 2, 1, 0))


def test_names_tell_kernels_apart() -> None:
    kernels = [
        RowLoop(FMA, (CONTIGUOUS,) * 3, (CONTIGUOUS,) * 2),
        RowLoop(FMA, (CONTIGUOUS, BROADCAST, CONTIGUOUS), (CONTIGUOUS,) * 2),
        RowLoop(FMA, (CONTIGUOUS,) * 3, (CONTIGUOUS,) * 2, 1),
    ]
    assert len({k.name for k in kernels}) == 3
    assert kernels[0].name.startswith("elementwise_rows_f32_r0_ccc_cc_multiply_add_less_")
