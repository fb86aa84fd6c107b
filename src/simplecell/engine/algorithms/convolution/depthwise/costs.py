"""What sliding windows cost, channel by channel, and what their tiles were measured to take."""

from __future__ import annotations

FLOPS_PER_NS, BYTES_PER_NS = 60.0, 8.0
"""Of one core: a guess. Nothing is compared with it, since nothing else is asked where these kernels can compute a
convolution."""


def sliding_ns(flops: int, nbytes: int) -> float:
    """Predicted nanoseconds on one thread."""
    return max(flops / FLOPS_PER_NS, nbytes / BYTES_PER_NS)


MOST_PIXELS_STREAMED = 4
"""Outputs in registers at a time, where the arrays come from beyond the second-level cache. Narrow tiles read that
nearly in order: 3×3 at 56×56×144 takes 0.127 ms with tiles of 4 pixels and 0.131 with 8, with stride 2 at 112×112×96
0.212 and 0.219 (copying the same bytes takes 0.112 and 0.200)."""
MOST_TAPS_STREAMED = 9
"""of a window for which that is so"""
ROWS_SHARED = 1
"""Two rows of outputs are computed together if they share more rows of the window: 3×3 at 28×28×192 takes 0.93 of the
time of one by one, 5×5 at 28×28×240 0.86."""
MOST_PRODUCTS = 24
"""of one pixel in one row of the window, in a group: they are unrolled for up to 8 pixels, in three kinds of tiles"""
