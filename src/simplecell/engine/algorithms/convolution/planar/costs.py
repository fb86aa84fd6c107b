"""What planar convolution costs."""

from __future__ import annotations

SHARE = 0.6
"""of the multipliers' peak: input vectors are unaligned, and rarely used more often than a few times"""
TAKE_APART_NS = 0.4
"""to copy a value of several interleaved channels into its channel's plane"""
