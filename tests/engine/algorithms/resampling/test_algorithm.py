"""Resizing and its gradient as programs, and the kernel between guard pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.algorithms.resampling.algorithm import taps
from simplecell.engine.algorithms.resampling.kernel import ResizeKernel
from simplecell.engine.algorithms.resampling.schedule import ResizeSchedule
from simplecell.engine.host import target
from simplecell.ops.resampling import Resize, ResizeGradient, axis_weights
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run
from tests.engine.programs import computed

CASES: list[tuple[tuple[int, ...], Any]] = [
    ((2, 5, 7, 17), Resize((10, 14), "nearest")),
    ((1, 5, 7, 3), Resize((8, 3), "nearest")),
    ((2, 6, 4, 16), Resize((12, 8), "bilinear")),
    ((1, 9, 8, 5), Resize((4, 11), "bilinear")),
    ((1, 12, 8, 1), Resize((5, 8), "bilinear", antialias=True)),
    ((1, 6, 5, 4), Resize((9, 7), "bicubic")),
    ((1, 30, 2), Resize((17,), "lanczos3")),
    ((1, 3, 4, 5, 6), Resize((6, 4, 7), "bilinear")),
    ((1, 3, 4, 5, 2), Resize((6, 2, 5), "nearest")),
]


@pytest.mark.parametrize(("shape", "op"), CASES, ids=str)
def test_forward_and_gradient(shape: tuple[int, ...], op: Any) -> None:
    src = normal(1, *shape)
    gradient = ResizeGradient(shape[1:-1], op.method, op.antialias)
    diff = normal(2, *op.output_spec(ops.spec_of(src)).shape)
    for threads in (1, 2):
        result, expected = computed(lambda x: ops.apply(op, x), src, threads=threads)
        np.testing.assert_allclose(result, expected, atol=3e-6)  # weights of sum 1, rounded to float32
        result, expected = computed(lambda d: ops.apply(gradient, d), diff, threads=threads)
        np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("unrolled", [True, False])
@pytest.mark.parametrize("channels", [1, 7, 16, 17])
def test_kernel_stays_within_its_buffers(channels: int, unrolled: bool, on: str) -> None:
    src = normal(1, 2, 3, 5, channels)
    op = Resize((5, 11), "bilinear")
    (start_h, weights_h), (start_w, weights_w) = (taps(axis_weights(i, o, "bilinear")) for i, o in ((3, 5), (5, 11)))
    kernel = ResizeKernel(2 if unrolled else 0, 2 if unrolled else 0, ragged=channels % target(on).lanes != 0)
    results = []
    for threads, end in ((1, True), (3, False)):
        dst = guarded(np.full((2, 5, 11, channels), np.nan, np.float32), end)
        tables = {"start_h": start_h, "start_w": start_w, "weights_h": weights_h, "weights_w": weights_w}
        sizes = ResizeSchedule(
            n=2, od=1, oh=5, ow=11, id=1, ih=3, iw=5, channels=channels, kd=1, kh=2, kw=2
        ).arguments()  # fmt: skip
        given = {k: guarded(v, end) for k, v in tables.items()}
        run(kernel, threads, on, src=guarded(src, end), dst=dst, start_d=0, weights_d=0, **given, **sizes)
        results.append(dst)
    np.testing.assert_allclose(results[0], op.reference(src), atol=2e-6)
    np.testing.assert_array_equal(results[0], results[1])
