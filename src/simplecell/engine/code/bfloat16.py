"""float32 values as sums of bfloat16 ones, for matrix units that multiply bfloat16 and sum in float32.

A bfloat16 has the exponent of a float32 and 8 of its 24 bits of precision. So x = x₁ + x₂ + …, each part the rounded
remainder of those before: |x₂| ≤ 2⁻⁸ |x|, two parts leave at most 2⁻¹⁷ |x|, three parts nothing that matters (2⁻²⁶
|x|). The product of two numbers is the sum of the products of their parts,
each of them exact in float32; the smallest are not computed:

    2 parts: x₁y₁ + x₁y₂ + x₂y₁                             error ≤ 2⁻¹⁵ |x y|: of x₂y₂, and of what two parts leave
    3 parts: the above + x₂y₂ + x₁y₃ + x₃y₁                 error ≤ 2⁻²³ |x y|: of x₂y₃ and x₃y₂, and of what three
    parts leave

These bounds are met where all products err alike; in sums of products of random numbers, two parts err by some 5·10⁻⁶
of the largest sum, three parts by less than the sums' own rounding.
(Henry, Tang and Heinecke, *Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations*,
2019.) Values below 2⁻¹²⁶ count as zero, those above 3.39e38 as infinite. The remainder of an infinity is NaN, and so is
what becomes of it; unless it is split with `finite=False`: then it is the last part, whose only product is the one with
the other factor's first part, and the others are zero.
"""

from __future__ import annotations

import llvmlite.ir as ir

from simplecell.engine.code.emit import F32, I16, I32, Emitter, Value

PRODUCTS = {
    2: ((1, 0), (0, 0), (0, 1)),
    3: ((2, 0), (1, 0), (0, 0), (0, 1), (1, 1), (0, 2)),
}
"""By number of parts: (part of x, part of y) of the products that are summed, such that neighbours share one of
them."""

ERROR = {2: 2.0**-15, 3: 2.0**-23}
"""By number of parts: largest error of a product, as a share of it."""


class _BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite does not name."""

    intrinsic_name = "bf16"

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


def split(e: Emitter, low: Value, high: Value, parts: int, finite: bool = True) -> tuple[list[Value], Value]:
    """Two vectors of 16 float32 values as `parts` vectors of 16 pairs: each a 32-bit word with a part of `low` in its
    lower half and of `high` in its upper half; and a vector of conditions, whether the values of a pair were not
    finite. `finite`: they are."""
    b, pairs, halves = e.b, ir.VectorType(I32, 16), ir.VectorType(I16, 32)
    floats = ir.VectorType(F32, 16)
    convert = e.intrinsic("llvm.x86.avx512bf16.cvtne2ps2bf16.512", ir.VectorType(_BFloat(), 32), [floats, floats])
    interleave = ir.Constant(ir.VectorType(I32, 32), [i // 2 + 16 * (i % 2) for i in range(32)])
    out: list[Value] = []
    for part in range(parts):
        last = part + 1 == parts
        rounded = b.call(convert, [x if finite or last else _if_finite(e, x) for x in (high, low)])
        rounded = b.bitcast(rounded, halves)  # the second operand fills the lower half
        words = b.bitcast(b.shuffle_vector(rounded, ir.Constant(halves, ir.Undefined), interleave), pairs)
        out.append(words)
        if not last:
            low = e.fsub(low, b.bitcast(b.shl(words, ir.Constant(pairs, [16] * 16)), floats))
            high = e.fsub(high, b.bitcast(b.and_(words, ir.Constant(pairs, [0xFFFF0000] * 16)), floats))
    return out, b.fcmp_unordered("uno", low, high)


def _if_finite(e: Emitter, value: Value) -> Value:
    """The value, or zero where it is NaN or would be rounded to an infinity."""
    b, words = e.b, ir.VectorType(I32, 16)
    bits = b.and_(b.bitcast(value, words), ir.Constant(words, [0x7FFFFFFF] * 16))
    return b.select(
        b.icmp_unsigned("<", bits, ir.Constant(words, [0x7F7F8000] * 16)), value, ir.Constant(value.type, None)
    )
