from itertools import product

import numpy as np
import pytest

from simplecell import ops
from tests.ops.differences import check_gradient


def by_loops(src, weights, strides, padding, dilation, groups):
    """The definition, one product at a time."""
    n, ic, oc = src.shape[0], src.shape[-1], weights.shape[-1]
    kernel = weights.shape[:-2]
    out = [
        (i + lo + hi - (k - 1) * d - 1) // s + 1
        for i, k, s, (lo, hi), d in zip(src.shape[1:-1], kernel, strides, padding, dilation, strict=True)
    ]
    dst = np.zeros((n, *out, oc))
    for b, *o in product(range(n), *map(range, out)):
        for tap in product(*map(range, kernel)):
            at = [p * s - lo + t * d for p, s, (lo, _), t, d in zip(o, strides, padding, tap, dilation, strict=True)]
            if all(0 <= a < i for a, i in zip(at, src.shape[1:-1], strict=True)):
                for c in range(oc):
                    group = c // (oc // groups)
                    for i in range(ic // groups):
                        dst[(b, *o, c)] += src[(b, *at, group * (ic // groups) + i)] * weights[(*tap, i, c)]
    return dst


CASES = [  # src, weights, strides, padding, dilation, groups
    ((1, 8, 1), (3, 1, 1), (1,), ((0, 0),), (1,), 1),
    ((2, 9, 3), (3, 3, 2), (2,), ((4, 1),), (2,), 1),
    ((2, 5, 6, 3), (3, 2, 3, 4), (2, 1), ((1, 0), (0, 2)), (1, 2), 1),
    ((1, 5, 5, 4), (2, 3, 2, 6), (1, 2), ((0, 1), (1, 1)), (2, 1), 2),
    ((1, 4, 5, 3), (3, 3, 1, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    ((2, 4, 5, 3), (3, 2, 1, 6), (2, 2), ((1, 1), (0, 1)), (1, 1), 3),
    ((1, 3, 4, 3, 2), (2, 2, 3, 2, 2), (1, 2, 1), ((0, 0), (1, 0), (1, 1)), (1, 1, 1), 1),
    ((0, 4, 4, 2), (3, 3, 2, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
]


def sample(case):
    rng = np.random.default_rng(1)
    return rng.normal(size=case[0]), rng.normal(size=case[1]), case[2:]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution_is_its_definition(case):
    src, weights, (strides, padding, dilation, groups) = sample(case)
    op = ops.Convolution(strides, padding, dilation, groups)
    want = by_loops(src, weights, strides, padding, dilation, groups)
    np.testing.assert_allclose(op.reference(src, weights), want, rtol=0, atol=1e-13 * weights[..., 0].size)
    single = op.reference(src.astype(np.float32), weights.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, want, rtol=0, atol=1e-6 * weights[..., 0].size)


@pytest.mark.parametrize("case", CASES[:-1], ids=str)
def test_gradients_of_all_orders(case):
    src, weights, (strides, padding, dilation, groups) = sample(case)
    forward = ops.Convolution(strides, padding, dilation, groups)
    to_src = ops.ConvolutionGradientSrc(src.shape[1:-1], strides, padding, dilation, groups)
    to_weights = ops.ConvolutionGradientWeights(weights.shape[:-2], strides, padding, dilation, groups)
    diff_dst = np.random.default_rng(2).normal(size=forward.output_spec(ops.spec_of(src), ops.spec_of(weights)).shape)
    check_gradient(lambda *t: ops.apply(forward, *t), src, weights)
    check_gradient(lambda *t: ops.apply(to_src, *t), diff_dst, weights)
    check_gradient(lambda *t: ops.apply(to_weights, *t), src, diff_dst)


def test_a_line_detector():
    x = np.array([0, 0, 0, 1, 1, 0, 0, 0], np.float32)[None, :, None]
    w = np.array([0, 1, 0], np.float32)[:, None, None]
    assert ops.convolution(x, w)[0, :, 0].tolist() == [0, 0, 1, 1, 0, 0]


def test_correlation_is_not_flipped():
    x = np.array([0, 0, 1, 0, 0], np.float32)[None, :, None]
    w = np.array([1, 2, 3], np.float32)[:, None, None]
    assert ops.convolution(x, w, padding="same")[0, :, 0].tolist() == [0, 3, 2, 1, 0]
    assert ops.convolution(x, w, padding="causal")[0, :, 0].tolist() == [0, 0, 3, 2, 1]


def test_float16_is_summed_in_float32():
    x, w = np.full((1, 4000, 1), 1, np.float16), np.full((4000, 1, 1), 1, np.float16)
    assert ops.convolution(x, w).item() == 4000  # float16 cannot count beyond 2048 in steps of 1


def test_errors():
    x, w = np.zeros((1, 5, 5, 3), np.float32), np.zeros((3, 3, 3, 8), np.float32)
    with pytest.raises(
        ValueError,
        match=r"`weights` must have \(channels of src\) / groups = 3 / 1 input channels; came float32\[3,3,4,8\]",
    ):
        ops.convolution(x, np.zeros((3, 3, 4, 8), np.float32))
    with pytest.raises(
        ValueError,
        match=r"The kernel does not fit: in spatial axis 0 it covers 7 elements \(7 taps, dilation 1\), but `src` "
        r"has 5 \+ 0",
    ):
        ops.convolution(x, np.zeros((7, 3, 3, 8), np.float32))
    with pytest.raises(ValueError, match="need one rank of 3 or more; came"):
        ops.convolution(x[0], w)
    with pytest.raises(ValueError, match="`convolution` needs operands of one dtype; came float32, float64"):
        ops.convolution(x, w.astype(np.float64))
    with pytest.raises(ValueError, match="`strides` must be a positive integer, or 2 of them"):
        ops.convolution(x, w, (1, 2, 3))
    with pytest.raises(ValueError, match="`groups` must divide the number of filters; came 3 groups and 8 filters"):
        ops.convolution(x, np.zeros((3, 3, 1, 8), np.float32), groups=3)
    with pytest.raises(ValueError, match=r"`diff_dst` must be float32\[1,3,3,8\], what the convolution makes of"):
        ops.apply(
            ops.ConvolutionGradientSrc((5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1)), np.zeros((1, 4, 3, 8), np.float32), w
        )
