from itertools import product

import pytest

from simplecell.ops import geometry


@pytest.mark.parametrize("size, kernel, stride, dilation", list(product(range(1, 9), range(1, 5), range(1, 4), (1, 2))))
def test_same_keeps_ceil_of_size_over_stride(size, kernel, stride, dilation):
    low, high = geometry.same_padding(size, kernel, stride, dilation)
    assert 0 <= high - low <= 1
    assert geometry.output_size(size, kernel, stride, (low, high), dilation) == -(-size // stride)


def test_output_size_counts_the_places():
    for size, kernel, stride, low, high in product(range(0, 7), range(1, 4), range(1, 4), range(2), range(3)):
        places = [o for o in range(50) if o * stride + kernel <= size + low + high]
        assert geometry.output_size(size, kernel, stride, (low, high)) == len(places)


def test_resolve_padding():
    def resolve(padding):
        return geometry.resolve_padding(padding, (5, 6), (3, 4), (2, 1), (1, 2))

    assert resolve("valid") == ((0, 0), (0, 0))
    assert resolve("same") == ((1, 1), (3, 3))
    assert resolve("causal") == ((2, 0), (6, 0))
    assert resolve(2) == ((2, 2), (2, 2))
    assert resolve([1, (0, 2)]) == ((1, 1), (0, 2))
    assert geometry.resolve_padding("same", (4,), (2,), (1,)) == ((0, 1),)  # what cannot be halved goes to the right
    with pytest.raises(ValueError, match='`padding` must be "valid", "same", "causal".*came \'full\''):
        resolve("full")
    with pytest.raises(ValueError, match="one non-negative integer or .* for each of 2 axes"):
        resolve([1, (0, -2)])


def test_per_axis():
    assert geometry.per_axis(2, 3, "strides") == (2, 2, 2)
    with pytest.raises(ValueError, match=r"`strides` must be a positive integer, or 2 of them .*; came \(1, 0\)"):
        geometry.per_axis((1, 0), 2, "strides")


def test_transposed_geometry():
    assert geometry.transposed_geometry(4, 3, 2) == (9, (0, 0))
    assert geometry.transposed_geometry(4, 2, 3) == (12, (0, -1))  # stride beyond the kernel: size · stride
    assert geometry.transposed_geometry(4, 3, 2, "same")[0] == 8
    assert geometry.transposed_geometry(4, 3, 2, "same", 1)[0] == 8
    assert geometry.transposed_geometry(4, 3, 2, "same", 0)[0] == 7
    with pytest.raises(ValueError, match='must be "valid" or "same"'):
        geometry.transposed_geometry(4, 3, 2, "causal")
    with pytest.raises(ValueError, match="`output_padding` must not be negative"):
        geometry.transposed_geometry(4, 3, 2, "same", -1)
