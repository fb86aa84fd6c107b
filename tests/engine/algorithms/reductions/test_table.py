"""Reductions through the whole engine, against NumPy."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from simplecell.engine.algorithms.reductions.nest import ReductionNest
from simplecell.engine.build import build
from simplecell.engine.host import target
from simplecell.engine.plan import plan
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops import elementwise as ew
from simplecell.ops import reduction as r
from simplecell.ops.base import Spec, spec_of
from simplecell.ops.shaping import transpose
from tests.engine.graphs import compare, draw

RNG = np.random.default_rng(11)
SHAPE = (3, 5, 2, 19)
AXES = [axes for k in range(1, 5) for axes in combinations(range(4), k)]


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return draw(RNG, shape, dtype)


@pytest.mark.parametrize("axes", AXES)
def test_every_set_of_axes(axes: tuple[int, ...]) -> None:
    """float32 sums of up to 570 values of size 50: rounding is far below 1e-2."""
    compare(lambda x: (r.sum(x, axes), r.max(x, axes, keepdims=True)), array(*SHAPE), rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize(
    "shape", [(1,), (15,), (16,), (17,), (64,), (65,), (4099,), (1, 1), (7, 1), (1, 7), (31, 31), (130, 48), (300, 3)]
)
def test_sizes(shape: tuple[int, ...]) -> None:
    for axes in combinations(range(len(shape)), 1):
        compare(lambda x, axes=axes: (r.sum(x, axes), r.min(x, axes)), array(*shape), rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "int64", "int8"])
@pytest.mark.parametrize("axis", [0, 1])
def test_numbers(dtype: str, axis: int) -> None:
    x = array(21, 35, dtype=dtype)
    compare(lambda x: (r.max(x, axis), r.min(x, axis)), x)
    rtol = 2e-5 if dtype == "float32" else 1e-12
    small = (x % 3).astype(dtype)
    compare(lambda x: r.sum(x, axis), x, rtol=rtol, atol=1e-2 if dtype == "float32" else 1e-9)
    compare(lambda x: r.prod(x, axis), small, rtol=rtol)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_bools(axes: tuple[int, ...]) -> None:
    x = RNG.integers(0, 9, (33, 37)) > 0
    compare(lambda x: (r.any(x, axes), r.all(x, axes), r.max(x, axes), r.min(x, axes)), x)
    compare(lambda x: (r.any(x, axes), r.all(x, axes)), np.zeros((33, 37), bool))


def test_nan_is_the_largest_and_the_smallest() -> None:
    x = array(5, 100)
    x[1, 17] = x[3, 99] = np.nan
    x[2, 5], x[4, 6] = np.inf, -np.inf
    compare(lambda x: (r.max(x, 1), r.min(x, 1), r.max(x, 0), r.min(x, 0)), x)
    compare(lambda x: (r.argmax(x, 1), r.argmin(x, 1), r.argmax(x, 0), r.argmin(x, 0)), x)


@pytest.mark.parametrize("shape", [(70000,), (9001, 48), (2, 300, 130, 3), (40000, 1), (3, 100000), (100000, 2)])
def test_long_sums(shape: tuple[int, ...]) -> None:
    """Sums of parts, combined: all elements, and all but the last axis; bits equal for 1, 2 and 3 threads. Errors stay
    within a few ULP of the sum of magnitudes: the two-level sum adds at most some 200 terms in a row, and errors of
    random sign cancel."""
    x = RNG.uniform(0, 1, shape).astype(np.float32)
    t = placeholder(spec_of(x))
    graph = Graph.of([t], [r.sum(t), r.sum(t, tuple(range(len(shape) - 1))), r.mean(ew.square(t))])
    results = [build(graph, threads=k)([x]) for k in (1, 2, 3)]
    wide = x.astype(np.float64)
    for got, want in zip(results[0], [wide.sum(), wide.sum(tuple(range(len(shape) - 1))), (wide**2).mean()]):
        np.testing.assert_allclose(got, want, rtol=1e-6)
    for other in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results[0], other))


def test_fused_prologue_and_broadcast_operands() -> None:
    x, mean, scale = array(4, 9, 33), array(33), array(4, 1, 1)
    compare(lambda x, m, s: r.sum(ew.square(ew.subtract(x, m)) * s, (0, 1)), x, mean, scale, rtol=1e-4, atol=1)
    compare(lambda x, m, s: r.sum(ew.multiply(ew.subtract(x, m), s), 2), x, mean, scale, rtol=1e-4, atol=1)
    compare(lambda a, b: r.sum(ew.multiply(a, b), (0,)), array(60, 1), array(1, 50), rtol=1e-4, atol=1)
    compare(lambda x: r.sum(ew.cast(ew.greater(x, 0.0), "float32"), (0, 2)), x)
    compare(lambda x: r.sum(transpose(x, (2, 0, 1)), (0,)), x, rtol=1e-4, atol=1e-2)


def test_nothing_to_reduce() -> None:
    compare(lambda x: (r.sum(x, 0), r.prod(x, 0)), array(0, 3))
    compare(lambda x: r.sum(x, 1), array(0, 3), call_outs=True)
    compare(lambda x: r.sum(x, ()), array(4, 3))
    compare(lambda x: (r.sum(x, 0), r.sum(x)), array(1, 1), rtol=1e-6)


def test_tables_say_what_was_refused() -> None:
    x = placeholder(Spec((64, 400)))
    program = plan(Graph.of([x], [r.sum(x, 0), r.sum(x, 1)]), target(), 1, "exact")
    down, along = (step.considered for step in program.run)
    assert [(c.name, c.refusal) for c in down] == [("rows", "the innermost axis is kept"), ("columns", None)]
    assert [(c.name, c.refusal) for c in along] == [("rows", None)]


def test_parts_depend_on_the_shape_alone() -> None:
    nest = ReductionNest.of((1 << 20,), {0}, [(1,), (0,), (0,)], 1)
    assert nest.parts(16) == nest.parts(4) == (16, 1 << 16)
    small = ReductionNest.of((4, 1000), {1}, [(1000, 1), (1, 0), (1, 0)], 1)
    assert small.parts(16) == (1, 1024) and small.results == 4
