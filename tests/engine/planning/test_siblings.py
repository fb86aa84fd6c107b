"""Which reductions become one pass, which do not, and that no value changes by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.planning.expressions import MAX_INSTRUCTIONS
from simplecell.engine.planning.fuse import fuse
from simplecell.engine.planning.groups import Group, ReductionGroup
from simplecell.engine.planning.siblings import SMALLEST, merge_siblings
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from tests.engine.graphs import compare

LARGE, SMALL = (16, 16, 16, 17), (4, 4, 4, 17)
assert 4 * np.prod(LARGE) >= SMALLEST > 4 * np.prod(SMALL)
AXES = (0, 1, 2)


def merged(function: Callable[..., Any], *shapes: tuple[int, ...]) -> list[Group]:
    """The groups of a function of arrays, after siblings are merged. None of what they read is made after them."""
    inputs = [placeholder(Spec(shape)) for shape in shapes]
    result = function(*inputs)
    found = merge_siblings(fuse(Graph.of(inputs, list(result) if isinstance(result, (list, tuple)) else [result])))
    known = set(inputs)
    for group in found:
        assert all(t in known or not t.node.inputs for t in group.reads), "it reads what is made after it"
        known.update(group.outputs)
    return found


def reductions(groups: list[Group]) -> list[int]:
    """How many results each pass has."""
    return [len(g.outputs) for g in groups if isinstance(g, ReductionGroup)]


def two_sums(x: Any, y: Any) -> list[Any]:
    return [ops.sum(x, AXES), ops.sum(ops.multiply(x, y), AXES)]


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (two_sums, (LARGE, LARGE)),
        (lambda x: [ops.sum(x, AXES), ops.sum(ops.square(x), AXES)], (LARGE,)),
        (lambda x: [ops.max(x, (3,)), ops.max(ops.negative(x), (3,))], (LARGE,)),
        (lambda x, s: [ops.sum(ops.multiply(x, s), AXES), ops.sum(ops.add(x, s), AXES)], (LARGE, (17,))),
    ],
)
def test_of_one_kind_that_share_a_large_input(function: Callable[..., Any], shapes: tuple[Any, ...]) -> None:
    assert reductions(merged(function, *shapes)) == [2]


@pytest.mark.parametrize(
    ("why", "function", "shapes"),
    [
        ("small inputs stay in the cache", two_sums, (SMALL, SMALL)),
        ("other axes", lambda x: [ops.sum(x, (0, 1)), ops.sum(ops.square(x), (1, 2))], (LARGE,)),
        ("another function", lambda x: [ops.sum(x, AXES), ops.max(ops.square(x), AXES)], (LARGE,)),
        ("nothing in common", lambda x, y: [ops.sum(x, AXES), ops.sum(y, AXES)], (LARGE, LARGE)),
        (
            "only something small in common",
            lambda x, y, s: [ops.sum(ops.multiply(x, s), AXES), ops.sum(ops.multiply(y, s), AXES)],
            (LARGE, LARGE, (17,)),
        ),
        (
            "the second needs the first",
            lambda x: [ops.sum(ops.subtract(x, ops.sum(x, AXES)), AXES)],
            (LARGE,),
        ),
        (
            "too many instructions together",
            lambda x: [ops.sum(long(x, 1.0), AXES), ops.sum(long(x, 2.0), AXES), ops.sum(long(x, 3.0), AXES)],
            (LARGE,),
        ),
    ],
)
def test_others_stay_apart(why: str, function: Callable[..., Any], shapes: tuple[Any, ...]) -> None:
    found = reductions(merged(function, *shapes))
    if why.startswith("too many"):
        groups = [g for g in merged(function, *shapes) if isinstance(g, ReductionGroup)]
        assert all(g.expression is None or len(g.expression.instructions) <= MAX_INSTRUCTIONS for g in groups)
        assert max(found) <= 2
    else:
        assert set(found) == {1} and len(found) == 2 or why.startswith("the second") and set(found) == {1}, why


def long(x: Any, number: float) -> Any:
    for k in range(9):
        x = ops.add(ops.multiply(x, number), float(k))
    return x


def test_a_third_one_begins_another_pass() -> None:
    groups = merged(lambda x: [ops.sum(f(x), AXES) for f in (ops.exp, ops.square, ops.tanh)], LARGE)
    assert sorted(reductions(groups)) == [1, 2]


def test_what_both_compute_is_computed_once() -> None:
    def function(x: Any, y: Any) -> list[Any]:
        return [ops.sum(ops.multiply(ops.exp(x), y), AXES), ops.sum(ops.exp(x), AXES)]

    (group,) = (g for g in merged(function, LARGE, LARGE) if isinstance(g, ReductionGroup))
    assert group.expression is not None
    assert [i.function for i in group.expression.instructions].count("exp") == 1


def test_a_negative_zero_is_another_constant() -> None:
    def function(x: Any) -> list[Any]:
        return [ops.sum(ops.maximum(x, 0.0), AXES), ops.sum(ops.maximum(x, -0.0), AXES)]

    (group,) = (g for g in merged(function, LARGE) if isinstance(g, ReductionGroup))
    assert group.expression is not None
    numbers = [str(i.number) for i in group.expression.instructions if i.function == "constant"]
    assert sorted(numbers) == ["-0.0", "0.0"]


def test_values_are_those_of_the_reference() -> None:
    rng = np.random.default_rng()
    x, y = (rng.standard_normal(LARGE).astype(np.float32) for _ in range(2))
    compare(two_sums, x, y, rtol=1e-5, atol=2e-3)


def test_bits_are_those_of_two_passes() -> None:
    """A sum is divided by the shape of what is summed, so that another one beside it changes nothing."""
    from simplecell.engine.host import host
    from simplecell.engine.plan import plan
    from simplecell.engine.run.runtime import Bound

    rng = np.random.default_rng()
    arrays = [rng.standard_normal(LARGE).astype(np.float32) for _ in range(2)]
    inputs = [placeholder(Spec(LARGE)) for _ in range(2)]
    outputs = two_sums(*inputs)

    def bits(wanted: list[Any]) -> list[bytes]:
        graph = Graph.of(inputs, wanted)
        bound = Bound(plan(graph, host(), 2, "tight"), host(), 2)
        bound.prepare([])
        found = [np.empty(t.shape, np.float32) for t in wanted]
        bound.run(arrays, found)
        return [y.tobytes() for y in found]

    assert bits(outputs) == bits(outputs[:1]) + bits(outputs[1:])
