"""A heart's electrical activity, as an example of a signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._files import open_sample

ECG_RATE = 360
"""Samples per second of `ecg()`."""


def ecg(seconds: float | None = None, *, start: float = 0.0) -> NDArray[np.float32]:
    """An electrocardiogram of five minutes, with normal beats, ventricular ones, and disturbances.

    Args:
        seconds: length of the stretch to return; all that follows `start` if None.
        start: where the stretch begins, in seconds.

    Returns:
        `(samples,)` float32 in millivolts, `ECG_RATE` = 360 samples per second; 108,000 samples in all.

    Raises:
        ValueError: if the stretch is empty or reaches past the 300 seconds that there are.

    Source: MIT-BIH Arrhythmia Database, record 208, lead MLII, 19:35 to 24:35 (PhysioNet); Open Data Commons
    Attribution License v1.0.

    >>> from simplecell.data import ecg
    >>> ecg(seconds=10).shape
    (3600,)
    """
    with open_sample("ecg.npz") as file, np.load(file, allow_pickle=False) as archive:
        # 11-bit converter counts; 1024 is 0 mV and a millivolt is 200 counts
        signal: NDArray[np.float32] = ((archive["ecg"].astype(np.float64) - 1024) / 200).astype(np.float32)
    first = round(start * ECG_RATE)
    last = len(signal) if seconds is None else first + round(seconds * ECG_RATE)
    if not 0 <= first < last <= len(signal):
        raise ValueError(
            f"start, seconds: expected a stretch within 0 and {len(signal) / ECG_RATE:g} seconds, received "
            f"start={start!r}, seconds={seconds!r}"
        )
    return signal[first:last]
