import math

import numpy as np
import pytest

from simplecell import ops
from simplecell.ops.elementwise import BINARY_FUNCTIONS, UNARY_FUNCTIONS, Binary, Unary
from tests.ops.differences import check_gradient, run

POSITIVE = ("log", "log2", "log10", "sqrt", "rsqrt")
INSIDE_ONE = ("arcsin", "arccos", "arctanh", "erfinv")


def domain(function: str, rng: np.random.Generator, size: int = 37) -> np.ndarray:
    if function in POSITIVE:
        return rng.uniform(0.2, 3, size)
    if function in INSIDE_ONE:
        return rng.uniform(-0.9, 0.9, size)
    if function == "arccosh":
        return rng.uniform(1.2, 4, size)
    if function == "log1p":
        return rng.uniform(-0.8, 3, size)
    return rng.choice([-1, 1], size) * rng.uniform(0.15, 1.4, size)


SCALAR = {
    "absolute": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "relu": lambda x: max(x, 0.0),
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "exp2": lambda x: 2.0**x,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "negative": lambda x: -x,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "arcsinh": math.asinh,
    "arccosh": math.acosh,
    "arctanh": math.atanh,
    "round": round,
    "logical_not": lambda x: not x,
}


@pytest.mark.parametrize("function", [f for f in UNARY_FUNCTIONS if f not in ("bitwise_not", "erfinv")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unary_is_pythons_function(function, dtype):
    x = domain(function, np.random.default_rng(1)).astype(dtype)
    y = ops.unary(function, x)
    want = np.array([(SCALAR.get(function) or getattr(math, function))(float(e)) for e in x])
    assert y.dtype == (bool if function in ("isnan", "isinf", "isfinite", "logical_not") else dtype)
    # NumPy's float32 functions are within a few units in the last place, and 1/sqrt and the sigmoid combine up to three
    # of them
    np.testing.assert_allclose(y, want, rtol=8 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


def test_erfinv_undoes_erf_to_the_last_digits():
    x = np.concatenate([np.linspace(-5, 5, 101), [1e-300, 1e-8]])
    slope = 2 / math.sqrt(math.pi) * np.exp(-x * x)
    y = ops.erf(x)
    inner = np.abs(y) < 1
    # erf's own rounding, half a unit of y, moves the answer by that much over the slope
    np.testing.assert_array_less(
        np.abs(ops.erfinv(y) - x)[inner], (2e-16 * (1 + np.abs(y)) / slope + 4e-16 * np.abs(x))[inner]
    )
    np.testing.assert_array_equal(ops.erfinv(np.array([1.0, -1.0, 0.0])), [np.inf, -np.inf, 0])
    assert np.isnan(ops.erfinv(np.array([1.5]))).all()


@pytest.mark.parametrize("function", UNARY_FUNCTIONS)
def test_unary_gradient(function):
    if function in ("bitwise_not", "isnan", "isinf", "isfinite", "logical_not"):
        return
    check_gradient(lambda x: ops.unary(function, x), domain(function, np.random.default_rng(2)))


def test_sigmoid_and_softplus_do_not_overflow():
    x = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    np.testing.assert_array_equal(
        ops.sigmoid(x), np.array([0, 0, 0.5, 1, 1], np.float32) + np.array([0, np.exp(np.float32(-100)), 0, 0, 0])
    )
    np.testing.assert_allclose(ops.softplus(x), [0, np.exp(-100), math.log(2), 100, 1e4], rtol=1e-6, atol=1e-44)


SHAPES = [((3, 1, 5), (4, 1)), ((), (7,)), ((2, 3), (2, 3)), ((1,), ()), ((0, 3), (1, 3))]


@pytest.mark.parametrize("function", BINARY_FUNCTIONS)
@pytest.mark.parametrize("shapes", SHAPES)
def test_binary_broadcasts_as_numpy(function, shapes):
    rng = np.random.default_rng(3)
    a, b = (rng.integers(1, 5, s).astype(np.int32) for s in shapes)
    if function in ("divide", "arctan2"):
        a, b = a.astype(np.float32), b.astype(np.float32)
    want = getattr(np, function)(a, b)
    got = ops.binary(function, a, b)
    assert Binary(function).output_spec(ops.spec_of(a), ops.spec_of(b)) == ops.Spec(want.shape, want.dtype.name)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "function", ["add", "subtract", "multiply", "divide", "remainder", "power", "maximum", "minimum", "arctan2"]
)
@pytest.mark.parametrize("shapes", SHAPES[:4])
def test_binary_gradient(function, shapes):
    rng = np.random.default_rng(4)
    a, b = (rng.uniform(0.5, 2.5, s) for s in shapes)
    check_gradient(lambda a, b: ops.binary(function, a, b), a, b)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.5, -1, -2.5])
