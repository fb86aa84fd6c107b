"""Instruction sets as values: vector width, registers, and what LLVM calls them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """An instruction set as the emitters see it."""

    name: str
    lanes: int
    """float32 values in one vector register"""
    registers: int
    """vector registers, which bound the accumulators of a microkernel"""
    fma: bool
    cpu: str
    features: str
    triple: str
    l1: int = 32 * 1024
    """bytes of first-level data cache that blocking may count on"""
    l2: int = 1024 * 1024
    matrix: bool = False
    """AMX: a unit that multiplies tiles of bfloat16 values and sums in float32"""

    @property
    def vector_bytes(self) -> int:
        return 4 * self.lanes

    @property
    def peak(self) -> float:
        """GFLOP/s of one core at 3 GHz with two multipliers; Zen 4's are half as wide as AVX-512. Against it stand
        bytes per nanosecond."""
        wide = 0.5 if self.avx512 and self.cpu == "znver4" else 1.0
        return 3.0 * 2 * 2 * self.lanes * wide * (1.0 if self.fma else 0.5)

    @property
    def avx512(self) -> bool:
        return self.lanes == 16
