"""How reductions are cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simplecell.engine.algorithms.loops.nest import STRIDED, how
from simplecell.engine.algorithms.reductions.nest import ReductionNest
from simplecell.engine.planning.algorithm import Schedule


def extent_names(kept: int, reduced: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the outer axes' extents: kept ones, reduced ones."""
    return tuple(f"k{a}" for a in range(kept)), tuple(f"r{a}" for a in range(reduced))


def stride_names(operand: str, kept: int, reduced: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of an operand's strides along the outer axes: kept ones, reduced ones."""
    return tuple(f"{operand}_k{a}" for a in range(kept)), tuple(f"{operand}_r{a}" for a in range(reduced))


@dataclass(frozen=True)
class ReductionSchedule(Schedule):
    """Run-time arguments but addresses. How many there are depends on the nest."""

    nest: ReductionNest
    """extents `n`, `k0 …`, `r0 …`, and the strides of inputs and output along them, in elements"""
    parts: int
    per: int
    """indices of the axis that is cut, in each part"""
    scattered: bool = False
    """results lie `dst_step` elements apart"""

    def arguments(self) -> dict[str, Any]:
        nest = self.nest
        inputs = len(nest.inner) - 2
        kept, reduced = extent_names(len(nest.kept), len(nest.reduced))
        found: dict[str, Any] = {"n": nest.n, "parts": self.parts, "per": self.per, "dst_part": nest.results}
        found |= zip(kept, (extent for extent, _ in nest.kept))
        found |= zip(reduced, (extent for extent, _ in nest.reduced))
        for i in range(inputs):
            along_kept, along_reduced = stride_names(f"i{i}", len(nest.kept), len(nest.reduced))
            found |= zip(along_kept, (moves[i] for _, moves in nest.kept))
            found |= zip(along_reduced, (moves[i] for _, moves in nest.reduced))
            if how(nest.inner[i]) == STRIDED:
                found[f"i{i}_step"] = nest.inner[i]
        found |= zip(stride_names("dst", len(nest.kept), 0)[0], (moves[-2] for _, moves in nest.kept))
        if self.scattered:
            found["dst_step"] = nest.inner[-2]
        return found
