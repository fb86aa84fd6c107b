"""The register tile: the inner loop of convolution, matrix product and Winograd.

    acc[p, v] += sum over d of  src[p, d] · weights[d, v]        p < pixels,  v < vectors of output channels

Each step of d loads `vectors` vectors of weights, broadcasts one value per pixel, and multiplies and adds pixels × vectors
times. The accumulators never leave the registers: they are carried through the caller's loops as SSA values.

    tile = best_tile(e.target, channel_vectors=oc // 16, pixels=56)
    with e.loop(taps, carry=zeros(e, tile)) as tap:
        tap.carry(accumulate(e, tile, tap.values, address_of_first_pixel, pixel_stride, weights, depth))
    acc = tap.results

Why it is fast with strides that are known only at run time: the compiler reaches pixel p with one address addition, and a
step has issue slots to spare for them (28 multiplications, 2 + 14 loads and 13 additions are 57 micro-operations in 14 cycles at
2 multiplications a cycle). Measured on one core with a peak of 192 GFLOP/s (AVX-512) and 112 (AVX2): 14×2 182, 9×3 180, 7×3 178;
AVX2 6×2 110, 4×3 106; SSE (multiply, then add) 4×3 36.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.emit import Emitter, Index, Value
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

    def unroll(self, target: Target) -> int:
        """Steps of depth in one turn of the loop: two hide its counters, and give the scheduler freedom that tiles which fill
        the register file pay for with spills (AVX-512 9×3: 182 GFLOP/s with one step, 169 with two)."""
        return 2 if self.accumulators + 2 * self.vectors <= target.registers else 1

    def __str__(self) -> str:
        return f"{self.pixels}x{self.vectors}" + (f"g{self.groups}" if self.groups > 1 else "")


_SHARES = {
    32: {(14, 2): 0.95, (12, 2): 0.94, (10, 2): 0.94, (9, 3): 0.94, (8, 3): 0.94, (7, 3): 0.93, (6, 4): 0.93, (11, 2): 0.91, (4, 5): 0.91, (5, 4): 0.88,
         (5, 3): 0.87, (8, 2): 0.86, (7, 2): 0.85, (4, 4): 0.85, (4, 6): 0.84, (6, 2): 0.84, (4, 3): 0.82, (28, 1): 0.82, (4, 2): 0.79, (3, 6): 0.79,
         (3, 4): 0.77, (8, 1): 0.77, (14, 1): 0.76, (3, 2): 0.6, (2, 8): 0.66, (2, 4): 0.6, (1, 8): 0.4, (2, 1): 0.2, (1, 4): 0.3, (1, 1): 0.1},
    16: {(6, 2): 0.98, (4, 3): 0.94, (5, 2): 0.91, (3, 3): 0.87, (4, 2): 0.84, (2, 4): 0.81, (12, 1): 0.75, (7, 1): 0.7, (1, 8): 0.56, (3, 2): 0.6,
         (2, 2): 0.4, (4, 1): 0.5, (2, 1): 0.25, (1, 4): 0.4, (1, 1): 0.13},
}  # fmt: skip
"""By vector registers: (pixels, vectors) → share of the multipliers' peak that the inner loop alone keeps, measured as above. What bounds
the narrow ones are loads (one vector), latency (fewer than eight accumulators) and loop overhead. More accumulators spill."""


def tiles(target: Target) -> dict[Tile, float]:
    """The shapes in use on a target, each with its share of peak."""
    return {Tile(*shape): share for shape, share in _SHARES[32 if target.registers >= 32 else 16].items()}


def best_tile(target: Target, channel_vectors: int, pixels: int) -> Tile:
    """The tile that wastes least on `pixels` (a row, or all of a map where rows join) by `channel_vectors`; the earlier in
    `tiles` wins a near draw, so that the layers of a network share kernels. Never more pixels than there are."""

    def cost(tile: Tile) -> float:
        return -(-channel_vectors // tile.vectors) * -(-pixels // tile.pixels) * tile.accumulators / shares[tile]

    shares = tiles(target)
    fitting = [t for t in shares if t.pixels <= pixels]
    limit = 1.03 * min(map(cost, fitting))
    return next(t for t in fitting if cost(t) <= limit)


def zeros(e: Emitter, tile: Tile) -> list[Value]:
    """Accumulators at zero, pixel by pixel: `acc[p · vectors + v]`."""
    return [e.zero()] * tile.accumulators


def accumulate(e: Emitter, tile: Tile, acc: Sequence[Value], source: Value, stride: Index, weights: Value, depth: Index) -> list[Value]:
    """The accumulators after `depth` more steps.

    source: the address of the first pixel; stride: float32 values from one pixel to the next; weights: packed
    `[depth][vectors · lanes]`. Each accumulator adds its products in the order of depth, one rounding each where the target has
    fused multiplication.
    """
    width, unroll = tile.vectors * e.lanes, tile.unroll(e.target)

    def step(acc: Sequence[Value], at: Value, weights: Value, d: int) -> list[Value]:
        w = [e.load(weights, d * width + v * e.lanes) for v in range(tile.vectors)]
        out: list[Value] = []
        for p in range(tile.pixels):
            at = e.at(at, stride) if p else at
            x = e.broadcast(at, d)
            out += [e.fma(x, w[v], acc[p * tile.vectors + v]) for v in range(tile.vectors)]
        return out

    def steps(count: Index, by: int, carry: Sequence[Value]) -> list[Value]:
        with e.loop(count, step=by, carry=carry, name="depth") as loop:
            *acc, at, w = loop.values
            for d in range(by):
                acc = step(acc, at, w, d)
            loop.carry([*acc, e.at(at, by), e.at(w, by * width)])
        return loop.results

    carry: Sequence[Value] = [*acc, source, weights]
    if unroll > 1:
        whole = depth // unroll * unroll
        carry = steps(whole, unroll, carry)
        carry = steps(depth - whole, 1, carry)
    else:
        carry = steps(depth, 1, carry)
    return list(carry[: tile.accumulators])
