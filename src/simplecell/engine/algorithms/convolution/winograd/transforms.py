"""The linear transforms of Winograd's (Toom and Cook's) convolution, in one dimension, as arithmetic on values in
registers.

F(m, r) computes m outputs of a filter with r taps by n = m + r - 1 multiplications: filter and input, as polynomials,
are evaluated at n points, multiplied there, and the result is interpolated. In two dimensions the transforms apply to
columns, then to rows. (Winograd, *Arithmetic complexity of computations*, 1980; Lavin and Gray, *Fast algorithms for
convolutional neural networks*, 2016.)

The points are 0, infinity and pairs ±p. A pair shares its work: with E the even and O the odd part, the values at ±p
are E ± p·O.

The usual points 0, ±1, ±2 make F(4,3) inexact to 5.6e-6 of the largest output (64 channels, positive inputs); with 0,
±5/8, ±3/2 it is 1.2e-6, as little as summing directly, found by trying all pairs of eighths. Their powers are exact in
float32. For F(6,3) the best triple found, 5/8, 1, 7/4, gives 7.2e-6 where 1/2, 1, 2 gives 1.1e-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from simplecell.engine.code.emit import Emitter, Value

PAIRS = {4: ("1",), 6: ("5/8", "3/2"), 8: ("5/8", "1", "7/4")}
"""By n: the points p of the pairs ±p."""

ERRORS = {(2, 3): 2e-6, (4, 3): 1e-5, (6, 3): 3e-5, (2, 5): 1e-5, (4, 5): 3e-5, (2, 7): 3e-5}
"""By outputs and taps: the largest error of a convolution in two dimensions, as a share of its largest output."""


@dataclass(frozen=True)
class Transform:
    """F(outputs, taps). Example: `Transform(4, 3).points` is 6: six multiplications for four outputs, where direct sums
    take twelve."""

    outputs: int
    taps: int = 3

    def __post_init__(self) -> None:
        if self.points not in PAIRS:
            raise ValueError(
                f"Transform: outputs + taps - 1 must be among {sorted(PAIRS)}, got {self.outputs} + {self.taps} - 1."
            )

    @property
    def points(self) -> int:
        """n: inputs of a tile, and multiplications."""
        return self.outputs + self.taps - 1

    @property
    def error(self) -> float:
        return ERRORS[self.outputs, self.taps]

    @property
    def pairs(self) -> tuple[Fraction, ...]:
        return tuple(Fraction(p) for p in PAIRS[self.points])

    def __str__(self) -> str:
        return f"{self.outputs}{self.taps}"

    # --- as matrices -------------------------------------------------------------------------------------------------

    def weights_matrix(self) -> np.ndarray:
        """G, (points, taps): row 0 for the point 0, then +p and -p of each pair, infinity last."""
        rows = [[1 / _product(-p * p for p in self.pairs), *[Fraction(0)] * (self.taps - 1)]]
        for p in self.pairs:
            scale = 2 * p * p * _product(p * p - q * q for q in self.pairs if q != p)
            rows += [[s**k / scale for k in range(self.taps)] for s in (p, -p)]
        rows.append([*[Fraction(0)] * (self.taps - 1), Fraction(1)])
        return np.array([[float(x) for x in row] for row in rows])

    # --- as code -----------------------------------------------------------------------------------------------------

    def src(self, e: Emitter, d: Sequence[Value]) -> list[Value]:
        """Bᵀ·d: the input's `points` values at the points."""
        even, odd = d[0::2], d[1::2]
        full = _coefficients(self.pairs)
        out = [_dot(e, full, even)]
        for p in self.pairs:
            rest = _coefficients([q for q in self.pairs if q != p])
            e_part, o_part = _dot(e, rest, even[1:]), _dot(e, rest, odd)
            out += [_times(e, p, o_part, e_part), _times(e, -p, o_part, e_part)]
        out.append(_dot(e, full, odd))
        return out

    def dst(self, e: Emitter, v: Sequence[Value]) -> list[Value]:
        """Aᵀ·v: `outputs` outputs from the products at the points."""
        plus = [e.fadd(v[1 + 2 * i], v[2 + 2 * i]) for i in range(len(self.pairs))]
        minus = [e.fsub(v[1 + 2 * i], v[2 + 2 * i]) for i in range(len(self.pairs))]
        out = []
        for k in range(self.outputs):
            y = v[0] if k == 0 else v[-1] if k == self.outputs - 1 else None
            for p, value in zip(self.pairs, minus if k % 2 else plus):
                y = _times(e, p**k, value, y)
            out.append(y)
        return out


def _product(factors: object) -> Fraction:
    result = Fraction(1)
    for f in factors:  # type: ignore[attr-defined]
        result *= f
    return result


def _coefficients(pairs: Sequence[Fraction]) -> list[Fraction]:
    """Of Π (y - p²), lowest power first; the last is 1."""
    coefficients = [Fraction(1)]
    for p in pairs:
        shifted = [Fraction(0), *coefficients]
        coefficients = [s - p * p * c for s, c in zip(shifted, [*coefficients, Fraction(0)])]
    return coefficients


def _dot(e: Emitter, coefficients: Sequence[Fraction], values: Sequence[Value]) -> Value:
    """Σ coefficients · values, where the last coefficient is 1."""
    total = values[len(coefficients) - 1]
    for c, v in zip(coefficients[:-1], values):
        total = _times(e, c, v, total)
    return total


def _times(e: Emitter, c: Fraction, value: Value, plus: Value | None) -> Value:
    """c · value + plus"""
    if plus is None:
        return value if c == 1 else e.fmul(value, e.number(float(c)))
    if abs(c) == 1:
        return e.fadd(plus, value) if c == 1 else e.fsub(plus, value)
    return e.fma(value, e.number(float(c)), plus)
