"""The discrete Fourier transform of columns: every lane of a vector, every column of an array, is a transform of its
own.

`size` is a product of radices. Forward, decimation in frequency: each pass splits every run of rows into `radix`
shorter ones, and leaves the frequencies in an order of reversed digits (`frequencies`). Inverse, the same passes turned
round take that order back to rows in theirs. Between the two, convolution multiplies frequency by frequency, whatever
their order, so that no pass is spent on sorting. (Cooley and Tukey, *An algorithm for the machine calculation of
complex Fourier series*, 1965; Gentleman and Sande, 1966.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from simplecell.engine.code.emit import Emitter, Index, Value

Complex = tuple[Value, Value]


@dataclass(frozen=True)
class Pass:
    """Splits runs of `length` rows into `radix` runs each; its twiddle factors begin at `offset` (in values) in the
    table."""

    length: int
    radix: int
    offset: int

    @property
    def rows(self) -> int:
        """of a run after the pass"""
        return self.length // self.radix


def passes(radices: Sequence[int]) -> list[Pass]:
    """In the order of the forward transform. The last leaves runs of one row, and has no factors."""
    found, length, offset = [], prod(radices), 0
    for radix in radices:
        found.append(Pass(length, radix, offset))
        length //= radix
        offset += length * (radix - 1) * 2
    return found


def twiddles(radices: Sequence[int]) -> np.ndarray:
    """The factors exp(-2πi·j·p / length) of all passes but the last, `[j][p - 1][real, imaginary]` each."""
    tables = [np.zeros(0, np.float32)]
    for p in passes(radices)[:-1]:
        turns = np.outer(np.arange(p.rows), np.arange(1, p.radix)) / p.length
        tables.append(np.stack([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)], -1).astype(np.float32).ravel())
    return np.concatenate(tables)


def frequencies(radices: Sequence[int]) -> np.ndarray:
    """Which frequency each row holds after the forward transform."""
    found, weight = np.zeros(1, np.int64), 1
    for radix in radices:
        found = (found[:, None] + weight * np.arange(radix)).ravel()
        weight *= radix
    return found


def roots_and_order(radices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """What the weights' transform takes: exp(2πi·k / size) / size as `[k][real, imaginary]` in float64, and
    `frequencies`."""
    size = prod(radices)
    turns = 2 * np.pi * np.arange(size) / size
    return np.stack([np.cos(turns), np.sin(turns)], -1) / size, frequencies(radices)


def transform(e: Emitter, z: Sequence[Complex], sign: int) -> list[Complex]:
    """Σ over q of z[q]·exp(sign·2πi·p·q / n) for p < n = len(z), a power of two, in registers."""
    n = len(z)
    if n == 1:
        return list(z)
    even, odd = transform(e, z[0::2], sign), transform(e, z[1::2], sign)
    pairs = [_plus_and_minus(e, even[k], odd[k], k, n, sign) for k in range(n // 2)]
    return [plus for plus, _ in pairs] + [minus for _, minus in pairs]


def _plus_and_minus(e: Emitter, a: Complex, b: Complex, k: int, n: int, sign: int) -> tuple[Complex, Complex]:
    """a ± b·exp(sign·2πi·k / n), for k < n / 2."""
    (ar, ai), (br, bi) = a, b
    if k == 0:
        return (e.fadd(ar, br), e.fadd(ai, bi)), (e.fsub(ar, br), e.fsub(ai, bi))
    if 4 * k == n:  # ±i·b
        up, down = (e.fsub(ar, bi), e.fadd(ai, br)), (e.fadd(ar, bi), e.fsub(ai, br))
        return (up, down) if sign > 0 else (down, up)
    c, s = float(np.cos(2 * np.pi * k / n)), sign * float(np.sin(2 * np.pi * k / n))
    if 8 * k in (n, 3 * n):  # one factor for both parts
        real, imaginary = (e.fsub(br, bi), e.fadd(bi, br)) if c * s > 0 else (e.fadd(br, bi), e.fsub(bi, br))
        return (
            (e.fma(real, e.number(c), ar), e.fma(imaginary, e.number(c), ai)),
            (e.fma(real, e.number(-c), ar), e.fma(imaginary, e.number(-c), ai)),
        )
    return (
        (e.fma(bi, e.number(-s), e.fma(br, e.number(c), ar)), e.fma(br, e.number(s), e.fma(bi, e.number(c), ai))),
        (e.fma(bi, e.number(s), e.fma(br, e.number(-c), ar)), e.fma(br, e.number(-s), e.fma(bi, e.number(-c), ai))),
    )


def times(e: Emitter, z: Complex, w: Complex, sign: int) -> Complex:
    """z·w, or z times w's conjugate where `sign` is positive (w is given for a negative one)."""
    (zr, zi), (wr, wi) = z, w
    if sign > 0:
        wi = e.b.fneg(wi)
    return e.fma(zi, e.b.fneg(wi), e.fmul(zr, wr)), e.fma(zr, wi, e.fmul(zi, wr))


class ColumnTransforms:
    """Transforms of vectors of columns in memory: rows lie `row` values apart, imaginary parts `pitch` after real
    ones."""

    def __init__(self, e: Emitter, radices: Sequence[int], factors: Value, row: Index, pitch: Index) -> None:
        self.e, self.factors, self.row, self.pitch = e, factors, row, pitch
        self.size, self.passes = prod(radices), passes(radices)

    def forward(self, column: Value) -> None:
        """All passes but the last, in place."""
        for p in self.passes[:-1]:
            self._pass(column, p, -1)

    def back(self, column: Value) -> None:
        """All passes of the inverse but the first, in place."""
        for p in self.passes[-2::-1]:
            self._pass(column, p, 1)

    def across(self, source: Value, target: Value, sign: int) -> None:
        """The pass between them, the one without factors, on one run of rows; the rows of both lie alike."""
        e = self.e
        z = transform(e, [self._load(e.at(source, self.row * q)) for q in range(self.passes[-1].radix)], sign)
        for q, value in enumerate(z):
            self._keep(value, e.at(target, self.row * q))

    def _pass(self, column: Value, p: Pass, sign: int) -> None:
        e = self.e
        factors = e.at(self.factors, p.offset)
        with e.loop(self.size // p.length, name="run", at_least_once=True) as run:
            start = e.at(column, run.index * p.length * self.row)
            with e.loop(p.rows, carry=[start, factors], name="butterfly", at_least_once=True) as j:
                at, w = j.values
                self._butterfly(at, p, w, sign)
                j.carry([e.at(at, self.row), e.at(w, 2 * (p.radix - 1))])

    def _butterfly(self, at: Value, p: Pass, factors: Value, sign: int) -> None:
        e = self.e
        rows = [e.at(at, self.row * (p.rows * q)) for q in range(p.radix)]
        z = [self._load(row) for row in rows]
        w = [(e.broadcast(factors, 2 * q), e.broadcast(factors, 2 * q + 1)) for q in range(p.radix - 1)]
        if sign > 0:
            z = [z[0], *(times(e, *zw, sign) for zw in zip(z[1:], w))]
        z = transform(e, z, sign)
        if sign < 0:
            z = [z[0], *(times(e, *zw, sign) for zw in zip(z[1:], w))]
        for row, value in zip(rows, z):
            self._keep(value, row)

    def _load(self, row: Value) -> Complex:
        return self.e.load(row), self.e.load(row, self.pitch)

    def _keep(self, z: Complex, row: Value) -> None:
        self.e.store(z[0], row)
        self.e.store(z[1], row, self.pitch)
