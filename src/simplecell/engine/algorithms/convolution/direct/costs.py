"""Measurements behind direct convolution's choice of tiles."""

from __future__ import annotations

from simplecell.engine.code.tile import Tile

MOST_WEIGHTS = Tile(6, 4)
"""This tile has the fewest loads for each multiplication: 0.42, where 14×2 has 0.57 and is held back by its power at a
high clock. But it reads most weights: many passes must share a block of them, and the first block, which nobody
fetched, must be one of many.

GFLOP/s of whole layers, weights from memory as in a network, 32 registers of 16 lanes, two steps of depth in a turn:

                                  14×2   9×3   7×3   6×4
        64→256, 3136 pixels        155   143   144   165
        256→64, 3136 pixels        167     -     -   174
        512→128, 784 pixels        177   155   159   182
        256→1024, 196 pixels       163   158   157   169
        384→64, 196 pixels         172     -     -   157
        384→96, 196 pixels         180   173   175     -
        24→144, 3136 pixels        137   159   159     -
        2048→512, 49 pixels        141   134   142   128
"""
MOST_WEIGHTS_SHARED, MOST_WEIGHTS_ALONE = 1.05, 0.92
"""What its share of the peak is multiplied with, where many passes share a block of weights and where not."""
OTHERS = {Tile(10, 2): 0.96, Tile(7, 3): 0.97}
"""What those of others are multiplied with, with 32 registers."""
COPYING = 0.92
"""Of the speed, where a tile's pixels fall into one set of L1 and the input has to be copied for that reason alone."""

JOINED_PIXELS = 6
"""of a tile that goes on from row to row: each but the first has its distance in one of 15 general registers"""
JOINED_PAYS = 0.95
"""Rows are joined where that takes less than this share of the time.

Milliseconds with AVX2, 14×14 512→512 3×3 at stride 2 (49 pixels): row by row in 4×3 2.45; joined 5×2 2.11, 6×2 2.28,
4×3 2.30. With 32 registers 7×3, 14×2 and 9×3 leave little to save.
"""

# --- the gradient for weights ----------------------------------------------------------------------------------------

UNITS = 8
"""Pieces of work to aim at, so that a few threads get equal shares; it must not depend on how many threads there
are."""
MOST_PARTS = 8
"""Partial sums where the weights are too few to divide: their sum costs less than a thousandth."""
FEW_CHANNELS = 16
"""Fewer do not fill a tile by themselves. Where padding keeps their taps apart, which would fill it together, a copy
of the band of src with zeros pays (32×32, 3→32: 93 → 121 GFLOP/s). It pays, too, where pixels crowd in L1 (14×14,
1024→256, 1×1: 0.95 → 1.03 of PyTorch). Elsewhere it costs a few percent."""
COPIED_VECTOR = 2.0
"""Cycles: copying diff_dst costs a load and a store per vector, and misses."""
STAYING = 4
"""What a band reads of src takes at most this part of L2, where the panel of weights does not stay there beside it
(28×28×256, stride 2: 0.92 of PyTorch with a half, 1.01 with a quarter)."""
