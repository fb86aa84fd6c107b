"""A function of tensors as a program, beside its reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simplecell.engine.host import target
from simplecell.engine.plan import plan
from simplecell.engine.run.program import Program
from simplecell.engine.run.runtime import Bound
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec


def program_of(
    function: Callable[..., Any], *arrays: np.ndarray, on: str | None = None, threads: int = 1
) -> tuple[Program, Graph]:
    inputs = [placeholder(Spec(a.shape, a.dtype.name)) for a in arrays]
    graph = Graph.of(inputs, [function(*inputs)])
    return plan(graph, target(on), threads, "exact"), graph


def computed(
    function: Callable[..., Any], *arrays: np.ndarray, on: str | None = None, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """What machine code makes of the arrays, and what the reference makes of them in float64. Nothing may be called
    out."""
    program, graph = program_of(function, *arrays, on=on, threads=threads)
    assert not program.call_outs, [s.reason for s in program.call_outs]
    result = np.full(graph.outputs[0].shape, np.nan, np.float32)
    bound = Bound(program, target(on), threads)
    bound.prepare([])
    bound.run(list(arrays), [result])
    wide = [a.astype(np.float64) for a in arrays]
    inputs = [placeholder(Spec(a.shape, "float64")) for a in wide]
    return result, evaluate(Graph.of(inputs, [function(*inputs)]), wide)[0]
