"""AMX: eight registers that are tiles of 16 rows of 64 bytes, and one instruction that multiplies them.

    C[m, n] += Σ over k < 32 of  A[m, k] · B[k, n]          m, n < 16; A, B bfloat16, C float32

A row of A holds 32 values; a row of B holds pairs: (B[2j, n], B[2j + 1, n]) for n < 16. Which k is which does not
matter as long as both agree. Each instruction is 16384 multiplications and additions, and one can begin every 16
cycles. A 2 × 2 block of C takes 4 registers, and leaves 4 for 2 tiles of A and 2 of B, so that each load is used twice.
Measured on one core with a peak of 214 GFLOP/s of vector instructions: 2940 GFLOP/s of bfloat16, and as much with all
tiles loaded from L2.

(Intel 64 and IA-32 Architectures Software Developer's Manual, TDPBF16PS.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import llvmlite.ir as ir

from simplecell.engine.code.emit import I8, I64, PTR, VOID, Emitter, Index, Value

ROWS = 16
"""of a tile"""
COLUMNS = 16
"""float32 values, or pairs, in a row"""
DEPTH = 32
"""bfloat16 values in a row"""
TILE = 1024
"""bytes"""


class MatrixUnit:
    """Instructions on tile registers 0 … 7."""

    def __init__(self, e: Emitter) -> None:
        self.e = e

    def _call(self, name: str, kinds: list[ir.Type], values: list[Value]) -> None:
        self.e.b.call(self.e.intrinsic(f"llvm.x86.{name}", VOID, kinds), values)

    @contextmanager
    def configured(self, rows: Index) -> Iterator[None]:
        """Inside, tiles 0 to 5 have `rows` rows (fewer rows take less time: 14 take 92%, 7 take 61% of 16's), 6 and 7
        have 16. Afterwards the unit is as new, and costs nothing when threads are switched."""
        e = self.e
        at = e.stack(64, I8)
        # palette 1; for each tile the bytes of a row (16 bits, from byte 16 on), then the rows (8 bits, from byte 48
        # on)
        rows_of = rows * 0x0101_0101_0101 + (ROWS << 48 | ROWS << 56)
        for i, word in enumerate((1, 0, *[0x0040_0040_0040_0040] * 2, 0, 0, rows_of, 0)):
            e.b.store(word.ir if isinstance(word, Index) else ir.Constant(I64, word), e.at(at, i, I64))
        self._call("ldtilecfg", [PTR], [at])
        yield
        self._call("tilerelease", [], [])

    def zero(self, tile: int) -> None:
        self._call("tilezero", [I8], [I8(tile)])

    def load(self, tile: int, address: Value, stride: Index | int) -> None:
        """`stride`: bytes from one row to the next."""
        self._call("tileloadd64", [I8, PTR, I64], [I8(tile), address, self._index(stride)])

    def store(self, tile: int, address: Value, stride: Index | int) -> None:
        self._call("tilestored64", [I8, PTR, I64], [I8(tile), address, self._index(stride)])

    def multiply(self, c: int, a: int, b: int) -> None:
        """C += A · B"""
        self._call("tdpbf16ps", [I8, I8, I8], [I8(c), I8(a), I8(b)])

    def _index(self, value: Index | int) -> Value:
        return (value if isinstance(value, Index) else self.e.const(value)).ir
