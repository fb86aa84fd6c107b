"""What convolution on a matrix unit costs: nanoseconds on one core at 2.9 GHz, measured."""

from __future__ import annotations

MULTIPLY = {16: 6.8, 15: 6.5, 14: 6.2, 13: 5.9, 12: 5.6, 11: 5.3, 10: 5.0, 9: 4.75, 8: 4.45, 7: 4.15}
"""One instruction, by rows, as power allows on random numbers. (On zeros it is 5.45 of 16 rows: the clock falls with
the bits that change.)"""
POOLED_LEAST = 14
"""Rows below which a pooled tile takes no less time: its weights come from L2 as fast as they can (18×18 64→64: 12
chunks of 15 rows 47 µs, 18 of 10 rows 65)."""
CHUNK_NS = 80.0
"""to begin a chunk, and to wait for its last sums"""
STORE_NS, STORE_FAR_NS, STORE_HIDDEN = 3.0, 6.0, 0.5
"""a vector of sums through the epilogue to dst, which is near or far; as much as that share of the multiplications'
time is not seen"""
SPLIT_NS, SPLIT_FAR_NS = 6.0, 9.0
"""32 values, into two parts, where these stay in L1, and where not"""
WEIGHT_NS, L2_NS = 0.05, 0.02
"""a byte of weights from memory; what one from L2 costs, where inputs and outputs pass through it too"""
POOL_NS = 0.02
"""a byte of a map that is read and pooled by a step of its own"""
BLOCK_NS = 150.0
"""to begin a block of rows and columns"""
