"""SciPy's ndimage.correlate, or its FFT convolution where that is faster (large filters)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.single_filter import filters_of


def prepare(graph: Any, x: np.ndarray, threads: int) -> Any:
    from scipy import ndimage, signal

    kernels, bias = filters_of(graph)
    image = np.ascontiguousarray(x[0, :, :, 0])
    maps = [np.empty_like(image) for _ in kernels]

    def run() -> None:
        for i, (kernel, b) in enumerate(zip(kernels, bias)):
            if kernel.size > 200:
                maps[i] = signal.oaconvolve(image, kernel[::-1, ::-1], mode="same")
            else:
                ndimage.correlate(image, kernel, output=maps[i], mode="constant")
            np.maximum(maps[i] + b, 0, out=maps[i])

    return run, lambda: np.stack(maps, -1)[None]
