"""Running what sums tiles with outliers directly, beside the kernel that marks them, on guarded buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell.engine.algorithms.convolution.plan import Apart, ConvolutionPlan
from tests.engine.harness import guarded, run


def marks_of(plan: ConvolutionPlan[Any], end: bool) -> np.ndarray:
    """The bytes that a plan's kernel writes; what it leaves alone is zero."""
    assert plan.apart is not None
    return guarded(np.zeros(plan.apart.marks, np.uint8), end)


def all_apart(
    again: Apart, name: str, threads: int, end: bool, shape: tuple[int, ...], packed: np.ndarray, src: np.ndarray,
    weights: np.ndarray,
    operands: dict[str, np.ndarray],
) -> np.ndarray:  # fmt: skip
    """dst where every tile is marked. What is not written is NaN. packed: the weights as the plan's kernel reads
    them."""
    dst = guarded(np.full(shape, np.nan, np.float32), end)
    stride = -(-again.scratch_bytes // 64) * 64
    scratch = guarded(np.full(stride * threads // 4, np.nan, np.float32), end)
    if again.raw:
        packed = guarded(weights, end)
    elif again.packing is not None:
        packed = guarded(np.full(again.packing.nbytes // 4, np.nan, np.float32), end)
        run(
            again.packing.kernel,
            threads,
            name,
            dst=packed,
            src=guarded(weights, end),
            **again.packing.schedule.arguments(),
        )
    run(
        again.kernel, threads, name, dst=dst, src=guarded(src, end), weights=packed, scratch=scratch,
        scratch_stride=stride,
        apart=guarded(np.ones(again.marks, np.uint8), end), marks=again.marks, **again.schedule.arguments(), **operands,
    )  # fmt: skip
    return dst
