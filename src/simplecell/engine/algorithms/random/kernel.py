"""Random numbers by Philox 4×32-10 (Salmon et al. 2011): element i is word i % 4 of block i // 4, whoever computes it.

A vector holds one block per lane; the four words of its blocks are woven together, so that they are stored in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.random.schedule import RandomSchedule
from simplecell.engine.code.emit import ELEMENT, F32, I32, I64, Emitter, Index, Value
from simplecell.engine.code.functions.logarithm import log
from simplecell.engine.code.functions.trigonometric import sin_cos_of_turns
from simplecell.engine.code.functions.vectors import like, shaped
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.ops.random import KEY_STEPS, MULTIPLIERS, ROUNDS

DISTRIBUTIONS = {"bits": "uint32", "uniform": "float32", "normal": "float32"}
"""and the dtype of what they give"""


@dataclass(frozen=True)
class Random(Kernel):
    """dst[0 … count) from `seed`, the address of two uint32."""

    arguments = ("seed", "dst", *RandomSchedule.names())
    distribution: str

    @property
    def name(self) -> str:
        return kernel_name(f"random_{self.distribution}", "philox", DISTRIBUTIONS[self.distribution])

    def emit(self, e: Emitter) -> None:
        seed, dst, count = e.pointer("seed"), e.pointer("dst"), e.index("count")
        keys = [e.splat(e.load(seed, k, 1, I32)) for k in (0, 1)]
        element = ELEMENT[DISTRIBUTIONS[self.distribution]]
        group = 4 * e.lanes
        first, last = e.my_share((count + (group - 1)) // group)
        with e.loop(last, first, name="blocks") as loop:
            words = philox(e, loop.index * e.lanes, keys[0], keys[1])
            values = getattr(self, f"_{self.distribution}")(e, words)
            start = loop.index * group
            filled = count - start >= group
            with e.otherwise_when(filled) as (then, otherwise):
                with then:
                    for k, v in enumerate(values):
                        e.store(v, dst, start + k * e.lanes)
                with otherwise:
                    for k, v in enumerate(values):
                        at = start + k * e.lanes
                        e.store(v, e.at(dst, at, element), 0, e.mask(count - at))

    def _bits(self, e: Emitter, words: list[Value]) -> list[Value]:
        return woven(e, words)

    def _uniform(self, e: Emitter, words: list[Value]) -> list[Value]:
        """The upper 24 bits, times 2^-24."""
        return [e.fmul(_upper(e, w), like(_upper(e, w), 2.0**-24)) for w in woven(e, words)]

    def _normal(self, e: Emitter, words: list[Value]) -> list[Value]:
        """Box and Muller on words (0, 1) and (2, 3): u = (upper bits + 1)·2^-24, v = upper bits·2^-24."""
        results: list[Value] = []
        for a, b in (words[:2], words[2:]):
            u = _upper(e, a)
            u = e.fmul(e.fadd(u, like(u, 1.0)), like(u, 2.0**-24))
            radius = e.unary("sqrt", e.fmul(log(e, u), like(u, -2.0)))
            sine, cosine = sin_cos_of_turns(e, e.fmul(_upper(e, b), like(u, 2.0**-24)))
            results += [e.fmul(radius, cosine), e.fmul(radius, sine)]
        return woven(e, results)


def _upper(e: Emitter, word: Value) -> Value:
    """The upper 24 bits as float32, exactly."""
    return e.b.uitofp(e.b.lshr(word, like(word, 8)), shaped(word, F32))


def philox(e: Emitter, first: Index, key0: Value, key1: Value) -> list[Value]:
    """The four words of the blocks first, first + 1, …, one block per lane."""
    lane = ir.Constant(ir.VectorType(I64, e.lanes), list(range(e.lanes)))
    block = e.b.add(e.splat(first.ir), lane)
    half = ir.VectorType(I32, e.lanes)
    c = [
        e.b.trunc(block, half),
        e.b.trunc(e.b.lshr(block, like(block, 32)), half),
        e.zero(element=I32),
        e.zero(element=I32),
    ]
    with e.loop(ROUNDS, carry=[*c, key0, key1], at_least_once=True, name="round") as loop:
        c0, c1, c2, c3, k0, k1 = loop.values
        (high0, low0), (high1, low1) = _product(e, c0, MULTIPLIERS[0]), _product(e, c2, MULTIPLIERS[1])
        turned = [e.b.xor(e.b.xor(high1, c1), k0), low1, e.b.xor(e.b.xor(high0, c3), k1), low0]
        loop.carry([*turned, e.b.add(k0, like(k0, KEY_STEPS[0])), e.b.add(k1, like(k1, KEY_STEPS[1]))])
    return loop.results[:4]


def _product(e: Emitter, x: Value, factor: int) -> tuple[Value, Value]:
    """High and low words of the 64-bit products: of the even lanes and of the odd ones apart, which is what the
    hardware multiplies (targets are little-endian)."""
    pairs = ir.VectorType(I64, x.type.count // 2)
    both = e.b.bitcast(x, pairs)
    by, low = like(both, factor), like(both, 0xFFFFFFFF)
    even = e.b.mul(e.b.and_(both, low), by)
    odd = e.b.mul(e.b.lshr(both, like(both, 32)), by)
    lows = e.b.or_(e.b.and_(even, low), e.b.shl(odd, like(both, 32)))
    highs = e.b.or_(e.b.lshr(even, like(both, 32)), e.b.and_(odd, e.b.not_(low)))
    return e.b.bitcast(highs, x.type), e.b.bitcast(lows, x.type)


def woven(e: Emitter, words: list[Value]) -> list[Value]:
    """Four vectors a, b, c, d as a0 b0 c0 d0 a1 b1 …"""
    lanes = words[0].type.count
    low = ir.Constant(ir.VectorType(I32, lanes), [k // 2 + lanes * (k % 2) for k in range(lanes)])
    high = ir.Constant(ir.VectorType(I32, lanes), [(k + lanes) // 2 + lanes * (k % 2) for k in range(lanes)])

    def pair(x: Value, y: Value) -> list[Value]:
        return [e.b.shuffle_vector(x, y, order) for order in (low, high)]

    a, b, c, d = words
    even, odd = pair(a, c), pair(b, d)
    return [v for k in (0, 1) for v in pair(even[k], odd[k])]
