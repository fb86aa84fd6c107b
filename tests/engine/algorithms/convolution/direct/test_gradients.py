"""The kernels of the gradients of convolutions on guarded buffers, at channels around the vector width."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.direct.gradient import (
    bands,
    choose_tile,
    needs_halo,
    plan_weights,
    row_choices,
)
from simplecell.engine.algorithms.convolution.direct.gradient_kernel import GradientWeights, SumParts
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.turning import SpreadZeros, TurnWeights
from simplecell.engine.target import target
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
    problem = ConvolutionProblem.of(op, src.shape, shape)
    assert problem is not None
    plan = plan_weights(problem, n, target(on), threads)
    dst = guarded(np.full((plan.parts, *shape), np.nan, np.float32), end)
    arguments = {"src": guarded(src, end), "diff_dst": guarded(diff, end), "dst": dst, **plan.arguments}
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


@pytest.mark.parametrize("on", available_targets())
def test_turned_weights(on: str) -> None:
    w = target(on).lanes
    for groups, ic, oc in [(1, w, w), (1, w + 1, 2 * w - 1), (3, 2, 5), (2, w, 1)]:
        src = normal(1, 3, 5, ic, groups * oc)
        dst = guarded(np.full((3, 2, oc, groups * ic), np.nan, np.float32))
        # all three rows of taps; of the five columns, those with number 3 and 1
        taps = dict(taps_z=1, last_z=0, step_z=1, taps_y=3, last_y=2, step_y=1, taps_x=2, last_x=3, step_x=2)
        run(TurnWeights(), on=on, threads=2, dst=dst, src=guarded(src), ic=ic, oc=oc, groups=groups, kh=3, kw=5, **taps)
        want = src[::-1, 3::-2].reshape(3, 2, ic, groups, oc).transpose(0, 1, 4, 3, 2).reshape(dst.shape)
        np.testing.assert_array_equal(dst, want)


def test_zeros_between() -> None:
    """Only the pixels of the phase are written."""
    dst = guarded(np.full((2, 4, 6, 19), 7, np.float32))
    first = dst[:, 1:, 1:]
    strides = dict(
        zip(("spread_image", "spread_plane", "spread_row", "spread_pixel"), (4 * 6 * 19, 0, 2 * 6 * 19, 2 * 19))
    )
    at = np.frombuffer(dst, np.float32)[(6 + 1) * 19 :]
    run(SpreadZeros(), threads=2, dst=at, images=2, planes=1, rows=2, pixels=3, channels=19, **strides)
    assert not first[:, ::2, ::2].any()
    assert np.count_nonzero(dst) == dst.size - first[:, ::2, ::2].size


def test_names_tell_kernels_apart() -> None:
    kernels = [
        GradientWeights(choose_tile(p, target(), False)[1], r, c) for p in [_problem()] for r in (1, 3) for c in (0, 2)
    ]
    assert len({k.name for k in kernels}) == len(kernels)


def _problem() -> ConvolutionProblem:
    problem = ConvolutionProblem.of(Convolution((1, 1), SAME, (1, 1)), (1, 8, 8, 16), (3, 3, 16, 16))
    assert problem is not None
    return problem
