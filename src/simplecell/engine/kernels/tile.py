"""The register tile: the inner loop of convolution, matrix product and Winograd.

    acc[p, v] += sum over d of  src[p, d] · weights[d, v]        p < pixels,  v < vectors of output channels

Each step of d loads `vectors` vectors of weights, broadcasts one value per pixel, and multiplies and adds pixels × vectors
times. The accumulators never leave the registers: they are carried through the caller's loops as SSA values.

    tile = best_tile(e.target, channel_vectors=oc // 16, pixels=56)
    acc = zeros(e, tile)
    with e.loop(taps, carry=acc) as tap:
        tap.carry(accumulate(e, tile, tap.values, [address_of_first_pixel], pixel_stride, weights, depth))

Why it is fast with strides that are known only at run time: the compiler reaches pixel p with one address addition, and a
step has issue slots to spare for them (28 multiplications, 2 + 14 loads and 13 additions are 57 micro-operations in 14 cycles at
2 multiplications a cycle). Measured on one core with a peak of 192 GFLOP/s (AVX-512) and 112 (AVX2): 14×2 184, 8×3 192, 9×3 182,
7×3 180, 6×4 181, 5×5 178, 28×1 154; AVX2 6×2 112, 4×3 111; SSE (multiply, then add) 4×3 35, 4×2 33.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.emit import Emitter, Index, Value
from simplecell.engine.target import Target


@dataclass(frozen=True)
class Tile:
    """`pixels` × `vectors` accumulators. The pixels come in `groups` runs of equal length, each with an address of its own
    (two rows of a 7-wide map make 14 pixels)."""

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

    def efficiency(self) -> float:
        """Share of the multipliers' peak that the inner loop can keep: bounded by loads (two a cycle, as are multiplications)
        and, below eight accumulators, by the latency of a multiplication (four cycles)."""
        loads = self.pixels + self.vectors if self.vectors > 1 else self.accumulators + 1
        return min(1.0, self.accumulators / 8) * min(1.0, 0.97 if loads <= self.accumulators * 0.75 else 0.84)

    def __str__(self) -> str:
        return f"{self.pixels}x{self.vectors}" + (f"g{self.groups}" if self.groups > 1 else "")


def tiles(target: Target) -> tuple[Tile, ...]:
    """The shapes worth using: as many accumulators as the registers allow besides one step's weights and one broadcast value."""
    if target.registers >= 32:
        shapes = [(14, 2), (9, 3), (8, 3), (7, 3), (6, 4), (5, 5), (28, 1), (10, 2), (7, 2), (14, 1), (4, 6), (3, 6), (2, 8), (1, 8), (4, 2), (1, 1)]
    else:
        shapes = [(6, 2), (4, 3), (12, 1), (5, 2), (4, 2), (3, 3), (7, 1), (2, 4), (1, 8), (1, 1)]
    return tuple(Tile(*s) for s in shapes)


def best_tile(target: Target, channel_vectors: int, pixels: int) -> Tile:
    """The tile that wastes least on `pixels` (a row, or all of a map where rows join) by `channel_vectors`; the earlier in
    `tiles` wins a draw, so that the layers of a network share kernels. Never more pixels than there are."""

    def cost(tile: Tile) -> float:
        return -(-channel_vectors // tile.vectors) * -(-pixels // tile.pixels) * tile.accumulators / tile.efficiency()

    fitting = [t for t in tiles(target) if t.pixels <= pixels]
    return min(fitting, key=lambda t: (round(cost(t) / cost(fitting[-1]), 2), fitting.index(t)))


def zeros(e: Emitter, tile: Tile) -> list[Value]:
    """Accumulators at zero, pixel by pixel: `acc[p · vectors + v]`."""
    return [e.zero()] * tile.accumulators


def accumulate(
    e: Emitter, tile: Tile, acc: Sequence[Value], sources: Sequence[Value], stride: Index, weights: Value, depth: Index, at_least_once: bool = True
) -> list[Value]:
    """The accumulators after `depth` more steps.

    sources: the address of the first pixel of each group; stride: float32 values from one pixel to the next; weights: packed
    `[depth][vectors · lanes]`. Each accumulator adds its products in the order of depth, one rounding each where the target has
    fused multiplication.
    """
    per_group, width, unroll = tile.pixels // tile.groups, tile.vectors * e.lanes, tile.unroll(e.target)

    def step(acc: Sequence[Value], sources: Sequence[Value], weights: Value, d: int) -> list[Value]:
        w = [e.load(weights, d * width + v * e.lanes) for v in range(tile.vectors)]
        out: list[Value] = []
        for source in sources:
            for p in range(per_group):
                source = e.at(source, stride) if p else source
                x = e.broadcast(source, d)
                out += [e.fma(x, w[v], acc[len(out) + v]) for v in range(tile.vectors)]
        return out

    def steps(count: Index, by: int, carry: Sequence[Value], at_least_once: bool) -> list[Value]:
        with e.loop(count, step=by, carry=carry, name="depth", at_least_once=at_least_once) as loop:
            acc, sources, w = loop.values[: tile.accumulators], loop.values[tile.accumulators : -1], loop.values[-1]
            for d in range(by):
                acc = step(acc, sources, w, d)
            loop.carry([*acc, *(e.at(s, by) for s in sources), e.at(w, by * width)])
        return loop.results

    carry: Sequence[Value] = [*acc, *sources, weights]
    if unroll > 1:
        whole = depth // unroll * unroll
        carry = steps(whole, unroll, carry, False)
        carry = steps(depth - whole, 1, carry, False)
    else:
        carry = steps(depth, 1, carry, at_least_once)
    return list(carry[: tile.accumulators])
