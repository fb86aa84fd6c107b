"""Which outputs of a Fourier transform's blocks are too quiet for it, beside what else is transformed with them.

What a transform of columns leaves by rounding, in all outputs of a column, is some 7e-7 of the columns' typical output
at most. So an output is summed directly if its window has less than `QUIET`² times the energy (sum of squares) that
the windows of its columns have on average. Windows of zeros do not count (see outliers.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simplecell.engine.algorithms.convolution.outliers import energy_after
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.planning.algorithm import Schedule

QUIET = 0.1
"""of the typical magnitude; what is left by rounding is then below 1e-5 of the output's own"""


def group_of(rows: int) -> int:
    """How many rows are looked at together, for kernels of `rows` rows of taps. The larger the groups, the less there
    is to do; at least one must lie in all windows of a group of outputs."""
    return next(g for g in (8, 4, 2, 1) if rows >= 2 * g or g == 1)


@dataclass(frozen=True)
class Levels(Schedule):
    """Where the energies lie, and what is compared."""

    levels: int
    """where in scratch the energies lie, in values"""
    first: int
    """the first of the groups of inputs that all windows of a group of outputs hold, counted from that of the
    outputs"""
    inner: int
    """how many they are"""
    quiet: float
    """the ratio of energies; by what the windows differ in size, too"""

    @staticmethod
    def of(levels: int, rows: int, size: int, parts: int) -> Levels:
        """For kernels of `rows` rows of taps, on blocks of `size` rows of which `parts` are transformed as one."""
        return Levels(levels, *_compared(rows, size, parts))


@dataclass(frozen=True)
class RowLevels(Levels):
    """The same, of windows that reach along rows, too."""

    group: int
    """rows that are looked at together"""
    window: int
    """taps along the row"""

    @staticmethod
    def along(levels: int, rows: int, size: int, window: int) -> RowLevels:
        """For kernels of `rows` × `window` taps, on blocks of `size` rows of which two are transformed as one."""
        return RowLevels(levels, *_compared(rows, size, 2), group_of(rows), window)

    def values(self, size: int, columns: int) -> int:
        """of the energies of two blocks, in scratch"""
        return (2 * size // self.group + 1) * columns


def _compared(rows: int, size: int, parts: int) -> tuple[int, int, float]:
    """`first`, `inner` and `quiet`."""
    group = group_of(rows)
    first, inner = (0, rows) if group == 1 else (1, rows // group - 1)
    return first, inner, QUIET**2 * inner * group / (parts * size)


class FourierLevels:
    """The energies of two blocks that lie in scratch as `[plane][row][part][column]`, by part, group of rows, and
    column."""

    def __init__(self, e: Emitter, scratch: Value, size: int, layout: Any) -> None:
        """layout: has `ic`, `plane`, `row`, `pitch`, `reach` and `dilation` of the scratch, and `columns` of
        outputs."""
        self.e, self.scratch, self.layout = e, scratch, layout
        self.energies = e.at(scratch, e.index("levels"))
        self.group, self.first, self.inner, self.window = (e.index(a) for a in ("group", "first", "inner", "window"))
        self.groups = e.const(size) // self.group
        self.sums = e.at(self.energies, self.groups * layout.reach * 2)

    def measure(self) -> None:
        """Before the transform overwrites the inputs: the energies, and their sums by column."""
        e, at = self.e, self.layout
        with e.loop(at.reach, step=e.lanes, name="column") as x:
            with e.loop(2, carry=[e.zero()], name="part") as part:
                with e.loop(self.groups, carry=part.values, name="group") as g:
                    begin = e.at(self.scratch, g.index * self.group * at.row + part.index * at.pitch + x.index)
                    with e.loop(at.ic, carry=[e.zero()], name="plane") as c:
                        with e.loop(self.group, carry=c.values, name="row") as r:
                            value = e.load(begin, c.index * at.plane + r.index * at.row)
                            r.carry([energy_after(e, r.values[0], [value])])
                        c.carry(r.results)
                    e.store(c.results[0], self._place(part.index, g.index, x.index))
                    g.carry([e.fadd(g.values[0], c.results[0])])
                part.carry(g.results)
            e.store(part.results[0], self.sums, x.index)

    def _place(self, part: Index, group: Index, x: Index) -> Value:
        return self.e.at(self.energies, (part * self.groups + group) * self.layout.reach + x)

    def _along(self, row: Value, energy: Value) -> Value:
        """`energy`, and that of the columns which the outputs of a vector of columns see."""
        e = self.e
        with e.loop(self.window, carry=[energy], name="tap", at_least_once=True) as k:
            k.carry([e.fadd(k.values[0], e.load(row, k.index * self.layout.dilation))])
        return k.results[0]

    def loud(self, x: Index) -> Value:
        """What the windows of a vector of outputs, from column x on, would have at least if they were typical."""
        e = self.e
        return e.fmul(self._along(e.at(self.sums, x), e.zero()), e.splat(e.scalar("quiet")))

    def quiet(self, part: Index, row: Index, x: Index, loud: Value) -> Value:
        """Has an output of a group of rows, from `row` of its block on, less than that?"""
        e = self.e
        first = row // self.group + self.first
        with e.loop(self.inner, carry=[e.zero()], name="inner", at_least_once=True) as g:
            g.carry([self._along(self._place(part, first + g.index, x), g.values[0])])
        energy = g.results[0]
        less = e.b.and_(e.b.fcmp_ordered("<", energy, loud), e.b.fcmp_ordered(">", energy, e.zero()))
        return e.any(less)
