"""Pooling and its gradients as programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.algorithms.pooling.problem import PoolProblem
from simplecell.engine.algorithms.pooling.table import FORWARD, GRADIENT
from simplecell.engine.algorithms.sliding import Axis, Extents, Sliding, Strides, Window
from simplecell.engine.code.window import EXTENTS, STRIDES, WINDOW
from simplecell.engine.host import target
from simplecell.engine.planning.algorithm import choose
from simplecell.engine.planning.setting import Setting
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from simplecell.ops.pooling import AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient
from tests.engine.algorithms.sliding import normal
from tests.engine.programs import computed, program_of

CASES: list[tuple[tuple[int, ...], tuple[Any, ...]]] = [
    ((2, 28, 28, 16), ((2, 2), (2, 2), ((0, 0), (0, 0)))),
    ((1, 14, 15, 17), ((3, 3), (2, 2), ((0, 1), (1, 1)))),
    ((1, 9, 16, 3), ((3, 3), (1, 1), ((1, 1), (1, 1)))),
    ((3, 40, 5), ((20,), (3,), ((0, 19),))),
    ((1, 6, 5, 7, 8), ((2, 3, 2), (2, 3, 2), ((0, 0), (1, 0), (1, 0)))),
    ((2, 5, 4, 6, 3), ((1, 2, 3), (1, 3, 1), ((0, 0), (1, 1), (2, 1)))),  # planes that do not meet
    ((1, 1, 1, 7, 5), ((2, 2, 3), (1, 2, 1), ((1, 1), (1, 0), (0, 0)))),  # one plane, seen by two
    ((1, 7, 7, 33), ((7, 7), (7, 7), ((0, 0), (0, 0)))),
]


@pytest.mark.parametrize(("shape", "geometry"), CASES, ids=str)
@pytest.mark.parametrize("op", [MaxPool, AveragePool])
def test_forward(shape: tuple[int, ...], geometry: Any, op: Any) -> None:
    for threads in (1, 2):
        result, expected = computed(lambda x: ops.apply(op(*geometry), x), normal(1, *shape), threads=threads)
        np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize(("shape", "geometry"), CASES, ids=str)
def test_gradients(shape: tuple[int, ...], geometry: Any) -> None:
    src = np.round(normal(1, *shape), 1)
    pooled = MaxPool(*geometry).reference(src)
    diff = normal(2, *pooled.shape)
    for threads in (1, 2):
        result, expected = computed(
            lambda x, y, d: ops.apply(MaxPoolGradient(*geometry), x, y, d), src, pooled, diff, threads=threads
        )
        np.testing.assert_allclose(result, expected, atol=2e-6)
        result, expected = computed(
            lambda d: ops.apply(AveragePoolGradient(shape[1:-1], *geometry), d), diff, threads=threads
        )
        np.testing.assert_allclose(result, expected, atol=2e-6)


def test_what_is_not_compiled_says_why() -> None:
    program, _ = program_of(lambda x: ops.apply(MaxPool((2,), (2,), ((0, 0),)), x), np.zeros((1, 4, 1), np.int32))
    assert "int32 has no machine code" in program.call_outs[0].reason


def test_tables_say_what_was_refused() -> None:
    def taken(op: Any, shape: tuple[int, ...], table: Any) -> tuple[str, list[str | None]]:
        src = placeholder(Spec(shape))
        problem = PoolProblem.of(op, src, ops.apply(op, src).node.outputs[0], 0)
        assert isinstance(problem, PoolProblem)
        choice = choose(table, problem, Setting(target(), 1, "fast"))
        return choice.algorithm.name, [c.refusal for c in choice.considered]

    disjoint = MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)))
    overlapping = MaxPool((3, 3), (2, 2), ((0, 0), (0, 0)))
    long = MaxPool((20,), (3,), ((0, 19),))
    assert taken(disjoint, (2, 8, 8, 16), FORWARD) == ("columns", [None])
    name, (refusal, _) = taken(long, (3, 40, 5), FORWARD)
    assert name == "any window" and refusal is not None and "20 columns are" in refusal
    assert taken(disjoint, (2, 8, 8, 16), GRADIENT) == ("by rows", [None])
    assert taken(overlapping, (2, 9, 9, 16), GRADIENT) == ("by images and channels", ["windows overlap", None])


@pytest.mark.parametrize("threads", [1, 3])
def test_schedules_have_what_the_kernels_read(threads: int) -> None:
    """`Slide` (code/window.py) loads its arguments by name."""
    given = Sliding(2, Axis(), Axis(9, 4, 3, 2), Axis(9, 4, 3, 2), 33, 33).schedule(Setting(target(), threads, "fast"))
    names = (*Extents.names(), *Window.names(), *Strides.names())
    assert names == (*EXTENTS, *WINDOW, *STRIDES) == tuple(given.arguments())
