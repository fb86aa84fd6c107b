"""How one axis of an op's output depends on one axis of an input: which elements are read, exactly.

Sets of elements are handed on as intervals `(first, last)`: the smallest that hold them. Indices may lie outside of the
axis (in the padding, and beyond it) until they are clipped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, floor, gcd, lcm

import numpy as np

Interval = tuple[int, int]


class Axis(ABC):
    """The dependence of outputs `0 … outputs - 1` along one axis on inputs `0 … inputs - 1`."""

    inputs: int
    outputs: int

    @abstractmethod
    def back(self, first: int, last: int) -> Interval | None:
        """The inputs that some output from `first` to `last` reads; None if none does."""

    def inside(self, first: int, last: int) -> Interval | None:
        """The same, of the inputs that there are."""
        found = self.back(first, last)
        return None if found is None else _within(found, self.inputs)

    @abstractmethod
    def forward(self, first: int, last: int) -> Interval | None:
        """The outputs that read some input from `first` to `last`, of those that exist; None if none does."""

    @property
    def period(self) -> tuple[int, int] | None:
        """(outputs, inputs): so many outputs further on, inputs so many further on are read. None: no such rule."""
        return None


@dataclass(frozen=True)
class Window(Axis):
    """Output o reads inputs `o · stride - low + t · dilation`, 0 ≤ t < taps. A stride of 0: the same ones for all."""

    inputs: int
    outputs: int
    taps: int = 1
    stride: int = 1
    dilation: int = 1
    low: int = 0

    def back(self, first: int, last: int) -> Interval | None:
        return first * self.stride - self.low, last * self.stride - self.low + (self.taps - 1) * self.dilation

    def inside(self, first: int, last: int) -> Interval | None:
        if first == last and self.dilation == 1:
            return super().inside(first, last)
        # Windows may have gaps, and gaps between them: the first and the last tap of each that meets an input.
        begins = np.arange(first, last + 1) * self.stride - self.low
        ends = begins + (self.taps - 1) * self.dilation
        firsts = begins + np.maximum(0, -(begins // self.dilation)) * self.dilation
        lasts = ends - np.maximum(0, -((self.inputs - 1 - ends) // self.dilation)) * self.dilation
        met = firsts <= lasts
        return (int(firsts[met].min()), int(lasts[met].max())) if met.any() else None

    def forward(self, first: int, last: int) -> Interval | None:
        if self.stride == 0:
            meets = any(first <= t * self.dilation - self.low <= last for t in range(self.taps))
            return (0, self.outputs - 1) if meets and self.outputs else None
        return _readers(self, first, last, self.outputs)

    @property
    def period(self) -> tuple[int, int] | None:
        return (1, self.stride)


@dataclass(frozen=True)
class Spread(Axis):
    """The reverse of a window: a transposed convolution's outputs are the window's inputs."""

    window: Window

    @property
    def inputs(self) -> int:  # type: ignore[override]
        return self.window.outputs

    @property
    def outputs(self) -> int:  # type: ignore[override]
        return self.window.inputs

    def back(self, first: int, last: int) -> Interval | None:
        return _readers(self.window, first, last, None)

    def inside(self, first: int, last: int) -> Interval | None:
        return _readers(self.window, first, last, self.inputs)

    def forward(self, first: int, last: int) -> Interval | None:
        return self.window.inside(first, last)

    @property
    def period(self) -> tuple[int, int] | None:
        return (self.window.stride, 1)


@dataclass(frozen=True)
class Divided(Axis):
    """Output o reads input `o // by`."""

    inputs: int
    outputs: int
    by: int

    def back(self, first: int, last: int) -> Interval | None:
        return first // self.by, last // self.by

    def forward(self, first: int, last: int) -> Interval | None:
        return _within((first * self.by, last * self.by + self.by - 1), self.outputs)

    @property
    def period(self) -> tuple[int, int] | None:
        return (self.by, 1)


@dataclass(frozen=True)
class Whole(Axis):
    """Each output reads all inputs."""

    inputs: int
    outputs: int

    def back(self, first: int, last: int) -> Interval | None:
        return (0, self.inputs - 1) if self.inputs else None

    def forward(self, first: int, last: int) -> Interval | None:
        return (0, self.outputs - 1) if self.outputs and last >= 0 and first < self.inputs else None


@dataclass(frozen=True, eq=False)
class Table(Axis):
    """Output o reads inputs from `first[o]` to `last[o]` (none if that is less)."""

    inputs: int
    firsts: np.ndarray
    lasts: np.ndarray
    ideal: Axis | None = None
    """what it would be on an axis without ends"""

    @property
    def period(self) -> tuple[int, int] | None:
        return None if self.ideal is None else self.ideal.period

    @cached_property
    def outputs(self) -> int:  # type: ignore[override]
        return len(self.firsts)

    def back(self, first: int, last: int) -> Interval | None:
        inside = slice(max(first, 0), min(last, self.outputs - 1) + 1)
        firsts, lasts = self.firsts[inside], self.lasts[inside]
        reading = firsts <= lasts
        return (int(firsts[reading].min()), int(lasts[reading].max())) if reading.any() else None

    def forward(self, first: int, last: int) -> Interval | None:
        meets = np.flatnonzero((self.firsts <= last) & (self.lasts >= first) & (self.firsts <= self.lasts))
        return (int(meets[0]), int(meets[-1])) if len(meets) else None


@dataclass(frozen=True)
class Resized(Axis):
    """Output o reads the inputs nearer than `radius` to `(o + 1/2) · inputs / outputs - 1/2`; the one that this lies in
    for a radius of 0."""

    inputs: int
    outputs: int
    radius: Fraction

    def _centre(self, o: int) -> Fraction:
        return Fraction(2 * o + 1, 2) * Fraction(self.inputs, self.outputs) - Fraction(1, 2)

    def _read(self, o: int) -> Interval:
        centre = self._centre(o)
        if not self.radius:
            nearest = floor(centre + Fraction(1, 2))
            return nearest, nearest
        return floor(centre - self.radius) + 1, ceil(centre + self.radius) - 1

    def back(self, first: int, last: int) -> Interval | None:
        return self._read(first)[0], self._read(last)[1]

    def forward(self, first: int, last: int) -> Interval | None:
        # Both ends of what is read grow with o: a search for the first that reaches `first`, the last that begins by
        # `last`.
        low, high = 0, self.outputs - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._read(middle)[1] >= first else (middle + 1, high)
        begin, high = low, self.outputs - 1
        low = 0
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._read(middle)[0] <= last else (low, middle - 1)
        if self._read(begin)[1] < first or self._read(low)[0] > last or begin > low:
            return None
        return begin, low

    @property
    def period(self) -> tuple[int, int] | None:
        common = gcd(self.inputs, self.outputs)
        return self.outputs // common, self.inputs // common


def _within(interval: Interval, extent: int) -> Interval | None:
    first, last = max(interval[0], 0), min(interval[1], extent - 1)
    return (first, last) if first <= last else None


def _readers(window: Window, first: int, last: int, outputs: int | None) -> Interval | None:
    """The outputs of a window (of all that there could be, if their number is None) that read an input from `first` to
    `last`."""
    reach = (window.taps - 1) * window.dilation
    least = -((-(first + window.low - reach)) // window.stride)  # the first whose last tap is not before them
    most = (last + window.low) // window.stride
    if outputs is not None:
        least, most = max(least, 0), min(most, outputs - 1)
    while least <= most and not _meets(window, least, first, last):
        least += 1
    while least <= most and not _meets(window, most, first, last):
        most -= 1
    return (least, most) if least <= most else None


def _meets(window: Window, output: int, first: int, last: int) -> bool:
    """Does one of the output's taps fall between `first` and `last`?"""
    begin = output * window.stride - window.low
    tap = max(0, -((begin - first) // window.dilation))
    return tap < window.taps and first <= begin + tap * window.dilation <= last


# --- fields of all outputs at once -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """What the outputs along an axis read of one axis of a network's input, when nothing is clipped: output o of a
    period reads from `firsts[o]` to `lasts[o]`, output o + period the same `shift` further on."""

    firsts: tuple[int, ...]
    lasts: tuple[int, ...]
    shift: int

    @property
    def period(self) -> int:
        return len(self.firsts)

    def at(self, o: int) -> Interval:
        turns, place = divmod(o, self.period)
        return self.firsts[place] + turns * self.shift, self.lasts[place] + turns * self.shift

    @property
    def size(self) -> int:
        """Elements that an output reads, at most."""
        return max(b - a for a, b in zip(self.firsts, self.lasts)) + 1

    @property
    def stride(self) -> Fraction:
        """Elements from the field of one output to that of the next."""
        return Fraction(self.shift, self.period)

    def repeated(self, times: int) -> Field:
        """The same with a longer period."""
        places = [self.at(o) for o in range(self.period * times)]
        return Field(tuple(a for a, _ in places), tuple(b for _, b in places), self.shift * times)

    def joined(self, other: Field) -> Field | None:
        """The smallest field that holds both; None if they move apart."""
        if self.stride != other.stride:
            return None
        period = lcm(self.period, other.period)
        a, b = self.repeated(period // self.period), other.repeated(period // other.period)
        return Field(tuple(map(min, a.firsts, b.firsts)), tuple(map(max, a.lasts, b.lasts)), a.shift)

    def behind(self, axis: Axis) -> Field | None:
        """The field of an op's outputs, whose inputs have this one; None if the axis has no period."""
        if axis.period is None:
            return None
        outputs, inputs = axis.period
        if isinstance(axis, Table) and axis.ideal is not None:
            axis = axis.ideal
        if inputs == 0:
            found = axis.back(0, 0)
            return None if found is None else Field((self._hull(found)[0],), (self._hull(found)[1],), 0)
        turns = lcm(inputs, self.period) // inputs
        places = [axis.back(o, o) for o in range(outputs * turns)]
        hulls = [None if p is None else self._hull(p) for p in places]
        if any(h is None for h in hulls):  # outputs that read nothing: their neighbours' hull, which moves alike
            known = [h for h in hulls if h is not None]
            if not known:
                return None
            hulls = [known[0] if h is None else h for h in hulls]
        shift = turns * inputs // self.period * self.shift
        return Field(tuple(h[0] for h in hulls if h), tuple(h[1] for h in hulls if h), shift)

    def _hull(self, interval: Interval) -> Interval:
        ends = range(interval[0], min(interval[1], interval[0] + self.period - 1) + 1)
        tail = range(max(interval[0], interval[1] - self.period + 1), interval[1] + 1)
        return min(self.at(o)[0] for o in ends), max(self.at(o)[1] for o in tail)


START = Field((0,), (0,), 1)
"""of a network's input itself"""
