"""OpenCV's filter2D: one channel in, each output channel a filter of its own; bias and ReLU where the graph has
them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.single_filter import filters_of


def prepare(graph: Any, x: np.ndarray, threads: int) -> Any:
    import cv2

    cv2.setNumThreads(threads)
    kernels, bias = filters_of(graph)
    image = np.ascontiguousarray(x[0, :, :, 0])
    maps = [np.empty_like(image) for _ in kernels]

    def run() -> None:
        for kernel, b, out in zip(kernels, bias, maps):
            cv2.filter2D(image, cv2.CV_32F, kernel, dst=out, delta=float(b), borderType=cv2.BORDER_CONSTANT)
            cv2.max(out, 0.0, dst=out)

    return run, lambda: np.stack(maps, -1)[None]
