"""What the costs of several algorithms are reckoned with."""

from __future__ import annotations

BYTES_PER_NS = 10.0
"""of one core from and to memory or a large shared cache: a guess that errs on the slow side (measured 8 to 14)"""

MEMORY_BYTES_PER_NS, SHARED_BYTES_PER_NS = 12.0, 26.0
"""of one core, for weights that do not fit L2: from memory, and from the shared cache"""
