"""The peers, each set up as its own experts would: constant weights, inference mode, its own layout, pre-packed inputs.

A peer is a module with `prepare(graph, x, threads) -> (run, result)`: `run()` does one inference, `result()` gives its
output channels-last, for the check that everybody computes the same. A peer that is not installed, or cannot do a
graph, raises; its column stays empty.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

NAMES = ("simplecell", "torch", "onnxruntime", "openvino", "ncnn", "mnn", "litert", "opencv", "scipy")
Prepared = tuple[Callable[[], object], Callable[[], np.ndarray]]


def prepare(name: str, model: Any, graph: Any, x: np.ndarray, threads: int) -> Prepared:
    """The peer's `run` and `result` for a Keras model (simplecell) or its frozen graph (all others)."""
    module = importlib.import_module(f"benchmarks.peers.{name}_peer")
    return module.prepare(model if name == "simplecell" else graph, x, threads)  # type: ignore[no-any-return]
