"""The direct gradient for weights on guarded buffers, at channels around the vector width."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.direct.gradient import DirectGradientWeights
from simplecell.engine.algorithms.convolution.direct.gradient_kernel import GradientWeights
from simplecell.engine.algorithms.convolution.direct.gradient_schedule import (
    bands,
    choose_tile,
    needs_halo,
    row_choices,
)
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.ops.convolution import Convolution, ConvolutionGradientWeights
from simplecell.ops.geometry import output_size
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run

SAME, VALID = ((1, 1), (1, 1)), ((0, 0), (0, 0))


def gradient(
    n: int, size: int, ic: int, oc: int, k: int, op: Convolution, on: str, threads: int, end: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    out = [output_size(size, k, s, p, d) for s, p, d in zip(op.strides, op.padding, op.dilation)]
    src, diff = normal(1, n, size, size, ic), normal(2, n, *out, oc)
    shape = (k, k, ic // op.groups, oc)
    problem = ConvolutionProblem.of(op, src.shape, shape, across_images=False)
    assert problem is not None
    plan = DirectGradientWeights().plan(problem, Setting(target(on), threads, "fast"))
    dst = guarded(np.full((plan.parts, *shape), np.nan, np.float32), end)
    arguments = {"src": guarded(src, end), "diff_dst": guarded(diff, end), "dst": dst, **plan.schedule.arguments()}
    if plan.scratch_bytes:
        scratch = guarded(np.full(threads * plan.scratch_bytes // 4, np.nan, np.float32), end)
        arguments |= {"scratch": scratch, "scratch_stride": plan.scratch_bytes}
    run(plan.kernel, on=on, threads=threads, **arguments)
    reference = ConvolutionGradientWeights((k, k), op.strides, op.padding, op.dilation, op.groups).reference(src, diff)
    return dst.sum(0), reference


@pytest.mark.parametrize("on", available_targets())
def test_gradient_for_weights(on: str) -> None:
    w = target(on).lanes
    same, strided = Convolution((1, 1), SAME, (1, 1)), Convolution((2, 2), ((0, 1), (1, 1)), (1, 1))
    cases = [
        (2, 5, 1, 1, 3, same),
        (1, 6, w, w - 1, 3, same),
        (2, 7, 3, w + 1, 3, strided),
        (3, 5, 2 * w + 1, 2 * w, 1, Convolution((1, 1), VALID, (1, 1))),
    ]
    cases.append((1, 6, 512, 5, 1, Convolution((2, 2), VALID, (1, 1))))  # pixels crowd in L1
    for n, size, ic, oc, k, op in cases:
        for end in (True, False):
            got, want = gradient(n, size, ic, oc, k, op, on, threads=2, end=end)
            np.testing.assert_allclose(got, want, atol=1e-5 * n * size, err_msg=f"{n}×{size}×{size} {ic}→{oc}")


def test_every_form_of_rows() -> None:
    """Input channels alone, kw × ic, and whole kernels; in place and copied; groups."""
    on = available_targets()[0]
    valid = Convolution((1, 1), VALID, (1, 1))
    forms = set()
    for ic, oc, op in [(1, 5, valid), (3, 70, valid), (40, 33, valid), (8, 12, Convolution((1, 1), SAME, (2, 2), 4))]:
        got, want = gradient(2, 9, ic, oc, 3, op, on, threads=1)
        np.testing.assert_allclose(got, want, atol=1e-4)
        problem = ConvolutionProblem.of(op, (2, 9, 9, ic), (3, 3, ic // op.groups, oc))
        assert problem is not None
        halo = needs_halo(problem)
        rows, tile, _ = choose_tile(problem, target(on), halo)
        assert rows in row_choices(problem, halo) and tile.accumulators + tile.vectors < target(on).registers
        forms.add(rows.what)
    assert len(forms) >= 2


def test_bands_cover_what_they_must() -> None:
    for n, dst in [(128, (1, 11, 11)), (16, (1, 112, 112)), (1, (1, 1, 100000)), (3, (5, 6, 7)), (64, (1, 1, 1))]:
        band_n, band_y, band_x = bands(n, dst, 32, 10000, 256, target())
        assert 1 <= band_n <= n and 1 <= band_y <= dst[1] and 1 <= band_x <= dst[2]


def test_names_tell_kernels_apart() -> None:
    kernels = [
        GradientWeights(choose_tile(p, target(), False)[1], r, c) for p in [_problem()] for r in (1, 3) for c in (0, 2)
    ]
    assert len({k.name for k in kernels}) == len(kernels)


def _problem() -> ConvolutionProblem:
    problem = ConvolutionProblem.of(Convolution((1, 1), SAME, (1, 1)), (1, 8, 8, 16), (3, 3, 16, 16))
    assert problem is not None
    return problem
