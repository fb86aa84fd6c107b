"""Special functions that NumPy lacks, to the last digits of float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def erf_reference(x: Any) -> np.ndarray:
    return np.asarray(_erf(np.asarray(x, np.float64))).astype(np.float64)


def erfc_reference(x: Any) -> np.ndarray:
    return np.asarray(_erfc(np.asarray(x, np.float64))).astype(np.float64)


def erfinv_reference(x: Any) -> np.ndarray:
    """Winitzki's closed form, then Halley's iteration: on erf near 0, on erfc towards ±1, where erf has no digits
    left."""
    x = np.asarray(x, np.float64)
    y = np.abs(x)
    inside = y < 1
    p = np.where(inside, y, 0.0)
    logarithm = np.log1p(-p * p)
    a = 2 / (math.pi * 0.147) + logarithm / 2
    z = np.sqrt(np.maximum(np.sqrt(a * a - logarithm / 0.147) - a, 0))
    for _ in range(3):
        miss = np.where(p < 0.5, erf_reference(z) - p, (1 - p) - erfc_reference(z))
        newton = miss * (math.sqrt(math.pi) / 2) * np.exp(z * z)
        z = z - newton / (1 + z * newton)
    return np.where(inside, np.copysign(z, x), np.where(y == 1, np.copysign(np.inf, x), np.nan))
