"""Where a transform would lose small outputs beside large inputs: which patches those are.

A patch is the part of a picture or signal that one transform takes. Winograd's and Fourier's transforms mix all its
inputs, and what they add must cancel again in the outputs that do not see it. It cancels but for rounding: an input of
1e6 among ones leaves some 1e-6 · 1e6 everywhere in its patch, and a NaN or an infinity leaves nothing else. So each
patch's inputs are looked at while they are near (in L1) anyway. The few patches that hold an outlier are summed
directly afterwards, by a kernel of its own.

Two questions are asked, by precision:

- `fast`: is a value not finite, or so large that its square overflows (1.8e19; the transform itself would soon)?
- `tight`: also, does one block of the patch have more than `RATIO`² times the energy (sum of squares) of another that
  is not all zeros? Each window of a kernel holds at least one block, so that no output is much smaller than its patch.
"""

from __future__ import annotations

from collections.abc import Sequence

from simplecell.engine.code.emit import F32, I8, I32, Emitter, Value

RATIO = 6.0
"""Between the magnitudes of blocks. F(4,3) leaves at most some 1.5e-6 · √(channels / 64) of a block's magnitude in the
other outputs of its patch, which is to stay below 1e-5 of theirs. Of the patches in VGG-16 on photographs, no more than
5% in any layer, and 0.3% of all, exceed it; of random images none."""
LARGEST = 3.4e38
"""of the sum of squares: above it, and for NaN, the patch is summed directly"""


def mark_finite(e: Emitter, energies: Sequence[Value], at: Value) -> None:
    """Store at `at` (a byte) whether one of the values behind these vectors of sums of squares is too large."""
    e.store(_as_byte(e, too_large(e, total(e, sum_of(e, energies)))), at)


def mark_local(e: Emitter, blocks: Value, count: int, at: Value) -> None:
    """Store at `at` (a byte) whether a patch holds an outlier. blocks: the energies of its `count` blocks, a vector of
    partial sums each."""
    # Two sums over lanes tell that most patches hold none; the sums of all blocks are made for the others alone.
    first = e.load(blocks)
    with e.loop(count, start=1, carry=[first, first], name="block") as i:
        energy = e.load(blocks, i.index * e.lanes)
        i.carry([_of_bits(e, which, v, energy) for which, v in zip(("umax", "umin"), i.values)])
    most, least = i.results
    e.store(I8(0), at)
    with e.when(_differ(e, total(e, most), total(e, least))):
        with e.loop(count, carry=[F32(0.0), F32(float("inf")), F32(0.0)], name="block") as i:
            s = total(e, e.load(blocks, i.index * e.lanes))
            loudest, quietest, all_ = i.values
            i.carry([larger(e, loudest, s), smaller(e, quietest, nonzero(e, s)), e.fadd(all_, s)])
        loudest, quietest, all_ = i.results
        e.store(_as_byte(e, e.b.or_(_differ(e, loudest, quietest), too_large(e, all_))), at)


def total(e: Emitter, vector: Value) -> Value:
    """The sum of a vector's lanes, in any order."""
    fn = e.intrinsic(f"llvm.vector.reduce.fadd.v{e.lanes}f32", F32, [F32, vector.type])
    return e.b.call(fn, [F32(-0.0), vector], fastmath=("reassoc",))


def energy_after(e: Emitter, energy: Value, values: Sequence[Value]) -> Value:
    """The lanes' sums of squares, with some more values."""
    for value in values:
        energy = e.fma(value, value, energy)
    return energy


def sum_of(e: Emitter, values: Sequence[Value]) -> Value:
    result = values[0]
    for value in values[1:]:
        result = e.fadd(result, value)
    return result


def too_large(e: Emitter, energy: Value) -> Value:
    """Is a value behind this sum of squares NaN, infinite or too large to be squared?"""
    return e.b.fcmp_unordered(">=", energy, F32(LARGEST))


def nonzero(e: Emitter, energy: Value) -> Value:
    """Infinity in the place of zero: where there is nothing, nothing is lost."""
    return e.b.select(e.b.fcmp_ordered("==", energy, F32(0.0)), F32(float("inf")), energy)


def larger(e: Emitter, a: Value, b: Value) -> Value:
    """The larger one; b where one is NaN."""
    return e.b.select(e.b.fcmp_ordered(">", a, b), a, b)


def smaller(e: Emitter, a: Value, b: Value) -> Value:
    """The smaller one; b where one is NaN."""
    return e.b.select(e.b.fcmp_ordered("<", a, b), a, b)


def _differ(e: Emitter, loud: Value, quiet: Value) -> Value:
    """Is the ratio of two energies too large (or one of them NaN)?"""
    return e.b.fcmp_unordered(">", loud, e.b.fmul(quiet, F32(RATIO * RATIO)))


def _of_bits(e: Emitter, which: str, a: Value, b: Value) -> Value:
    """`umax` or `umin` of energies, by their bits: those of numbers that are not negative are in order, and NaN's
    largest."""
    words = e.vector(element=I32)
    fn = e.intrinsic(f"llvm.{which}.v{e.lanes}i32", words, [words, words])
    return e.b.bitcast(e.b.call(fn, [e.b.bitcast(a, words), e.b.bitcast(b, words)]), a.type)


def _as_byte(e: Emitter, condition: Value) -> Value:
    return e.b.zext(condition, I8)
