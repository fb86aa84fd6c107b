"""When parameters are packed for a product.

Measured on one core, ms, b in place or copied at each run, and packed (the sums are the same):

    rows × k · n           each run  packed        rows × k · n          each run  packed
    2 × 2048·1000              0.42    0.50        49 × 768·3072             2.33    1.36
    16 × 2048·1000             1.4     0.5         197 × 768·3072            6.84    5.43
    8 × 25088·4096           135      55           512 × 768·3072           19.8    14.4
    16 × 25088·4096          173     110           64 × 512·2048             1.32    0.79
    32 × 25088·4096          148     225           64 × 4096·4096           25.5    17.4
    3 × 20000·16               0.08    0.10        400 × 8192·1024          72      82
"""

LEAST_ROWS = 3
FEW_TILES = 2
"""Tiles of rows: for so many a packed panel need not stay in L2 from one to the next."""
WIDE = 4
"""Vectors of columns that b has at least, where its panels do not stay in L2."""
L2_SHARE = 0.5
"""Share of L2 that a panel may fill to stay there."""
