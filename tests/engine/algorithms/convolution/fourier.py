"""Running a plan of a convolution by Fourier transforms on guarded buffers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simplecell.engine.algorithms.convolution.fourier_channels.kernel import ConvolutionFourierChannels
from simplecell.engine.algorithms.convolution.fourier_rows.kernel import ConvolutionFourierRows
from simplecell.engine.algorithms.convolution.plan import ConvolutionPlan
from simplecell.engine.code.fourier import roots_and_order, twiddles
from tests.engine.algorithms.convolution.apart import all_apart, marks_of
from tests.engine.harness import guarded, run

Plan = ConvolutionPlan[ConvolutionFourierRows] | ConvolutionPlan[ConvolutionFourierChannels]


def convolved(
    plan: Plan,
    name: str,
    src: np.ndarray,
    weights: np.ndarray,
    shape: Sequence[int],
    operands: Sequence[np.ndarray],
    threads: int,
    end: bool,
) -> np.ndarray:
    """dst of this shape, on the target `name`. end: the arrays end (or begin) where the memory does. What is not
    written is NaN. Nothing of it is set apart; what would be computed then is compared on the way."""
    packed = guarded(np.full(plan.weights.nbytes // 4, np.nan, np.float32), end)
    roots, order = roots_and_order(plan.kernel.radices)
    run(
        plan.weights.kernel,
        threads,
        name,
        dst=packed,
        src=guarded(weights, end),
        roots=roots,
        order=order,
        **plan.weights.schedule.arguments(),
    )
    dst = guarded(np.full(shape, np.nan, np.float32), end)
    stride = -(-plan.scratch_bytes // 64) * 64
    scratch = guarded(np.full(stride * threads // 4, np.nan, np.float32), end)
    at_edge = {f"e{i}": guarded(o.astype(np.float32), end) for i, o in enumerate(operands)}
    arrays = dict(
        dst=dst,
        src=guarded(src, end),
        weights=packed,
        twiddles=twiddles(plan.kernel.radices),
        scratch=scratch,
        scratch_stride=stride,
    )
    marks = marks_of(plan, end)
    run(plan.kernel, threads, name, **arrays, apart=marks, **plan.schedule.arguments(), **at_edge)
    assert not marks.any()
    direct = all_apart(plan.apart, name, threads, end, tuple(shape), packed, src, weights, at_edge)
    np.testing.assert_allclose(direct, dst, rtol=0, atol=3e-6 * np.abs(direct).max())
    return dst.copy()
