"""The elementary functions keep their stated ULP bounds on every target."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simplecell.engine.code.functions import FUNCTIONS, ULP_BOUNDS
from tests.engine.code.loops import call, compute
from tests.engine.harness import available_targets

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2, 0.5, 1e-45, -1e-45, 1.17549435e-38, 3.4028235e38,
-3.4028235e38, 88.72284, 88.7229,
           -87.33, -103.97, -103.98, -104.5, -150, -149, 128, 127.99999, np.pi, 1e22, -7e30, 0.99999994, 1.0000001,
           -0.99999994]  # fmt: skip


def samples() -> np.ndarray:
    """Values of every exponent, and densely those where something happens."""
    every = np.arange(0, 2**32, 100_003, dtype=np.uint64).astype(np.uint32).view(np.float32)
    ranges = [
        np.linspace(-1, 1, 8001),
        np.linspace(-110, 110, 12001),
        np.linspace(0.5, 2, 6001),
        np.linspace(-5, 5, 8001),
    ]
    return np.concatenate([every[~np.isnan(every)], *ranges, SPECIAL]).astype(np.float32)


def ulps(got: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Distance of float32 results from the float64 truth in units of the true result's last place; inf where the kind
    differs."""
    with np.errstate(all="ignore"):
        nearest = true.astype(np.float32)
        unit = np.spacing(np.abs(nearest)).astype(float)
        unit = np.where(np.isfinite(unit), unit, 2.0**104)
        error = np.abs(got.astype(float) - true) / unit
    same = (got == nearest) | (np.isnan(got) & np.isnan(nearest))
    return np.where(same & ~np.isfinite(nearest), 0.0, np.where(np.isnan(error), np.inf, error))


TRUTH = {
    "erf": np.vectorize(math.erf),
    "erfc": np.vectorize(math.erfc),
    "sigmoid": lambda x: np.where(x >= 0, 1, np.exp(-np.abs(x))) / (1 + np.exp(-np.abs(x))),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}


@pytest.mark.parametrize("target", available_targets())
@pytest.mark.parametrize("function", sorted(set(FUNCTIONS) - {"erfinv"}))
def test_bound(function: str, target: str) -> None:
    x = samples()
    with np.errstate(all="ignore"):
        true = TRUTH.get(function, getattr(np, function, None))(x.astype(float))
    (got,) = compute(call(function, "float32"), x, on=target)
    error = ulps(got, true)
    worst = int(np.argmax(error))
    assert error[worst] <= ULP_BOUNDS[function], (
        f"{function}({x[worst]!r}) gave {got[worst]!r}, {error[worst]} ULP from {true[worst]!r}"
    )
    assert np.array_equal(np.signbit(got)[~np.isnan(got)], np.signbit(true)[~np.isnan(got)])


@pytest.mark.parametrize("target", available_targets())
def test_erfinv(target: str) -> None:
    """erf of the result, in float64, is the argument up to one ULP of the result times erf's slope there."""
    x = np.concatenate([np.linspace(-1, 1, 4001), 1 - 2.0 ** -np.arange(1, 25), 10.0 ** -np.arange(1, 30)]).astype(
        np.float32
    )
    (got,) = compute(call("erfinv", "float32"), x, on=target)
    assert got[0] == -np.inf and got[4000] == np.inf
    inside = np.abs(x) < 1
    y, x = got[inside].astype(float), x[inside].astype(float)
    residual = np.where(
        np.abs(x) < 0.5,
        np.vectorize(math.erf)(y) - x,
        np.sign(x) * ((1 - np.abs(x)) - np.vectorize(math.erfc)(np.abs(y))),
    )
    slope = 2 / math.sqrt(math.pi) * np.exp(-y * y)
    assert np.all(np.abs(residual) <= slope * np.spacing(np.abs(got[inside])))
    (outside,) = compute(call("erfinv", "float32"), np.array([1.5, -2, np.nan, 0.0, -0.0], np.float32), on=target)
    assert np.isnan(outside[:3]).all() and (outside[3:] == 0).all() and np.signbit(outside[4])


def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    special = np.array(
        [0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e-40, 1e38, -1e38, 7.5, 16777217, 1e9],
        np.float32,
    )
    a, b = (m.ravel() for m in np.meshgrid(special, special))
    wide = rng.standard_normal((2, 4000)) * 10.0 ** rng.uniform(-38, 38, (2, 4000))
    near = rng.uniform(-30, 30, (2, 8000))
    return tuple(np.concatenate([s, w, n]).astype(np.float32) for s, w, n in zip((a, b), wide, near))  # type: ignore[return-value]


@pytest.mark.parametrize("target", available_targets())
@pytest.mark.parametrize("function", ["power", "arctan2"])
def test_two_operands(function: str, target: str) -> None:
    a, b = pairs()
    with np.errstate(all="ignore"):
        true = getattr(np, function)(a.astype(float), b.astype(float))
    (got,) = compute(call(function, "float32", "float32"), a, b, on=target)
    error = ulps(got, true)
    worst = int(np.argmax(error))
    assert error[worst] <= 1, f"{function}({a[worst]!r}, {b[worst]!r}) gave {got[worst]!r}, true {true[worst]!r}"
    known = ~np.isnan(got)
    assert np.array_equal(np.signbit(got)[known], np.signbit(true)[known])


@pytest.mark.parametrize("target", available_targets())
@pytest.mark.parametrize("function", ["remainder", "floor_divide"])
def test_division_with_remainder(function: str, target: str) -> None:
    """remainder has the very bits of NumPy's; floor_divide is that of float64, rounded (NumPy's own float32 is off by
    one at times)."""
    a, b = pairs()
    with np.errstate(all="ignore"):
        want = np.remainder(a, b) if function == "remainder" else np.floor_divide(a.astype(float), b.astype(float))
        (got,) = compute(call(function, "float32", "float32"), a, b, on=target)
        exact = np.abs(want) < 2**24
        assert np.array_equal(got[exact], want[exact])
        assert np.all(ulps(got, want.astype(float)) <= 1)
