"""The cost model of Winograd convolution and of its gradient for weights: constants and their measurements.

Those of the convolution are fitted to 1,300 runs of 15 layers cut in 70 ways each, alone and one behind the other with
other weights: half of them are predicted within 5%, and the cheapest cut is within 10% of the fastest for most layers.
"""

from __future__ import annotations

# --- the convolution -------------------------------------------------------------------------------------------------

PRODUCTS, WIDEST = 0.84, 0.9
"""of what the register tile's loop alone gives (at most the second), in the products, where weights come from L2 and
are fetched there meanwhile"""
TILE_NS, AGAIN_BYTES_PER_NS = 12.0, 170.0
"""start and store of a register tile; and V, read again for each chunk of output channels after the first"""
SRC_NS, DST_NS = {4: 2.4, 6: 2.4, 8: 2.6}, {4: 0.9, 6: 0.9, 8: 2.3}
"""per vector of channels at a point of a patch: transforming inputs and outputs, by points in one dimension (the 64
values of an 8×8 patch do not fit the registers)"""
LEAST_BLOCK = 12
"""patches in a block, if there are so many: fewer use up weights faster than L2 brings them"""
TIGHT_POINTS = 6
"""F(4,3) errs as little as summing directly (transforms.py). With F(6,3), training runs of a hundred steps left
float64's losses by 1e-4 two times in three, with all others as rarely as with direct sums: an error of 1e-5 turns a
relu on or off here and there."""
MOST_POOLED = 9
"""pixels of a window that is pooled: the kernel has a copy of the epilogue for each"""

# --- the gradient for weights ----------------------------------------------------------------------------------------

TRANSFORM_NS = 1.6
"""per point and vector of channels, loads and stores included (measured for the forward transforms)"""
PATCHES = (16, 24, 32, 48, 64)
"""Patches in scratch at a time: enough to pay for the coming and going of U's register tiles, few enough to stay in
L2."""
FEW_WEIGHTS = 64 * 64
"""Fewer pairs of channels than this make too few blocks to divide: there the patches are divided into PARTS sums."""
PARTS = 4
WORTH_FLOPS = 2e7
"""Some 0.1 ms of direct summing. The kernel takes 0.15 s to compile, and would save half of that in each step."""
U_BYTES_PER_NS = 60.0
"""of L2, to which U comes and goes with each block of patches"""