def test_power_gradient_by_a_constant(exponent):
    check_gradient(lambda x: ops.power(x, exponent), np.random.default_rng(5).uniform(0.5, 2, 9))


def test_power_gradient_at_zero_is_finite():
    for exponent, slope in ((1, 1), (2, 0), (3, 0), (0, 0)):
        assert run(lambda x, p=exponent: grad(ops.power(x, p), x), np.zeros(3)).tolist() == [slope] * 3


def grad(y, x):
    from simplecell.graph.gradients import gradients

    return gradients(ops.sum(y), [x])[0]


def test_ties_share_and_relu_is_flat_at_zero():
    x = np.array([-1.0, 0.0, 2.0])
    assert run(lambda a, b: grad(ops.maximum(a, b), a), x, np.zeros(3)).tolist() == [0, 0.5, 1]
    assert run(lambda a, b: grad(ops.minimum(a, b), a), x, np.zeros(3)).tolist() == [1, 0.5, 0]
    assert run(lambda a: grad(ops.relu(a), a), x).tolist() == [0, 0, 1]


def test_select_cast_and_stop():
    rng = np.random.default_rng(6)
    condition, a, b = rng.random((3, 4)) > 0.5, rng.normal(size=(4,)), rng.normal(size=(3, 1))
    np.testing.assert_array_equal(ops.select(condition, a, b), np.where(condition, a, b))
    check_gradient(ops.select, condition, a, b)
    check_gradient(lambda x: ops.stop_gradient(x) * x * 0 + x * 3, a)
    assert run(lambda x: grad(ops.stop_gradient(x) * x, x), a).tolist() == a.tolist()
    assert ops.cast(a, "bfloat16").dtype.name == "bfloat16"
    assert run(lambda x: grad(ops.cast(x, "float32"), x), a).tolist() == [1] * 4
    assert run(lambda x: grad(ops.cast(ops.cast(x, "int32"), "float64"), x), a).tolist() == [0] * 4


def test_numbers_take_the_other_dtype():
    x = np.arange(3, dtype=np.int16)
    assert ops.add(x, 1).dtype == np.int16 and ops.subtract(1, x).tolist() == [1, 0, -1]
    assert ops.multiply(np.float32(2), 0.5).dtype == np.float32


def test_errors():
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(
        ValueError, match=r"`add` needs operands of one dtype; came float32, float64. Convert with `cast` first."
    ):
        ops.add(x, np.zeros(3))
    with pytest.raises(
        ValueError, match=r"`add` needs shapes that broadcast.*Came \(2, 3\), \(2,\), which differ in axis -1"
    ):
        ops.add(x, np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="`exp` needs a floating dtype; came int64"):
        ops.exp(np.arange(3))
    with pytest.raises(ValueError, match="`condition` of `select` must be bool; came float32"):
        ops.select(x, x, x)
    with pytest.raises(ValueError, match="`function` must be one of .*; came 'cosecant'"):
        Unary("cosecant")
    with pytest.raises(ValueError, match="`bitwise_and` needs an integer or bool dtype"):
        ops.bitwise_and(x, x)
