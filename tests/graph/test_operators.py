import operator

import numpy as np
import pytest

from simplecell import ops
from simplecell.graph.operators import promote
from simplecell.graph.tensor import Tensor, placeholder
from tests.ops.differences import check_gradient, run

A = np.array([[1.5, 2, -3], [4, 5, 6.5]])
B = np.array([2.0, 1, 4])
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("function", ARITHMETIC + COMPARISONS + [operator.pow])
def test_two_operands(function):
    np.testing.assert_allclose(run(function, np.abs(A), B), function(np.abs(A), B))
    np.testing.assert_allclose(run(lambda a: function(a, 2), A), function(A, 2))
    np.testing.assert_allclose(run(lambda b: function(2, b), B), function(2, B))
    np.testing.assert_allclose(run(lambda b: function(np.abs(A), b), B), function(np.abs(A), B))
    np.testing.assert_allclose(run(lambda b: function(np.float64(2), b), B), function(2, B))


@pytest.mark.parametrize("function", [operator.and_, operator.or_, operator.xor])
def test_bits_and_truths(function):
    i, j = np.array([1, 6, 7]), np.array([3, 3, 8])
    np.testing.assert_array_equal(run(function, i, j), function(i, j))
    np.testing.assert_array_equal(run(function, i > 3, j > 3), function(i > 3, j > 3))
    np.testing.assert_array_equal(run(lambda a: ~a, i), ~i)
    np.testing.assert_array_equal(run(lambda a: ~(a > 3), i), ~(i > 3))
    np.testing.assert_array_equal(run(lambda a: (a << 2) >> 1, i), (i << 2) >> 1)


def test_one_operand():
    np.testing.assert_array_equal(run(lambda a: abs(-a) + (+a), A), abs(A) + A)
    np.testing.assert_array_equal(run(lambda a: a.T, A), A.T)


@pytest.mark.parametrize(
    "shapes", [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 1))]
)
def test_matrix_product(shapes):
    a, b = (np.random.default_rng(1).normal(size=s) for s in shapes)
    np.testing.assert_allclose(run(operator.matmul, a, b), a @ b)
    np.testing.assert_allclose(run(lambda b: a @ b, b), a @ b)


def test_dtypes():
    def spec(a, b):
        return (
            placeholder(ops.Spec((2,), a)) + (placeholder(ops.Spec((2,), b)) if isinstance(b, str) else b)
        ).spec.dtype

    assert spec("int32", "float16") == "float16" and spec("float16", "float32") == "float32"
    assert spec("int32", 1) == "int32" and spec("int32", 1.0) == "float32" and spec("float16", 1.0) == "float16"
    assert spec("bool", "int8") == "int8" and spec("uint8", "int8") == "int16"
    assert spec("float32", np.zeros(2)) == "float64" and spec("bfloat16", "int32") == "bfloat16"
    assert promote("bfloat16", "float16") == "float32" and promote("bfloat16", "float32") == "float32"
    assert (placeholder(ops.Spec((2,), "int32")) / 2).spec.dtype == "float32"
    assert (placeholder(ops.Spec((2,), "int32")) > 1.5).spec.dtype == "bool"


INDICES = [
    0, -1, slice(1, None), slice(None, None, -1), slice(3, 0, -2), slice(2, 2), None, Ellipsis, (Ellipsis, 1),
    (slice(None), None, 2),
    (1, Ellipsis, slice(0, 5, 3)), (0, 1, 2), (slice(None), slice(-2, None), 0, None),
    [0, 2], np.array([[0, 1], [2, -1]]), (slice(None), np.array([1, 0])), (np.array([0, 1]), np.array([1, 2])),
    (np.array([[0], [2]]), slice(None), np.array([1, -1])), (0, slice(None), np.array([1, 2])), (slice(1, 3), 0,
    np.array([1, 2])),
    (None, np.array([1, 0]), 2), (Ellipsis, np.array([4, 4]), None), np.array([True, False, True]), (np.array([1, 2]),
    Ellipsis, 0),
    np.int64(1), (slice(None), np.array(1)), slice(None, None, 2), range(2), (slice(None), slice(None, None, -2),
    np.array([0])),
]  # fmt: skip


