"""Where joining convolutions was measured to pay.

Where the tensors between them do not stay in the second-level cache (at batch 1 and 2 MiB of cache, MobileNetV2's
blocks at 112×112 and 56×56), the joined step takes 0.5 to 0.8 of the time of its three parts. Where they do, all three
joined still take 0.95 of it at 28×28, since what lies between stays in the first level; at 14×14, where it gains little
and pixels cannot be tiled across rows, 0.97 to 1.01, at 7×7 1.02.
"""

from __future__ import annotations

LONG = 28
"""columns of a map, and its rows on each thread, for which joining pays within the cache"""
MOST_TAPS = 25
"""of a window: they are unrolled, for each pixel in registers"""
