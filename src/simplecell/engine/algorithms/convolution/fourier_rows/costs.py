"""What convolution by Fourier transforms along columns costs, fitted to 650 timings of blocks of all kinds, half within
10%."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.target import Target

PASS_NS, COPY_NS, FAR_NS, FARTHER_NS = 2.8, 5.0, 1.1, 4.1
"""Per row of the transform, for each vector: a pass, the copy between picture and scratch, and what a column that
leaves L1, or a block that leaves L2, adds."""
ROW_NS, TILE_NS, TAP_NS = 1.7, 2.5, 0.15
"""Per row of the transform: for each input channel; for each tile of sums, and each tap of it."""
SHARE, GROUPS_SHARE = 0.75, 0.85
"""of the multipliers' peak, in the sums along the row, without and with groups of taps"""


def row_ns(
    p: ConvolutionProblem,
    target: Target,
    radices: Sequence[int],
    tiles: float,
    columns: int,
    reach: int,
    taps: int,
    groups: int,
) -> float:
    """Predicted nanoseconds of a row of the transform of two blocks.

    Args:
        tiles: of sums, in a row.
        columns, reach: vectors of outputs and of inputs in a row of one channel.
        taps: along the row, those included that fill the groups.
    """
    size, lanes = prod(radices), target.lanes
    values = p.ic * reach + p.oc * columns  # vectors that go in and out
    passes = values * (len(radices) * PASS_NS + COPY_NS) + p.ic * ROW_NS
    if 8 * size * lanes > target.l1:
        passes += values * FAR_NS
    if 8 * max(p.ic, p.oc) * size * reach * lanes > target.l2:
        passes += values * FARTHER_NS
    share = SHARE if groups == 1 else GROUPS_SHARE
    sums = 8.0 * lanes * taps * p.ic * p.oc * columns / (target.peak * share)
    return passes + sums + tiles * (TILE_NS + TAP_NS * taps * p.ic)
