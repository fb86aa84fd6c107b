from itertools import product

import numpy as np
import pytest

from simplecell import ops
from simplecell.ops.pooling import window_counts
from tests.ops.differences import check_gradient

CASES = [  # src, size, strides, padding
    ((2, 7, 3), (3,), (2,), ((1, 1),)),
    ((2, 5, 6, 3), (2, 3), (2, 1), ((0, 1), (1, 1))),
    ((1, 5, 5, 2), (3, 3), (3, 3), ((2, 2), (0, 1))),
    ((1, 4, 3, 4, 2), (2, 2, 2), (2, 1, 2), ((0, 0), (0, 1), (0, 0))),
]


def windows(src, size, strides, padding):
    """(output position, slices of src) for each window, clipped to what is there."""
    out = [
        (n + lo + hi - k) // s + 1 for n, k, s, (lo, hi) in zip(src.shape[1:-1], size, strides, padding, strict=True)
    ]
    for o in product(*map(range, out)):
        starts = [p * s - lo for p, s, (lo, _) in zip(o, strides, padding, strict=True)]
        yield o, tuple(slice(max(a, 0), a + k) for a, k in zip(starts, size, strict=True)), out


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pooling_by_loops(case):
    shape, size, strides, padding = case
    src = np.random.default_rng(1).normal(size=shape) - 5  # negative: a zero from the padding would win
    largest, mean = (
        ops.MaxPool(size, strides, padding).reference(src),
        ops.AveragePool(size, strides, padding).reference(src),
    )
    counts = window_counts(shape[1:-1], size, strides, padding)
    axes = tuple(range(1, len(shape) - 1))
    for o, at, out in windows(src, size, strides, padding):
        window = src[(slice(None), *at)]
        assert largest.shape == (shape[0], *out, shape[-1])
        assert counts[o] == np.prod([window.shape[a] for a in axes])
        np.testing.assert_array_equal(largest[(slice(None), *o)], window.max(axes))
        np.testing.assert_allclose(mean[(slice(None), *o)], window.mean(axes), rtol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_of_both_orders(case):
    shape, size, strides, padding = case
    src = np.random.default_rng(2).permutation(np.arange(np.prod(shape))).reshape(shape) / 7.0  # no ties within a step
    for op in (ops.MaxPool(size, strides, padding), ops.AveragePool(size, strides, padding)):
        check_gradient(lambda x, op=op: ops.apply(op, x), src)
    dst = ops.MaxPool(size, strides, padding).reference(src)
    diff = np.random.default_rng(3).normal(size=dst.shape)
    check_gradient(lambda d: ops.apply(ops.MaxPoolGradient(size, strides, padding), src, dst, d), diff)
    check_gradient(lambda d: ops.apply(ops.AveragePoolGradient(shape[1:-1], size, strides, padding), d), diff)


def test_the_first_of_equals_takes_the_gradient():
    src = np.zeros((1, 2, 4, 1))
    got = ops.MaxPoolGradient((2, 2), (2, 2), ((0, 0), (0, 0))).reference(
        src, np.zeros((1, 1, 2, 1)), np.array([3.0, 5.0]).reshape(1, 1, 2, 1)
    )
    assert got[0, :, :, 0].tolist() == [[3, 0, 5, 0], [0, 0, 0, 0]]


def test_integers():
    x = np.array([[-3, -9, -2, -7]], np.int8)[..., None]
    assert ops.max_pool(x, 3, 2, "same")[0, :, 0].tolist() == [-2, -2]


def test_errors():
    x = np.zeros((1, 4, 4, 2), np.float32)
    with pytest.raises(ValueError, match=r"The window \(5, 5\) of `max_pool` does not fit into float32\[1,4,4,2\]"):
        ops.max_pool(x, 5)
    with pytest.raises(ValueError, match="`size` must be a positive integer, or 2 of them"):
        ops.max_pool(x, (2, 2, 2))
    with pytest.raises(ValueError, match="`average_pool` needs a floating dtype"):
        ops.average_pool(x.astype(int), 2)
    with pytest.raises(ValueError, match="padding below the size"):
        ops.max_pool(x, 2, 1, 2)
