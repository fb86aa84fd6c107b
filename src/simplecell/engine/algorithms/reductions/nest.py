"""The loop nest of a reduction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from simplecell.engine.code.rounding import ceil_div, round_up

PART = 32768
"""Elements that a part reduces, at least."""
WORTH_PARTS = 4 * PART
"""Elements below which a second step, some 1.5 µs, costs more than the division gains."""
MAX_PARTS = 16
MANY_RESULTS = 64
"""Units of results from which threads are busy without parts."""
GRAIN = 64
"""Elements of the innermost axis that a part of it is a multiple of."""
MOST_VECTORS = 4
"""of columns at a time"""

Moves = tuple[int, ...]
"""Strides along one axis: of the inputs, of the output, of the results of a part."""


@dataclass(frozen=True)
class ReductionNest:
    """As few axes as can be; each outer one with its extent and its strides."""

    n: int
    """elements of the innermost axis"""
    inner_reduced: bool
    """Is the innermost axis reduced, or kept?"""
    inner: Moves
    kept: tuple[tuple[int, Moves], ...]
    reduced: tuple[tuple[int, Moves], ...]

    @staticmethod
    def of(shape: Sequence[int], reduced: set[int], strides: Sequence[Sequence[int]], inputs: int) -> ReductionNest:
        """Axes of extent 1 dropped, ordered by the strides of the input that moves most, neighbours of one kind merged
        where every operand moves through both at one pace."""
        touched = [sum(n * (s != 0) for n, s in zip(shape, of_input)) for of_input in strides[:inputs]]
        leading = strides[touched.index(max(touched))] if touched else strides[-1]
        axes = [d for d, extent in enumerate(shape) if extent != 1]
        axes.sort(key=lambda d: (-abs(leading[d]) if leading[d] else -(1 << 62), d))
        merged: list[tuple[int, bool, Moves]] = []
        for d in axes:
            extent, move = shape[d], tuple(s[d] for s in strides)
            if merged and merged[-1][1] == (d in reduced) and all(o == i * extent for o, i in zip(merged[-1][2], move)):
                extent *= merged.pop()[0]
            merged.append((extent, d in reduced, move))
        if not any(is_reduced for _, is_reduced, _ in merged):
            merged.insert(0, (1, True, (0,) * len(strides)))
        *outer, (n, inner_reduced, inner) = merged
        kept, summed = (tuple((e, m) for e, r, m in outer if r == wanted) for wanted in (False, True))
        return ReductionNest(n, inner_reduced, inner, kept, summed)

    @property
    def elements(self) -> int:
        return self.n * prod(extent for extent, _ in (*self.kept, *self.reduced))

    @property
    def results(self) -> int:
        return prod(extent for extent, _ in self.kept) * (1 if self.inner_reduced else self.n)

    def vectors(self, lanes: int) -> int:
        """Vectors of columns at a time: as many of 4 as the extent fills, preferably without a remainder."""
        for vectors in (MOST_VECTORS, 2, 1):
            if self.n % (vectors * lanes) == 0:
                return vectors
        return MOST_VECTORS if self.n > 3 * lanes else 2 if self.n > lanes else 1

    def parts(self, lanes: int) -> tuple[int, int]:
        """Into how many parts the outermost reduced axis is cut, and its indices in each. By the shape alone, never by
        threads."""
        units = prod(extent for extent, _ in self.kept)
        if not self.inner_reduced:
            units *= ceil_div(self.n, self.vectors(lanes) * lanes)
        along = self.reduced[0][0] if self.reduced else self.n
        parts = 1
        if units < MANY_RESULTS and self.elements >= WORTH_PARTS:
            parts = max(1, min(MAX_PARTS, self.elements // PART, along))
        per = ceil_div(along, parts)
        if not self.reduced:
            per = round_up(per, GRAIN)
        return ceil_div(along, per), per

    def writing_parts(self) -> ReductionNest:
        """The same with the strides of a part's results in the output's place."""

        def swapped(move: Moves) -> Moves:
            return (*move[:-2], move[-1], move[-1])

        kept, reduced = (tuple((extent, swapped(m)) for extent, m in axes) for axes in (self.kept, self.reduced))
        return replace(self, inner=swapped(self.inner), kept=kept, reduced=reduced)
