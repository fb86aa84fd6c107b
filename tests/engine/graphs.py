"""Building small graphs and comparing what the engine computes with the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simplecell.engine.build import Executable, build
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import spec_of


def compare(
    function: Callable[..., Any], *arrays: np.ndarray, rtol: float = 0.0, atol: float = 0.0, threads: int = 2, call_outs: bool = False
) -> Executable:
    """`function` on placeholders like `arrays`, run on 1 and on `threads` threads (equal bits) against the reference."""
    tensors = [placeholder(spec_of(a)) for a in arrays]
    result = function(*tensors)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    graph = Graph.of(tensors, outputs)
    want = evaluate(graph, list(arrays))
    executable = build(graph, threads=1)
    got = executable(list(arrays))
    for g, w in zip(got, want, strict=True):
        w = np.asarray(w)
        assert g.dtype == w.dtype and g.shape == w.shape
        if rtol or atol:
            np.testing.assert_allclose(g, w, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(g, w)
    again = build(graph, threads=threads)(list(arrays))
    for g, a in zip(got, again, strict=True):
        assert g.tobytes() == a.tobytes(), "the bits depend on the number of threads"
    if not call_outs:
        assert executable.program is not None
        assert not executable.program.call_outs, [s.reason for s in executable.program.call_outs]
    return executable
