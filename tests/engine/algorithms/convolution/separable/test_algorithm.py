"""Which convolutions are joined, and what the joined ones compute."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from simplecell import ops
from simplecell.engine.host import host
from simplecell.engine.plan import plan
from simplecell.engine.run.program import Program
from simplecell.engine.run.runtime import Bound
from simplecell.engine.target import Target
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from tests.engine.algorithms.sliding import normal

SMALL = replace(host(), l2=32 * 1024)
"""a cache that the tensors of these tests do not fit into"""
ARRAYS = {
    "x": normal(1, 1, 20, 18, 8),
    "wide": normal(2, 1, 1, 8, 24),
    "bias": normal(3, 24),
    "filters": normal(4, 3, 3, 1, 24),
    "narrow": normal(5, 1, 1, 24, 8),
}


def block(x: Any, wide: Any, bias: Any, filters: Any, narrow: Any, stride: int = 1) -> Any:
    """An inverted residual."""
    y = ops.relu6(ops.add(ops.convolution(x, wide), bias))
    y = ops.silu(ops.add(ops.convolution(y, filters, strides=stride, padding="same", groups=24), bias))
    y = ops.convolution(y, narrow)
    return ops.add(y, x) if stride == 1 else y


def planned(function: Any, target: Target = SMALL, threads: int = 1) -> tuple[Program, Graph]:
    inputs = [placeholder(Spec(a.shape)) for a in ARRAYS.values()]
    outputs = function(*inputs)
    graph = Graph.of(inputs, outputs if isinstance(outputs, list) else [outputs])
    return plan(graph, target, threads, "exact"), graph


def computed(program: Program, graph: Graph, threads: int) -> list[np.ndarray]:
    results = [np.full(t.shape, np.nan, np.float32) for t in graph.outputs]
    bound = Bound(program, SMALL, threads)
    bound.prepare([])
    bound.run(list(ARRAYS.values()), results)
    return results


def algorithms(program: Program) -> list[str]:
    return [s.algorithm for s in program.run if s.algorithm != "pack weights"]


def test_inverted_residual_is_one_step() -> None:
    for stride in (1, 2):
        program, graph = planned(partial(block, stride=stride))
        assert algorithms(program) == ["separable expand + depthwise + project"]
        (first,) = computed(program, graph, 1)
        # Sums of 24 products of activations below 10: below 300, errors below 300 · 2⁻²⁴ · 24.
        np.testing.assert_allclose(first, evaluate(graph, list(ARRAYS.values()))[0], atol=5e-4)
        program, graph = planned(partial(block, stride=stride), threads=2)
        np.testing.assert_array_equal(first, computed(program, graph, 2)[0])


def test_parts_are_joined_where_the_others_are_missing() -> None:
    def after(x: Any, wide: Any, bias: Any, filters: Any, narrow: Any) -> Any:
        return ops.convolution(
            ops.convolution(ops.concatenate([x, x, x], -1), filters, padding="same", groups=24), narrow
        )

    def before(x: Any, wide: Any, bias: Any, filters: Any, narrow: Any) -> Any:
        return ops.add(ops.convolution(ops.convolution(x, wide), filters, groups=24), bias)

    for function, name in ((after, "separable depthwise + project"), (before, "separable expand + depthwise")):
        program, graph = planned(function)
        assert algorithms(program)[-1] == name
        np.testing.assert_allclose(computed(program, graph, 1)[0], evaluate(graph, list(ARRAYS.values()))[0], atol=5e-4)


def test_what_is_needed_elsewhere_is_not_joined() -> None:
    def shared(x: Any, wide: Any, bias: Any, filters: Any, narrow: Any) -> list[Any]:
        y = ops.convolution(x, wide)
        z = ops.convolution(y, filters, padding="same", groups=24)
        return [y, z, ops.convolution(z, narrow)]

    program, _ = planned(shared)
    assert not any(a.startswith("separable") for a in algorithms(program))


def test_what_fits_the_cache_is_not_joined() -> None:
    program, _ = planned(block, replace(SMALL, l2=1 << 30))
    assert "depthwise" in algorithms(program)
