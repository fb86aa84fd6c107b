"""The register tile: the inner loop of convolution, matrix product and Winograd.

    acc[p, v] += sum over d of  src[p, d] · weights[d, v]        p < pixels,  v < vectors of output channels

Each value of d loads `vectors` vectors of weights, broadcasts one value per pixel, and multiplies and adds pixels ×
vectors times. The accumulators never leave the registers: they are carried through the caller's loops as SSA values.

    tile = best_tile(e.target, channel_vectors=oc // 16, pixels=56)
    with e.loop(taps, carry=zeros(e, tile)) as tap:
        tap.carry(accumulate(e, tile, tap.values, address_of_first_pixel, pixel_stride, weights, depth))
    acc = tap.results

Measured on one core with a peak of 192 GFLOP/s (AVX-512) and 122 (AVX2), weights streaming from L2: 14×2 180, 12×2 183,
9×3 186, 8×3 183, 7×3 184, 6×4 188; AVX2 6×2 122, 4×3 109; SSE (multiply, then add) 4×3 37. Pixel strides known at
compile time are no faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import llvmlite.ir as ir

from simplecell.engine.code.emit import I8, I32, I64, PTR, VOID, Emitter, Index, Value
from simplecell.engine.target import Target


@dataclass(frozen=True)
class Tile:
    """`pixels` × `vectors` accumulators. `groups`: runs of pixels with an address each, where a kernel offers that."""

    pixels: int
    vectors: int
    groups: int = 1

    def __post_init__(self) -> None:
        if self.pixels % self.groups:
            raise ValueError(f"Tile: groups must divide pixels, got {self.groups} groups of {self.pixels} pixels.")

    @property
    def accumulators(self) -> int:
        return self.pixels * self.vectors

    def __str__(self) -> str:
        return f"{self.pixels}x{self.vectors}" + (f"g{self.groups}" if self.groups > 1 else "")


LINE = 16
"""float32 values in a cache line"""

_SHARES = {
    32: {(14, 2): 0.95, (12, 2): 0.95, (10, 2): 0.94, (9, 3): 0.97, (8, 3): 0.96, (7, 3): 0.96, (6, 4): 0.96, (11,
    2): 0.93, (4, 5): 0.91, (5, 4): 0.9,
         (5, 3): 0.89, (8, 2): 0.88, (7, 2): 0.87, (4, 4): 0.86, (4, 6): 0.84, (6, 2): 0.84, (4, 3): 0.82, (28,
         1): 0.8, (4, 2): 0.79, (3, 6): 0.79,
         (3, 4): 0.77, (8, 1): 0.77, (14, 1): 0.76, (3, 2): 0.6, (2, 8): 0.66, (2, 4): 0.6, (1, 8): 0.4, (2, 1): 0.2,
         (1, 4): 0.3, (1, 1): 0.1},
    16: {(6, 2): 0.98, (4, 3): 0.9, (5, 2): 0.91, (3, 3): 0.87, (4, 2): 0.84, (2, 4): 0.81, (12, 1): 0.8, (7, 1): 0.7,
    (1, 8): 0.56, (3, 2): 0.6,
         (2, 2): 0.4, (4, 1): 0.5, (2, 1): 0.25, (1, 4): 0.4, (1, 1): 0.13},
}  # fmt: skip
"""By vector registers: (pixels, vectors) → share of the multipliers' peak that the inner loop alone keeps, measured as
above. What bounds the narrow ones are loads (one vector), latency (fewer than eight accumulators) and loop overhead.
More accumulators spill."""


@cache
def tiles(target: Target) -> Mapping[Tile, float]:
    """The shapes in use on a target, each with its share of peak."""
    return {Tile(*shape): share for shape, share in _SHARES[32 if target.registers >= 32 else 16].items()}


def best_tile(
    target: Target, channel_vectors: int, pixels: int, corrections: Mapping[Tile, float] | None = None
) -> Tile:
    """The tile that wastes least on `pixels` (a row, or all of a map where rows join) by `channel_vectors`; the earlier
    in `tiles` wins a near draw, so that the layers of a network share kernels. Never more pixels than there are.

    corrections: what the shares of some tiles are to be multiplied with.
    """

    def cost(tile: Tile) -> float:
        return -(-channel_vectors // tile.vectors) * -(-pixels // tile.pixels) * tile.accumulators / shares[tile]

    shares = {t: share * (corrections or {}).get(t, 1.0) for t, share in tiles(target).items()}
    fitting = [t for t in shares if t.pixels <= pixels]
    limit = 1.03 * min(map(cost, fitting))
    return next(t for t in fitting if cost(t) <= limit)


def zeros(e: Emitter, tile: Tile) -> list[Value]:
    """Accumulators at zero, pixel by pixel: `acc[p · vectors + v]`."""
    return [e.zero()] * tile.accumulators


def accumulate(
    e: Emitter,
    tile: Tile,
    acc: Sequence[Value],
    source: Value,
    stride: Index | Pixels,
    weights: Value,
    depth: Index,
    ahead: Ahead | None = None,
    near: int = 0,
    unroll: int = 1,
) -> list[Value]:
    """The accumulators after `depth` more values of d (with `ahead`, the address where it goes on follows them).

    source: the address of the first pixel; stride: float32 values from one pixel to the next, or where they lie;
    weights: packed `[depth][vectors · lanes]`. Each accumulator adds its products in the order of depth, one rounding
    each where the target has fused multiplication.
    unroll: values of depth in one turn of the loop, of which `depth` must be a multiple; `ahead` fetches once in a
    turn.
    near: fetch the weights of so many values of depth later from L2 into L1.
    """
    width = tile.vectors * e.lanes
    pixels = Strided(e, stride, tile.pixels) if isinstance(stride, Index) else stride

    with e.loop(
        depth, step=unroll, carry=[*acc, source, weights, ahead.at if ahead else weights], name="depth"
    ) as loop:
        *acc, at, w, far = loop.values
        at = opaque_address(e, at)
        for d in range(unroll):
            values = [e.load(w, d * width + v * e.lanes) for v in range(tile.vectors)]
            if near:
                for line in range(0, width, LINE):
                    fetch(e, e.at(w, (near + d) * width + line), level=1)
            out: list[Value] = []
            for p in range(tile.pixels):
                x = e.broadcast(pixels.at(at, p), d)
                out += [e.fma(x, values[v], acc[p * tile.vectors + v]) for v in range(tile.vectors)]
            acc = out
        if ahead:
            far = ahead.fetch(e, far)
        loop.carry([*out, e.at(at, unroll), e.at(w, unroll * width), far])
    return [*loop.results[: tile.accumulators], *(loop.results[-1:] if ahead else [])]


class Pixels(Protocol):
    """Where the pixels of a tile lie."""

    def at(self, base: Value, k: int) -> Value:
        """The address of pixel k, that of pixel 0 being `base`."""


class Offsets:
    """Addresses at any distances, given as float32 values, from the first. Each takes a register."""

    def __init__(self, e: Emitter, distances: Sequence[Index]) -> None:
        self.e, self._bytes = e, [opaque(e, distance * 4) for distance in distances]

    def at(self, base: Value, k: int) -> Value:
        return self.e.b.gep(base, [self._bytes[k - 1]], source_etype=I8) if k else base


class Strided:
    """Addresses that lie `stride` values apart. Number k = odd · 2^j is at base + (odd · stride) · 2^j, which x86
    addresses without further instructions for j up to 3. Left to itself the compiler adds the stride again and again,
    on the ports that the multiplications need."""

    def __init__(self, e: Emitter, stride: Index, count: int) -> None:
        self.e = e
        self._powers = [min((k & -k).bit_length() - 1, 3) if k else 0 for k in range(count)]
        odd = sorted({k >> power for k, power in enumerate(self._powers)} - {0})
        self._multiples = {k: opaque(e, stride * (4 * k)) for k in odd}

    def at(self, base: Value, k: int) -> Value:
        """base + k strides"""
        power = self._powers[k]
        return (
            self.e.b.gep(base, [self._multiples[k >> power]], source_etype=ir.ArrayType(I8, 1 << power)) if k else base
        )


@dataclass(frozen=True)
class Ahead:
    """Fetching from memory what will be needed later: in each turn the `lines` cache lines from `at` on, which then
    moves by `stride` values. A small even stride keeps the few buffers for lines under way from filling up, which would
    stall the loads of the present."""

    lines: int
    at: Value
    stride: Index

    def fetch(self, e: Emitter, address: Value) -> Value:
        """Ask for the lines at an address; where to go on."""
        for line in range(self.lines):
            fetch(e, e.at(address, line * LINE))
        return e.at(address, self.stride)


def next_weights(e: Emitter, own: Value) -> Value:
    """Where the weights of the program's next step lie, which the last block of this one fetches; `own` where none are
    known. Fetching from where nothing is would do no harm but look for the page each time."""
    return e.b.select(e.index("next_weights").equals(0), own, e.pointer("next_weights"))


def fetch(e: Emitter, address: Value, level: int = 2, write: bool = False) -> None:
    """Ask for the line at an address, to be read (or written) soon, in L2 or L1. Any address is allowed, but one that
    is not mapped is slow."""
    fn = e.intrinsic("llvm.prefetch.p0", VOID, [PTR, I32, I32, I32])
    e.b.call(fn, [address, *(ir.Constant(I32, flag) for flag in (int(write), 4 - level, 1))])  # the 1 means data


def opaque_address(e: Emitter, address: Value) -> Value:
    """The same address, of which the optimizer knows nothing."""
    return e.b.asm(ir.FunctionType(PTR, [PTR]), "", "=r,0", [address], side_effect=False)


def opaque(e: Emitter, value: Index) -> Value:
    """The same integer, of which the optimizer knows nothing. It costs no instruction."""
    kind = ir.FunctionType(I64, [I64])
    return e.b.asm(kind, "", "=r,0", [value.ir], side_effect=False)
