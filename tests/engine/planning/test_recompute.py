"""Outputs of loops that their readers compute again."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell.engine.planning.fuse import fuse
from simplecell.engine.planning.recompute import recompute
from simplecell.engine.planning.siblings import merge_siblings
from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph
from simplecell.graph.simplify import simplify
from simplecell.graph.tensor import placeholder
from simplecell.ops import activation, normalization, reduction
from simplecell.ops import elementwise as ew
from simplecell.ops.base import Spec
from tests.engine.graphs import compare

SHAPE = (16, 9, 9, 33)  # 171 kB
RNG = np.random.default_rng(3)


def written(graph: Graph, again: bool) -> int:
    """Feature maps that loops write."""
    groups = fuse(graph)
    groups = recompute(groups, graph.outputs) if again else groups
    return sum(t.shape == SHAPE for g in groups for t in g.outputs)


def batch_norm_with_gradients(x: Any, scale: Any, offset: Any, diff: Any) -> list[Any]:
    mean, variance = normalization.moments(x, (0, 1, 2))
    y = activation.relu(normalization.batch_normalization(x, mean, variance, -1, offset, scale))
    return [y, *gradients(y, [x, scale, offset], diff)]


def test_batch_normalization_stores_one_feature_map_less() -> None:
    inputs = [placeholder(Spec(s)) for s in (SHAPE, (33,), (33,), SHAPE)]
    graph = simplify(Graph.of(inputs, batch_norm_with_gradients(*inputs))).graph
    assert written(graph, True) < written(graph, False)


def test_values_stay() -> None:
    arrays = [RNG.standard_normal(s).astype(np.float32) for s in (SHAPE, (33,), (33,), SHAPE)]
    compare(batch_norm_with_gradients, *arrays, rtol=1e-4, atol=1e-3)  # sums of 1296 products


def test_what_is_asked_for_or_expensive_is_written() -> None:
    x, c = placeholder(Spec(SHAPE)), placeholder(Spec((33,)))
    scaled = ew.multiply(x, c)
    total = reduction.sum(ew.multiply(scaled, scaled), (0, 1, 2))
    other = ew.tanh(x)
    asked = Graph.of([x, c], [scaled, total])
    assert written(asked, True) == written(asked, False) == 1
    costly = Graph.of([x, c], [ew.add(other, 1.0), reduction.max(other, (0, 1, 2))])
    assert written(costly, True) == written(costly, False)


def test_a_mask_is_cheaper_to_read_than_what_it_was_made_from() -> None:
    def function(x: Any, y: Any) -> list[Any]:
        mask = ew.greater(x, 0.5)
        count = reduction.sum(ew.cast(mask, "float32"), (0, 1, 2))
        return [ew.select(mask, ew.exp(y), 0.0), ew.select(ew.logical_not(mask), ew.multiply(y, count), 1.0)]

    compare(function, *(RNG.standard_normal(SHAPE).astype(np.float32) for _ in range(2)), rtol=1e-5, atol=1e-5)


def test_both_sums_of_a_gradient_are_one_pass() -> None:
    inputs = [placeholder(Spec(s)) for s in (SHAPE, (33,), (33,), SHAPE)]
    graph = simplify(Graph.of(inputs, batch_norm_with_gradients(*inputs))).graph
    groups = recompute(fuse(graph), graph.outputs)
    merged = merge_siblings(groups)
    assert len(merged) == len(groups) - 1
    assert sum(len(g.outputs) == 2 and isinstance(g.anchor.op, reduction.Reduce) for g in merged) == 1


def test_sums_that_need_each_other_stay_apart() -> None:
    x = placeholder(Spec(SHAPE))
    mean, variance = normalization.moments(x, (0, 1, 2))
    graph = simplify(Graph.of([x], [mean, variance])).graph
    groups = fuse(graph)
    assert len(merge_siblings(groups)) == len(groups)


def test_merged_sums_along_rows_and_of_everything() -> None:
    def function(x: Any, y: Any) -> list[Any]:
        product = ew.multiply(x, y)
        pairs = [(reduction.sum(x, axes), reduction.sum(product, axes)) for axes in ((3,), (1, 2), (0, 1, 2, 3))]
        return [t for pair in pairs for t in pair] + [reduction.max(x, (3,)), reduction.max(ew.negative(x), (3,))]

    compare(function, *(RNG.standard_normal(SHAPE).astype(np.float32) for _ in range(2)), rtol=1e-5, atol=2e-2)
