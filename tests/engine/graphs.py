"""Building small graphs and comparing what the engine computes with the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simplecell.engine.host import host, target
from simplecell.engine.plan import plan
from simplecell.engine.run.program import Program
from simplecell.engine.run.runtime import Bound
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import spec_of
from tests.engine.harness import available_targets, guarded


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers of both signs and some size, bools of both kinds: drawn within the type, for what a cast makes of others
    depends on the CPU."""
    kind = np.dtype(dtype)
    if kind == np.bool_:
        return rng.integers(0, 2, shape).astype(kind)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return rng.integers(max(info.min, -150), min(info.max, 150), shape, kind, endpoint=True)
    return (rng.standard_normal(shape) * 50).astype(kind)


def compare(
    function: Callable[..., Any], *arrays: np.ndarray, rtol: float = 0.0, atol: float = 0.0, call_outs: bool = False
) -> Program:
    """`function` on placeholders like `arrays`, on every target, against the reference; and on 1 and 2 threads, with
    equal bits.

    Inputs and outputs end at pages that must not be touched. Gives the program for this machine's best target.
    """
    tensors = [placeholder(spec_of(a)) for a in arrays]
    result = function(*tensors)
    graph = Graph.of(tensors, list(result) if isinstance(result, (tuple, list)) else [result])
    inputs, outputs = [guarded(a) for a in arrays], [guarded(np.zeros(t.shape, t.dtype)) for t in graph.outputs]
    want = [np.asarray(w) for w in evaluate(graph, list(arrays))]
    for on in available_targets():
        for threads in (1, 2) if on == host().name else (1,):
            program = plan(graph, target(on), threads, "fast")
            if not call_outs:
                assert not program.call_outs, [s.reason for s in program.call_outs]
            bound = Bound(program, target(on), threads)
            bound.prepare([])
            before = [y.tobytes() for y in outputs]
            bound.run(inputs, outputs)
            for y, w in zip(outputs, want, strict=True):
                assert y.dtype == w.dtype and y.shape == w.shape
                if rtol or atol:
                    np.testing.assert_allclose(y, w, rtol=rtol, atol=atol)
                else:
                    np.testing.assert_array_equal(y, w)
            if threads == 2:
                assert before == [y.tobytes() for y in outputs], "the bits depend on the number of threads"
    return plan(graph, host(), 1, "fast")
