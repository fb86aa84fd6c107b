"""Measurements by which products are cut into panels and blocks."""

K_BLOCK = 256
"""Values of k in a packed panel: 256 × 32 columns are 32 KB and stay in L1 (128×1024 · 1024×1024: 114 GFLOP/s with all
of k, 130 so)."""
IN_PLACE_BYTES = 256 * 1024
"""Up to this size b is read where it lies. The panels of a larger one are copied: rows a power of two apart fall into
few sets of the caches (1024×1024, 128 rows: 65 GFLOP/s in place, 129 copied)."""
FEW_TILES = 2
"""Tiles of rows: so many do not pay for copying b."""