@pytest.mark.parametrize("key", INDICES, ids=str)
def test_indexing_is_numpys(key):
    x = np.random.default_rng(2).normal(size=(3, 4, 5))
    np.testing.assert_array_equal(run(lambda t: t[key], x), x[key])
    check_gradient(lambda t: t[key], x)


def test_indexing_by_tensors():
    x, i, j = np.arange(12.0).reshape(3, 4), np.array([2, 0]), np.array([-1, 1])
    np.testing.assert_array_equal(run(lambda t, i: t[i], x, i), x[i])
    np.testing.assert_array_equal(run(lambda t, i, j: t[i, j], x, i, j), x[i, j])
    np.testing.assert_array_equal(run(lambda t, i: t[:, i[0]], x, i), x[:, 2])
    with pytest.raises(IndexError, match="A boolean mask whose values are not known yet"):
        run(lambda t: t[t > 0], x)
    with pytest.raises(IndexError, match=r"Index 3 is out of range for axis 0 of float64\[3,4\]"):
        run(lambda t: t[3], x)
    with pytest.raises(IndexError, match="Index 7 is out of range for an axis of extent 4"):
        run(lambda t: t[:, [1, 7]], x)
    with pytest.raises(IndexError, match="Too many indices"):
        run(lambda t: t[0, 0, 0], x)
    with pytest.raises(IndexError, match="must be an integer, a slice, None, Ellipsis or an integer array; came str"):
        run(lambda t: t["a"], x)


USES = [bool, float, int, complex, np.asarray, np.prod, np.all, np.std, lambda t: t.item(), lambda t: [1, 2][t]]


@pytest.mark.parametrize("use", [*USES, lambda t: 1 if t > 0 else 2])
def test_values_are_not_known_while_tracing(use):
    message = (
        r"symbolic tensor .* is not known while the model is being traced.*keras.ops in NumPy's place.*run_eagerly"
    )
    with pytest.raises(TypeError, match=message):
        use(placeholder(ops.Spec(())))


def test_length_iteration_and_identity():
    t = placeholder(ops.Spec((3, 2)))
    assert len(t) == 3 and [row.shape for row in t] == [(2,)] * 3
    assert isinstance(t == t, Tensor) and t in {t} and {t: 1}[t] == 1
    with pytest.raises(TypeError, match="A scalar tensor has no length"):
        len(placeholder(ops.Spec(())))
    with pytest.raises(TypeError):
        t + "a"


def test_methods():
    x = A.astype(np.float32)
    assert run(lambda t: t.reshape(3, 2), x).shape == (3, 2) and run(lambda t: t.reshape((-1,)), x).shape == (6,)
    assert run(lambda t: t.astype(np.int32), x).dtype == np.int32
    np.testing.assert_allclose(
        run(lambda t: t.sum(0) + t.mean(axis=0) + t.max(0) - t.min(0), x), x.sum(0) + x.mean(0) + x.max(0) - x.min(0)
    )
    np.testing.assert_allclose(  # NumPy's functions call the methods
        run(lambda t: np.sum(t, 0) + np.mean(t, axis=0) + np.max(t, 0) - np.min(t, 0, keepdims=True), x),
        x.sum(0) + x.mean(0) + x.max(0) - x.min(0, keepdims=True),
    )
    assert run(lambda t: np.sum(t, dtype="float64"), x).dtype == np.float64
    assert run(lambda t: (t > 0).sum(), x) == 5 and run(lambda t: t.flatten(), x).shape == (6,)
    assert run(lambda t: t.transpose(1, 0), x).shape == (3, 2)
