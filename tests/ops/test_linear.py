import numpy as np
import pytest

from simplecell import ops
from tests.ops.differences import check_gradient


@pytest.mark.parametrize("lead_a, lead_b", [((), ()), ((2, 1), (3,)), ((4,), ()), ((), (2, 2)), ((1,), (5,))])
@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_matmul(lead_a, lead_b, ta, tb):
    rng = np.random.default_rng(1)
    a = rng.normal(size=(*lead_a, *((5, 3) if ta else (3, 5))))
    b = rng.normal(size=(*lead_b, *((7, 5) if tb else (5, 7))))
    want = np.einsum(f"...{'km' if ta else 'mk'},...{'nk' if tb else 'kn'}->...mn", a, b)
    np.testing.assert_allclose(ops.matmul(a, b, ta, tb), want, rtol=1e-12, atol=1e-12)
    check_gradient(lambda a, b: ops.matmul(a, b, ta, tb), a, b)


def test_errors():
    a, b = np.zeros((3, 5), np.float32), np.zeros((4, 2), np.float32)
    with pytest.raises(
        ValueError, match=r"as many columns in `a` as rows in `b`; came float32\[3,5\] with 5 and float32\[4,2\] with 4"
    ):
        ops.matmul(a, b)
    with pytest.raises(ValueError, match="rank 2 or more"):
        ops.matmul(a[0], b)
