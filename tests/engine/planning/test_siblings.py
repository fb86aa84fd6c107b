"""Which reductions become one pass, which do not, and that no value changes by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.host import target
from simplecell.engine.plan import plan
from simplecell.engine.planning import siblings
from simplecell.engine.planning.expressions import MAX_POINTERS
from simplecell.engine.planning.fuse import fuse
from simplecell.engine.planning.groups import Group, ReductionGroup
from simplecell.engine.planning.siblings import MAX_RESULTS, SMALLEST, merge_siblings
from simplecell.engine.run.runtime import Bound
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from tests.engine.graphs import compare
from tests.engine.harness import available_targets

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


def shifted(x: Any, *rows: Any) -> Any:
    """A reduction that reads x and each of the rows."""
    for row in rows:
        x = ops.add(x, row)
    return ops.sum(x, AXES)


SMALL_ROW = (17,)
MOST_ROWS = MAX_POINTERS - MAX_RESULTS - 1
"""beside one large input and two results"""


@pytest.mark.parametrize(
    ("why", "function", "shapes"),
    [
        ("small inputs stay in the cache", two_sums, (SMALL, SMALL)),
        ("other axes", lambda x: [ops.sum(x, (0, 1)), ops.sum(ops.square(x), (1, 2))], (LARGE,)),
        ("axes that stay", lambda x: [ops.sum(x, AXES), ops.sum(ops.square(x), AXES, keepdims=True)], (LARGE,)),
        ("another function", lambda x: [ops.sum(x, AXES), ops.max(ops.square(x), AXES)], (LARGE,)),
        (
            "another dtype",
            lambda x: [ops.max(x, AXES), ops.max(ops.cast(x, "int32"), AXES)],
            (LARGE,),
        ),
        ("nothing in common", lambda x, y: [ops.sum(x, AXES), ops.sum(y, AXES)], (LARGE, LARGE)),
        (
            "only something small in common",
            lambda x, y, s: [ops.sum(ops.multiply(x, s), AXES), ops.sum(ops.multiply(y, s), AXES)],
            (LARGE, LARGE, SMALL_ROW),
        ),
        (
            "the second needs the first",
            lambda x: (lambda s: [s, ops.sum(ops.subtract(x, s), AXES)])(ops.sum(x, AXES)),
            (LARGE,),
        ),
        (
            "the second needs what is made after the first",
            lambda x: [ops.sum(x, AXES), ops.sum(ops.multiply(x, ops.cumsum(x, 3)), AXES)],
            (LARGE,),
        ),
        (
            "too many pointers together",
            lambda x, *rows: [shifted(x, *rows[:5]), shifted(x, *rows[5:])],
            (LARGE, *[SMALL_ROW] * (MOST_ROWS + 1)),
        ),
    ],
)
def test_others_stay_apart(why: str, function: Callable[..., Any], shapes: tuple[Any, ...]) -> None:
    assert reductions(merged(function, *shapes)) == [1, 1], why


def test_what_is_made_before_the_first_may_be_read() -> None:
    def function(x: Any) -> list[Any]:
        made = ops.cumsum(x, 3)
        return [made, ops.sum(x, AXES), ops.sum(ops.multiply(x, made), AXES)]

    assert reductions(merged(function, LARGE)) == [2]


def test_as_many_pointers_as_there_may_be() -> None:
    rows = [SMALL_ROW] * MOST_ROWS
    groups = merged(lambda x, *rows: [shifted(x, *rows[:5]), shifted(x, *rows[5:])], LARGE, *rows)
    assert reductions(groups) == [2]
    assert len(groups[0].inputs) + len(groups[0].outputs) == MAX_POINTERS


def test_as_many_instructions_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def function(x: Any) -> list[Any]:
        return [ops.sum(ops.tanh(ops.exp(x)), AXES), ops.sum(ops.sqrt(ops.square(x)), AXES)]

    for most, expected in ((4, [2]), (3, [1, 1])):
        monkeypatch.setattr(siblings, "MAX_INSTRUCTIONS", most)
        assert reductions(merged(function, LARGE)) == expected


def test_a_third_one_begins_another_pass() -> None:
    groups = merged(lambda x: [ops.sum(f(x), AXES) for f in (ops.exp, ops.square, ops.tanh)], LARGE)
    assert sorted(reductions(groups)) == [1, 2]


def test_what_both_compute_is_computed_once() -> None:
    def function(x: Any, y: Any) -> list[Any]:
        return [ops.sum(ops.multiply(ops.exp(x), y), AXES), ops.sum(ops.exp(x), AXES)]

    (group,) = (g for g in merged(function, LARGE, LARGE) if isinstance(g, ReductionGroup))
    assert group.expression is not None
    assert [i.function for i in group.expression.instructions].count("exp") == 1


def zeros_of_both_signs(x: Any) -> list[Any]:
    return [ops.max(ops.multiply(x, 0.0), (3,)), ops.max(ops.multiply(x, -0.0), (3,))]


def test_a_negative_zero_is_another_constant() -> None:
    (group,) = (g for g in merged(zeros_of_both_signs, LARGE) if isinstance(g, ReductionGroup))
    assert group.expression is not None
    numbers = [str(i.number) for i in group.expression.instructions if i.function == "constant"]
    assert sorted(numbers) == ["-0.0", "0.0"]


def test_signs_of_zeros_are_those_of_the_reference() -> None:
    x = np.random.default_rng().random(LARGE, np.float32) + 1
    for on in available_targets():
        plus, minus = run(zeros_of_both_signs, [x], on)
        assert not plus.any() and not minus.any()
        assert not np.signbit(plus).any() and np.signbit(minus).all()


def test_values_are_those_of_the_reference() -> None:
    rng = np.random.default_rng()
    x, y = (rng.standard_normal(LARGE).astype(np.float32) for _ in range(2))
    # Sums of 4096 terms of size 1, so sums of some 64 and partial sums that are no larger: 2⁻²⁴ · 64 for each term.
    compare(two_sums, x, y, rtol=1e-5, atol=2e-3)
    x[0, 1, 2, 3] = np.nan
    compare(lambda x: [ops.max(x, (3,)), ops.max(ops.negative(x), (3,))], x)


def run(function: Callable[..., Any], arrays: list[np.ndarray], on: str, threads: int = 1) -> list[np.ndarray]:
    inputs = [placeholder(Spec(a.shape)) for a in arrays]
    graph = Graph.of(inputs, function(*inputs))
    bound = Bound(plan(graph, target(on), threads, "tight"), target(on), threads)
    bound.prepare([])
    found = [np.full(t.shape, np.nan, np.float32) for t in graph.outputs]
    bound.run(arrays, found)
    return found


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("axes", [AXES, (3,), (1, 2), (0, 1, 2, 3)], ids=str)
def test_bits_are_those_of_two_passes(axes: tuple[int, ...], on: str) -> None:
    """A sum is divided by the shape of what is summed, so that another one beside it changes nothing."""

    def both(x: Any, y: Any) -> list[Any]:
        return [ops.sum(x, axes), ops.sum(ops.multiply(x, y), axes)]

    rng = np.random.default_rng()
    arrays = [rng.standard_normal(LARGE).astype(np.float32) for _ in range(2)]
    assert reductions(merged(both, LARGE, LARGE)) == [2]
    for threads in (1, 2):
        together = run(both, arrays, on, threads)
        alone = [run(lambda x, y, k=k: [both(x, y)[k]], arrays, on, threads)[0] for k in (0, 1)]
        assert [y.tobytes() for y in together] == [y.tobytes() for y in alone]
