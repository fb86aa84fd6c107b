"""Random numbers as a function of (seed, position): Philox 4×32-10 (Salmon et al. 2011). No state, no order, no
threads.

Element `i` of an array is lane `i % 4` of the block with counter `i // 4`, under the two words of the seed as key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from simplecell.ops import elementwise as ew
from simplecell.ops.base import Op, Spec, apply, spec_of

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(seed: np.ndarray, blocks: int) -> np.ndarray:
    """Array (blocks, 4) of uint32, uniform over all values. Counter words: (block, block >> 32, 0, 0)."""
    index = np.arange(blocks, dtype=np.uint64)
    c0, c1 = index & _LOW, index >> _HALF
    c2 = c3 = np.zeros(blocks, np.uint64)
    k0, k1 = (int(s) for s in seed)
    for _ in range(ROUNDS):
        p0, p1 = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ np.uint64(k0), p1 & _LOW, (p0 >> _HALF) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def _check(what: str, seed: Spec) -> None:
    if seed != Spec((2,), "uint32"):
        raise ValueError(f"`seed` of `{what}` must be uint32[2]; came {seed}.")


@dataclass(frozen=True)
class RandomBits(Op):
    """seed (uint32[2]) → uint32 of `shape`, every value equally likely."""

    shape: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        _check("random_bits", inputs[0])
        return Spec(self.shape, "uint32")

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(spec_of(arrays[0]))
        count = prod(self.shape)
        return philox(arrays[0], -(-count // 4)).reshape(-1)[:count].reshape(self.shape)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [None]


@dataclass(frozen=True)
class RandomUniform(Op):
    """seed (uint32[2]) → float32 of `shape` in [0, 1): the upper 24 bits, times 2⁻²⁴."""

    shape: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        _check("random_uniform", inputs[0])
        return Spec(self.shape, "float32")

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(spec_of(arrays[0]))
        return (RandomBits(self.shape).reference(arrays[0]) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [None]


@dataclass(frozen=True)
class RandomNormal(Op):
    """seed (uint32[2]) → float32 of `shape`, normal with mean 0 and variance 1, by Box and Muller: lanes (0, 1) and (2,
    3) of a block give u = (upper 24 bits + 1) · 2⁻²⁴ and v in [0, 1), and √(-2 ln u) times cos 2πv and sin 2πv."""

    shape: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        _check("random_normal", inputs[0])
        return Spec(self.shape, "float32")

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(spec_of(arrays[0]))
        count = prod(self.shape)
        pairs = (philox(arrays[0], -(-count // 4)) >> np.uint32(8)).reshape(-1, 2).astype(np.float64) * 2.0**-24
        radius, angle = np.sqrt(-2 * np.log(pairs[:, 0] + 2.0**-24)), 2 * np.pi * pairs[:, 1]
        both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return both.reshape(-1)[:count].reshape(self.shape).astype(np.float32)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [None]


def random_bits(seed: Any, shape: Sequence[int]) -> Any:
    """uint32 of `shape`, every value equally likely."""
    return apply(RandomBits(tuple(shape)), seed)


def random_uniform(seed: Any, shape: Sequence[int]) -> Any:
    """float32 of `shape`, uniform in [0, 1)."""
    return apply(RandomUniform(tuple(shape)), seed)


def random_normal(seed: Any, shape: Sequence[int]) -> Any:
    """float32 of `shape`, normal with mean 0 and variance 1."""
    return apply(RandomNormal(tuple(shape)), seed)


def dropout(x: Any, rate: float, seed: Any, noise_shape: Sequence[int] | None = None) -> Any:
    """Each element 0 with probability `rate`, else divided by 1 - rate. `noise_shape` broadcasts against x."""
    if not 0 <= rate <= 1:
        raise ValueError(f"`rate` must lie in [0, 1]; came {rate}.")
    if rate == 0:
        return x
    keep = ew.greater_equal(random_uniform(seed, spec_of(x).shape if noise_shape is None else noise_shape), rate)
    return ew.select(keep, ew.multiply(x, 1 / (1 - rate) if rate < 1 else 0.0), 0)
