"""What the Fourier rooms share: sizes of transforms, how rows lie in scratch, and what the weights' transform costs."""

from __future__ import annotations

from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.code.tile import LINE

RADICES = ((4, 8), (8, 8), (4, 4, 8), (4, 8, 8), (8, 8, 8), (4, 4, 8, 8), (4, 8, 8, 8))
"""Butterflies of eight fill 32 registers with their factors. The last pass, with the sums along the row, wants to be
one of eight: its rows of inputs and outputs fit L1."""
ERROR = 1e-6
"""Largest error, as a share of the largest output. (Measured: 2e-7 with signed inputs, 5e-7 with positive ones; direct
sums of 31×31 values 1.1e-6, 1.7e-6.)"""
WEIGHTS_NS = 3.0
"""of the weights' transform, for each frequency, tap and vector of values in float64"""


def odd_lines(values: int) -> int:
    """At least so many values, an odd number of cache lines: rows then spread over the sets of a cache."""
    lines = ceil_div(values, LINE)
    return LINE * (lines + 1 - lines % 2)
