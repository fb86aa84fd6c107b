"""Winograd's gradient for the weights on guarded buffers, its error bound, and its plan."""

from __future__ import annotations

import numpy as np
import pytest

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.algorithms.convolution.winograd.gradient import WinogradGradientWeights
from simplecell.engine.algorithms.convolution.winograd.gradient_schedule import blocking
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting
from simplecell.ops.convolution import Convolution, ConvolutionGradientWeights
from simplecell.ops.geometry import output_size
from simplecell.precision import Precision
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets, guarded, run

BOUND = 3e-5
"""of the largest output, as forward; measured 1e-6 for F(4,3), 3e-6 for F(4,5)"""


def gradient(
    n: int,
    spatial: tuple[int, ...],
    ic: int,
    oc: int,
    transform: Transform,
    padding: tuple[tuple[int, int], ...],
    on: str,
    threads: int,
    end: bool = True,
) -> np.ndarray:
    taps = transform.taps
    kernel = (taps,) * len(spatial)
    op = Convolution((1,) * len(spatial), padding, (1,) * len(spatial))
    out = [output_size(i, taps, 1, p) for i, p in zip(spatial, padding)]
    src, diff = normal(1, n, *spatial, ic), normal(2, n, *out, oc)
    problem = ConvolutionProblem.of(op, src.shape, (*kernel, ic, oc))
    assert problem is not None
    plan = WinogradGradientWeights(transform.outputs, taps).plan(problem, Setting(target(on), threads, "fast"))
    dst = guarded(np.full((plan.parts, *kernel, ic, oc), np.nan, np.float32), end)
    scratch = guarded(np.full(threads * plan.scratch_bytes // 4, np.nan, np.float32), end)
    buffers = {
        "src": guarded(src, end),
        "diff_dst": guarded(diff, end),
        "dst": dst,
        "scratch": scratch,
        "scratch_stride": plan.scratch_bytes,
    }
    run(plan.kernel, on=on, threads=threads, **buffers, **plan.schedule.arguments())
    reference = ConvolutionGradientWeights(kernel, op.strides, padding, op.dilation).reference(
        src.astype(np.float64), diff.astype(np.float64)
    )
    error = np.abs(dst.sum(0, dtype=np.float64) - reference).max() / np.abs(reference).max()
    assert error < BOUND, f"{error:.1e}"
    return np.array(dst)


@pytest.mark.parametrize("on", available_targets())
def test_gradient(on: str) -> None:
    w, f43 = target(on).lanes, Transform(4, 3)
    for n, size, ic, oc, padding in [
        (1, (3, 3), w, w, ((0, 0), (0, 0))),
        (3, (9, 7), w + 1, 2 * w + 3, ((1, 1), (0, 2))),
        (2, (10, 10), 3 * w - 1, w, ((1, 1), (1, 1))),
    ]:
        for end in (True, False):
            gradient(n, size, ic, oc, f43, padding, on, threads=2, end=end)


def test_one_dimension_and_five_taps() -> None:
    on = available_targets()[0]
    gradient(3, (23,), 17, 19, Transform(4, 3), ((2, 0),), on, threads=1)
    gradient(2, (9, 11), 17, 16, Transform(4, 5), ((2, 2), (2, 2)), on, threads=1)


def test_bits_do_not_depend_on_threads() -> None:
    """Blocks may differ, sums do not."""
    on = available_targets()[0]
    for ic, oc in [(16, 33), (96, 80)]:
        same = [
            gradient(2, (13, 13), ic, oc, Transform(4, 3), ((1, 1), (1, 1)), on, threads).tobytes()
            for threads in (1, 2, 3)
        ]
        assert len(set(same)) == 1


def test_what_it_refuses() -> None:
    def why(op: Convolution, ic: int = 64, kernel: int = 3, precision: Precision = "fast") -> str | None:
        problem = ConvolutionProblem.of(op, (8, 12, 12, ic), (kernel, kernel, ic // op.groups, 64))
        assert problem is not None
        return WinogradGradientWeights(4, 3).refuses(problem, Setting(target(), 1, precision))

    same = ((1, 1), (1, 1))
    assert why(Convolution((1, 1), same, (1, 1))) is None
    assert why(Convolution((1, 1), same, (1, 1)), precision="tight") is None
    five = ConvolutionProblem.of(Convolution((1, 1), same, (1, 1)), (8, 12, 12, 64), (5, 5, 64, 64))
    fast, tight = Setting(target(), 1, "fast"), Setting(target(), 1, "tight")
    assert five is not None and "tight" in str(WinogradGradientWeights(4, 5).refuses(five, tight))
    row = ConvolutionProblem.of(Convolution((1, 1), same, (1, 1)), (64, 1, 64, 64), (1, 3, 64, 64))
    assert row is not None and "padded" in str(WinogradGradientWeights(4, 3).refuses(row, fast))
    assert "exact" in str(why(Convolution((1, 1), same, (1, 1)), precision="exact"))
    assert "strides" in str(why(Convolution((2, 2), same, (1, 1))))
    assert "groups" in str(why(Convolution((1, 1), same, (1, 1), 2)))
    assert "channels" in str(why(Convolution((1, 1), same, (1, 1)), ic=1))
    assert "kernel" in str(why(Convolution((1, 1), same, (1, 1)), kernel=2))
    problem = ConvolutionProblem.of(Convolution((1, 1), same, (1, 1)), (1, 5, 5, 64), (3, 3, 64, 64))
    assert problem is not None and "little" in str(WinogradGradientWeights(4, 3).refuses(problem, fast))


def test_blocks_fit_the_cache() -> None:
    for ic, oc, size, n in [(32, 64, 13, 128), (512, 512, 7, 16), (100, 1000, 9, 1)]:
        problem = ConvolutionProblem.of(
            Convolution((1, 1), ((1, 1), (1, 1)), (1, 1)), (n, size, size, ic), (3, 3, ic, oc)
        )
        assert problem is not None
        for threads in (1, 2, 8):
            cut = blocking(problem, Transform(4, 3), target(), threads)
            assert cut is not None and cut.ic_block <= ic and cut.oc_block <= oc
            plan = WinogradGradientWeights(4, 3).plan(problem, Setting(target(), threads, "fast"))
            assert plan.scratch_bytes < target().l2


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("local", [False, True])
def test_outliers_change_nothing_that_does_not_see_them(local: bool, on: str) -> None:
    """In a corner, a pixel is seen by some taps only, and by one channel of src, or of diff_dst, in any case."""
    rng = np.random.default_rng(3)
    cases = [(Transform(4, 3), (13, 14), ((1, 1), (1, 1))), (Transform(4, 5), (12, 13), ((2, 2), (2, 1)))]
    for transform, size, padding in cases[: 1 if local else 2]:  # F(4,5) is for `fast` alone
        taps = transform.taps
        out = [output_size(i, taps, 1, p) for i, p in zip(size, padding)]
        arrays = [
            rng.standard_normal((2, *size, 17)).astype(np.float32),
            rng.standard_normal((2, *out, 18)).astype(np.float32),
        ]
        op = Convolution((1, 1), padding, (1, 1))
        problem = ConvolutionProblem.of(op, arrays[0].shape, (taps, taps, 17, 18))
        assert problem is not None
        setting = Setting(target(on), 2, "tight" if local else "fast")
        plan = WinogradGradientWeights(transform.outputs, taps).plan(problem, setting)
        plain = summed(*arrays, taps, padding)
        typical = np.sqrt((plain**2).mean())
        for which, value in ((w, v) for w in range(2) for v in (1e6, np.nan, np.inf, -np.inf)):
            for place in ((0, 0, 0), (1, 0, 5), (0, -1, -1), (1, 6, 6)):
                changed = [a.copy() for a in arrays]
                changed[which][(*place, 3)] = value
                dst = guarded(np.full((plan.parts, taps, taps, 17, 18), np.nan, np.float32))
                scratch = guarded(np.full(2 * plan.scratch_bytes // 4, np.nan, np.float32))
                buffers = {"src": guarded(changed[0]), "diff_dst": guarded(changed[1]), "dst": dst, "scratch": scratch}
                given = plan.schedule.arguments()
                run(plan.kernel, on=on, threads=2, **buffers, scratch_stride=plan.scratch_bytes, **given)
                found, expected = dst.sum(0, dtype=np.float64), summed(*changed, taps, padding)
                unseen = expected == plain
                np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
                np.testing.assert_array_equal(np.isposinf(found), np.isposinf(expected))
                bound = 1e-5 * typical if local else BOUND * np.abs(expected[np.isfinite(expected)]).max()
                assert np.abs(found[unseen] - expected[unseen]).max() <= bound, (str(transform), which, value, place)


def test_blocks_that_overlap_store_their_own_channels() -> None:
    """A patch may be set apart in one block of channels and not in the next: shares may be done in any order."""
    rng = np.random.default_rng(4)
    padding = ((1, 1), (1, 1))
    src, diff = (
        rng.standard_normal((2, 13, 14, 85)).astype(np.float32),
        rng.standard_normal((2, 13, 14, 70)).astype(np.float32),
    )
    src[0, 5, 5, 60:], diff[1, 3, 4, 50] = np.inf, np.nan
    problem = ConvolutionProblem.of(Convolution((1, 1), padding, (1, 1)), src.shape, (3, 3, 85, 70))
    assert problem is not None
    plan = WinogradGradientWeights(4, 3).plan(problem, Setting(target(), 1, "tight"))
    given = plan.schedule.arguments()
    assert 85 % given["ic_block"] and 70 % given["oc_block"], "blocks are to overlap"
    results = []
    for threads, backwards in ((1, False), (3, True), (8, True)):
        dst = np.full((plan.parts, 3, 3, 85, 70), np.nan, np.float32)
        scratch = guarded(np.full(threads * plan.scratch_bytes // 4, np.nan, np.float32))
        buffers = {
            "src": guarded(src),
            "diff_dst": guarded(diff),
            "dst": dst,
            "scratch": scratch,
            "scratch_stride": plan.scratch_bytes,
        }
        run(plan.kernel, threads=threads, backwards=backwards, **buffers, **given)
        results.append(dst)
        np.testing.assert_array_equal(dst, results[0])
    expected = summed(src, diff, 3, padding)
    np.testing.assert_array_equal(np.isnan(results[0].sum(0)), np.isnan(expected))


def summed(src: np.ndarray, diff: np.ndarray, taps: int, padding: tuple[tuple[int, int], ...]) -> np.ndarray:
    """The gradient in float64, of pixels that exist alone."""
    dst = np.zeros((taps, taps, src.shape[-1], diff.shape[-1]))
    (_, height, width, _), (_, oh, ow, _) = src.shape, diff.shape
    with np.errstate(all="ignore"):
        for r in range(taps):
            for s in range(taps):
                y = np.arange(oh)[
                    (np.arange(oh) + r - padding[0][0] >= 0) & (np.arange(oh) + r - padding[0][0] < height)
                ]
                x = np.arange(ow)[
                    (np.arange(ow) + s - padding[1][0] >= 0) & (np.arange(ow) + s - padding[1][0] < width)
                ]
                a = src[:, y + r - padding[0][0]][:, :, x + s - padding[1][0]].astype(np.float64)
                # by channel, lest a product of matrices meet a NaN of another channel
                dst[r, s] = np.einsum("nhwi,nhwo->io", a, diff[:, y][:, :, x].astype(np.float64), optimize=False)
    return dst
