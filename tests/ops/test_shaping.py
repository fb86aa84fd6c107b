import numpy as np
import pytest

from simplecell import ops
from simplecell.ops.shaping import PAD_MODES
from tests.ops.differences import check_gradient, run


def sample(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


CASES = [
    ("reshape", lambda x: ops.reshape(x, (5, -1)), lambda x: x.reshape(5, -1)),
    ("transpose", lambda x: ops.transpose(x, (2, 0, -2)), lambda x: x.transpose(2, 0, 1)),
    ("transpose_all", ops.transpose, np.transpose),
    (
        "broadcast",
        lambda x: ops.broadcast_to(ops.expand_dims(x, 1), (2, 3, 7, 4, 5)),
        lambda x: np.broadcast_to(x[:, None], (2, 3, 7, 4, 5)),
    ),
    ("slice", lambda x: ops.strided_slice(x, (1, 0, 1), (3, 4, 5), (1, 3, 2)), lambda x: x[1:3, 0:4:3, 1:5:2]),
    ("empty_slice", lambda x: ops.strided_slice(x, (1, 2, 1), (3, 2, 5)), lambda x: x[1:3, 2:2, 1:5]),
    ("reverse", lambda x: ops.reverse(x, (0, 2)), lambda x: x[::-1, :, ::-1]),
    ("concatenate", lambda x: ops.concatenate([x, x[:, :1], x], 1), lambda x: np.concatenate([x, x[:, :1], x], 1)),
    ("stack", lambda x: ops.stack([x, x * 2], -1), lambda x: np.stack([x, x * 2], -1)),
    ("tile", lambda x: ops.tile(x, (2, 1, 3, 2)), lambda x: np.tile(x, (2, 1, 3, 2))),
    ("repeat", lambda x: ops.repeat(x, 3, 1), lambda x: np.repeat(x, 3, 1)),
    ("repeat_each", lambda x: ops.repeat(x, [2, 0, 1], 0), lambda x: np.repeat(x, [2, 0, 1], 0)),
    ("split", lambda x: ops.split(x, [1, 3], 1)[1], lambda x: np.split(x, [1, 3], 1)[1]),
    ("roll", lambda x: ops.roll(x, -7, 2), lambda x: np.roll(x, -7, 2)),
    ("squeeze", lambda x: ops.squeeze(ops.expand_dims(x, (0, -1)), 0), lambda x: x[..., None]),
    ("gather", lambda x: ops.gather(x, np.array([[0, -1], [2, 2]]), 1), lambda x: np.take(x, [[0, -1], [2, 2]], 1)),
    ("update", lambda x: ops.update_slice(x, x[:1, :2, :2] * 3, (1, 2, 0)), None),
    *((f"pad_{m}", lambda x, m=m: ops.pad(x, ((1, 0), (2, 3), (0, 4)), m, 1.5), None) for m in PAD_MODES),
]


@pytest.mark.parametrize("name, function, numpys", CASES, ids=[c[0] for c in CASES])
def test_values_and_gradient(name, function, numpys):
    x = sample(3, 4, 5)
    if name == "broadcast":
        x, want = sample(3, 4, 5), np.broadcast_to(sample(3, 4, 5)[:, None], (2, 3, 7, 4, 5))
    elif name == "update":
        want = x.copy()
        want[1:2, 2:4, 0:2] = x[:1, :2, :2] * 3
    elif name.startswith("pad"):
        mode = name[4:]
        options = {"constant_values": 1.5} if mode == "constant" else {}
        want = np.pad(x, ((1, 0), (2, 3), (0, 4)), PAD_MODES[mode], **options)
    else:
        want = numpys(x)
    np.testing.assert_array_equal(run(function, x), want)
    check_gradient(function, x)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scatter_add_is_the_adjoint_of_gather(axis):
    x, indices = sample(3, 4, 5), np.array([[0, 2, -1], [1, 1, 1]])
    shape = (*x.shape[:axis], 2, 3, *x.shape[axis + 1 :])
    updates = sample(*shape)
    left = np.sum(ops.gather(x, indices, axis) * updates)
    right = np.sum(x * ops.scatter_add(indices, updates, x.shape, axis))
    np.testing.assert_allclose(left, right, rtol=1e-12)
    check_gradient(lambda u: ops.scatter_add(indices, u, x.shape, axis), updates)


def test_indices_out_of_range_are_marked_or_left_out():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    got = ops.gather(x, np.array([2, 3, -4]), 0)
    assert got[0].tolist() == [4, 5] and np.isnan(got[1:]).all()
    assert ops.gather(np.arange(3), np.array([7]), 0).tolist() == [0]
    assert ops.scatter_add(np.array([0, 9, 0]), np.ones(3), (2,)).tolist() == [2, 0]
    assert ops.one_hot(np.array([1, -1, 3]), 3).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_errors():
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"`shape` \(4, -1\) leaves no whole extent for -1"):
        ops.reshape(x, (4, -1))
    with pytest.raises(ValueError, match=r"must hold as many elements as the array: float32\[2,3\] has 6; came \(5,\)"):
        ops.reshape(x, 5)
    with pytest.raises(ValueError, match="equal extents in other axes"):
        ops.concatenate([x, np.zeros((3, 3), np.float32)], 1)
    with pytest.raises(ValueError, match="`indices` of gather must be integers"):
        ops.gather(x, x)
    with pytest.raises(ValueError, match="A slice needs 0 <= start <= stop <= extent"):
        ops.strided_slice(x, (0, 0), (3, 3))
    with pytest.raises(ValueError, match="`mode` must be one of constant"):
        ops.pad(x, ((1, 1), (1, 1)), "mirror")
    with pytest.raises(ValueError, match="`parts` must divide the extent 3"):
        ops.split(x, 2, 1)
    with pytest.raises(ValueError, match="does not broadcast|needs shapes that broadcast"):
        ops.broadcast_to(x, (2, 2))
