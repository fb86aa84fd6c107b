"""Instructions on every dtype against NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from simplecell.engine.code.elementwise import ALL, FLOATS, INTEGERS, supports
from simplecell.engine.code.expression import Expression, Instruction
from simplecell.engine.code.functions import FUNCTIONS
from simplecell.ops.elementwise import BINARY_FUNCTIONS, UNARY_FUNCTIONS, Binary, Unary
from tests.engine.code.loops import compute
from tests.engine.harness import available_targets

PREDICATES = ("isnan", "isinf", "isfinite", "logical_not")
COMPARISONS = (
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
)
TRANSCENDENTAL = {*FUNCTIONS, "power", "arctan2", "remainder", "floor_divide"}


def values(dtype: str, seed: int) -> np.ndarray:
    """Edges of the type, zeros, and random values: the same length for every dtype."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, 67).astype(bool)
    if dtype in FLOATS:
        edges = np.array(
            [0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 1e-40, 8388609, -4194304.5, 3e9], dtype
        )
        x = np.concatenate([edges, (rng.standard_normal(51) * 100).astype(dtype)])
    else:
        info = np.iinfo(dtype)
        edges = np.array([info.min, info.max, 0, 1, 2, 3, info.max - 1, info.min + 1, 7], dtype)
        x = np.concatenate([edges, rng.integers(info.min, info.max, 58, dtype)])
    return rng.permutation(x)


def result_dtype(function: str, dtype: str) -> str:
    return "bool" if function in (*PREDICATES, *COMPARISONS) else dtype


def all_calls(functions: list[str], dtype: str, operands: int) -> Expression:
    """One expression with an output per function: one kernel tests them all."""
    instructions = tuple(Instruction(f, tuple(range(operands)), result_dtype(f, dtype)) for f in functions)
    return Expression((dtype,) * operands, instructions, tuple(range(operands, operands + len(functions))))


@pytest.mark.parametrize("target", available_targets())
@pytest.mark.parametrize("dtype", ALL)
def test_unary(dtype: str, target: str) -> None:
    functions = [f for f in UNARY_FUNCTIONS if f not in TRANSCENDENTAL and supports(f, (dtype, result_dtype(f, dtype)))]
    x = values(dtype, 1)
    for f, got in zip(functions, compute(all_calls(functions, dtype, 1), x, on=target)):
        want = Unary(f).reference(x)
        assert got.dtype == want.dtype and np.array_equal(got, want, equal_nan=dtype in FLOATS), f


@pytest.mark.parametrize("target", available_targets())
@pytest.mark.parametrize("dtype", ALL)
def test_binary(dtype: str, target: str) -> None:
    functions = [
        f for f in BINARY_FUNCTIONS if f not in TRANSCENDENTAL and supports(f, (dtype, dtype, result_dtype(f, dtype)))
    ]
    a, b = values(dtype, 2), values(dtype, 3)
    b[:20] = a[:20]
    for f, got in zip(functions, compute(all_calls(functions, dtype, 2), a, b, on=target)):
        want = Binary(f).reference(a, b)
        assert got.dtype == want.dtype and np.array_equal(got, want, equal_nan=dtype in FLOATS), f


@pytest.mark.parametrize("target", available_targets())
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_division(dtype: str, target: str) -> None:
    """By zero, and the smallest integer by -1, included."""
    a, b = (m.ravel() for m in np.meshgrid(values(dtype, 4)[:33], values(dtype, 5)[:33]))
    functions = ["floor_divide", "remainder"]
    for f, got in zip(functions, compute(all_calls(functions, dtype, 2), a, b, on=target)):
        assert np.array_equal(got, Binary(f).reference(a, b)), f


@pytest.mark.parametrize("target", available_targets())
@pytest.mark.parametrize("source", ALL)
def test_cast(source: str, target: str) -> None:
    x = values(source, 6)
    instructions = tuple(Instruction("cast", (0,), d) for d in ALL)
    results = compute(Expression((source,), instructions, tuple(range(1, len(ALL) + 1))), x, on=target)
    for dtype, got in zip(ALL, results):
        with np.errstate(all="ignore"):
            if source in FLOATS and dtype in INTEGERS:  # saturating, NaN to 0: NumPy leaves it open
                info = np.iinfo(dtype)
                want = np.array(
                    [
                        0 if np.isnan(v) else max(info.min, min(info.max, int(np.clip(v, -(2.0**65), 2.0**65))))
                        for v in x
                    ],
                    dtype,
                )
            else:
                want = x.astype(dtype)
        assert np.array_equal(got, want, equal_nan=dtype in FLOATS), dtype


def test_constants_select_and_powers() -> None:
    """relu(x)·3 where x < 2 else x**2, x**0.5, x**-1, x**1.7: constants fold into the instructions."""
    i = [
        Instruction("constant", (), "float32", 2.0),
        Instruction("less", (0, 1), "bool"),
        Instruction("relu", (0,), "float32"),
        Instruction("constant", (), "float32", 3),
        Instruction("multiply", (3, 4), "float32"),
        Instruction("power", (0, 1), "float32"),
        Instruction("select", (2, 5, 6), "float32"),
        Instruction("constant", (), "float32", 0.5),
        Instruction("power", (0, 8), "float32"),
        Instruction("constant", (), "float32", -1),
        Instruction("power", (0, 10), "float32"),
        Instruction("constant", (), "float32", 1.7),
        Instruction("power", (0, 12), "float32"),
    ]
    x = values("float32", 8)
    got = compute(Expression(("float32",), tuple(i), (7, 9, 11, 13)), x)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        want = [
            np.where(x < 2, np.maximum(x, 0) * np.float32(3), x**2),
            np.sqrt(np.where(x == -np.inf, np.inf, x)),
            1 / x,
            np.power(x, np.float32(1.7)),
        ]
    for g, w in zip(got[:3], want[:3]):
        assert np.array_equal(g, w, equal_nan=True)
    np.testing.assert_allclose(got[3], want[3], rtol=3e-7)


def test_what_is_not_supported() -> None:
    assert not supports("exp", ("float64", "float64"))
    assert not supports("add", ("complex64", "complex64", "complex64"))
    assert not supports("power", ("int32", "int32", "int32"))
    assert supports("cast", ("uint8", "float32"))
