"""Matrix products as programs: shapes, transposes, batches, epilogues; and what the plan says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.algorithms.products.algorithm import KernelAlgorithm
from simplecell.engine.algorithms.products.problem import Product
from simplecell.engine.algorithms.products.table import ALGORITHMS
from simplecell.engine.code.expression import NO_EPILOGUE
from simplecell.engine.host import host, target
from simplecell.engine.plan import plan, stages
from simplecell.engine.planning.algorithm import Choice, choose
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.runtime import Bound
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from simplecell.ops.linear import MatMul
from tests.engine.algorithms.sliding import normal
from tests.engine.harness import available_targets
from tests.engine.programs import computed, program_of

SHAPES = [
    ((1, 37), (37, 10)),
    ((1, 9), (9, 700)),
    ((5, 3), (3, 1)),
    ((23, 64), (64, 33)),
    ((2, 7, 5), (5, 18)),
    ((4, 1, 6, 5), (3, 5, 9)),
    ((3, 2, 5), (3, 5, 4)),
    ((2, 6, 5), (2, 5, 1)),
]


def swapped(x: np.ndarray, swap: bool) -> np.ndarray:
    return np.ascontiguousarray(x.swapaxes(-1, -2)) if swap else x


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_shapes(transpose_a: bool, transpose_b: bool) -> None:
    for a, b in SHAPES:
        x, y = swapped(normal(1, *a), transpose_a), swapped(normal(2, *b), transpose_b)
        for threads in (1, 2):
            got, want = computed(lambda p, q: ops.matmul(p, q, transpose_a, transpose_b), x, y, threads=threads)
            np.testing.assert_allclose(got, want, atol=1e-5, err_msg=f"{a} {b}")


def test_blocks_of_k() -> None:
    got, want = computed(ops.matmul, normal(1, 31, 2600), normal(2, 2600, 40))
    np.testing.assert_allclose(got, want, atol=1e-3)  # 2600 products of size 1: sums near 50, roundings near 1e-5 each


@pytest.mark.parametrize("on", available_targets())
def test_epilogues(on: str) -> None:
    x, w, bias, skip = normal(1, 29, 21), normal(2, 21, 19), normal(3, 19), normal(4, 29, 19)

    def dense(x: Any, w: Any, b: Any, s: Any) -> Any:
        return ops.maximum(ops.add(ops.add(ops.matmul(x, w), b), s), 0.0)

    def gelu(x: Any, w: Any, b: Any, s: Any) -> Any:
        return ops.add(ops.gelu(ops.add(ops.matmul(x, w), b)), s)

    for function in (dense, gelu):
        for rows in (29, 1):
            operands = (x[:rows], w, bias, skip[:rows])
            got, want = computed(function, *operands, on=on, threads=2)
            np.testing.assert_allclose(got, want, atol=1e-5)
            program, _ = program_of(function, *operands, on=on)
            assert len(program.run) == 1


def test_bits_do_not_depend_on_threads() -> None:
    x, w = normal(1, 67, 83), normal(2, 83, 10)
    one, two, three = (computed(ops.matmul, x, w, threads=t)[0].tobytes() for t in (1, 2, 3))
    assert one == two == three


def test_what_has_no_machine_code_runs_as_its_reference() -> None:
    for a, b in [((2, 1, 2, 3, 4), (1, 2, 1, 4, 5)), ((0, 3), (3, 2))]:
        program, _ = program_of(ops.matmul, normal(1, *a), normal(2, *b))
        assert len(program.call_outs) == 1


def chosen(a: tuple[int, ...], b: tuple[int, ...], transpose_b: bool = False, **more: Any) -> Choice[Product]:
    product = Product.of(MatMul(False, transpose_b), Spec(a), Spec(b), **more)
    assert isinstance(product, Product)
    on = target("x86-64") if "x86-64" in available_targets() else target()
    return choose(ALGORITHMS, product, Setting(on, 1, "fast"))


def test_plans_give_their_reasons() -> None:
    def plan(a: tuple[int, ...], b: tuple[int, ...], transpose_b: bool = False) -> Any:
        choice = chosen(a, b, transpose_b)
        assert isinstance(choice.algorithm, KernelAlgorithm)
        return choice.algorithm.plan(choice.problem, Setting(target(), 1, "fast"), NO_EPILOGUE)

    assert "read in place" in plan((128, 64), (64, 10)).reason
    assert "copied" in plan((128, 1024), (1024, 1024)).reason
    assert "bandwidth" in plan((2, 1024), (1024, 1024)).reason
    assert "transposed" in plan((128, 64), (10, 64), True).reason
    assert "one row" in plan((1, 1024), (1024, 1024)).reason
    assert plan((128, 4096), (4096, 64)).kernel.blocked


def test_what_was_refused_and_why_is_part_of_the_choice() -> None:
    choice = chosen((128, 1024), (1024, 1024))
    refusals = {c.name: c.refusal for c in choice.considered}
    assert choice.algorithm.name == "matmul copied" and refusals["matmul copied"] is None
    assert refusals["packed"] == "it is not rows by a matrix of parameters"
    assert refusals["matvec"] == "more than one row"
    assert refusals["matmul transposed"] == "b is not transposed"
    assert refusals["matmul direct"] == "b has more than 256 KB"
    packed = chosen((128, 1024), (1024, 1024), given=True)
    assert packed.algorithm.name == "packed" and len(packed.considered) == 2  # those behind it are not asked


def test_every_product_is_refused_by_all_but_one_in_the_end() -> None:
    """The last three share all products between them."""
    for transpose_b in (False, True):
        for m, k, n in [(1, 7, 3), (2, 2000, 500), (300, 2000, 500), (300, 20, 5)]:
            product = Product(m, n, k, False, transpose_b, whole_m=m)
            setting = Setting(target(), 1, "fast")
            assert any(a.refuses(product, setting) is None for a in ALGORITHMS[3:])


def test_the_stages_of_planning_show_the_choice() -> None:
    x, w = placeholder(Spec((40, 300)), "", "input"), placeholder(Spec((300, 500)), "", "parameter")
    found = stages(Graph.of([x, w], [ops.matmul(x, w)]), target(), 1, "exact")
    (choice,) = found.choices.values()
    assert choice.algorithm.name == "packed"
    assert found.program.run[0].considered == choice.considered


@pytest.mark.parametrize("on", available_targets())
@pytest.mark.parametrize("m", [1, 3, 5, 12, 61])
def test_rows_by_parameters_are_a_pointwise_convolution_with_the_same_bits(m: int, on: str) -> None:
    a, b, c = normal(m, m, 301), normal(m + 20, 301, 263), normal(m + 40, 263)
    results = []
    for role in ("parameter", "input"):
        x, w, bias = (placeholder(Spec(v.shape), "", r) for v, r in ((a, "input"), (b, role), (c, role)))
        graph = Graph.of([x, w, bias], [ops.relu(ops.add(ops.matmul(x, w), bias))])
        for threads in (1, 2):
            program = plan(graph, target(on), threads, "fast")
            assert program.run[-1].algorithm.startswith("direct") == (role == "parameter" and m > 1)
            bound = Bound(program, target(on), threads)
            bound.prepare([b, c] if role == "parameter" else [])
            y = np.empty((m, 263), np.float32)
            bound.run([a] if role == "parameter" else [a, b, c], [y])
            results.append(y)
    np.testing.assert_allclose(results[0], np.maximum(a @ b + c, 0), rtol=1e-4, atol=1e-4)
    assert len({y.tobytes() for y in results}) == 1


def test_panels_that_leave_the_cache_between_many_rows_are_copied_in_blocks() -> None:
    def algorithm(rows: int, l2: int) -> str:
        x, w = placeholder(Spec((rows, 700)), "", "input"), placeholder(Spec((700, 256)), "", "parameter")
        return (
            plan(Graph.of([x, w], [ops.matmul(x, w)]), replace(target(), l2=l2, matrix=False), 1, "fast")
            .run[-1]
            .algorithm
        )

    assert algorithm(100, 1 << 20).startswith("direct")
    assert algorithm(100, 1 << 15).startswith("matmul")
    assert algorithm(5, 1 << 15).startswith("direct")


@pytest.mark.skipif(not host().matrix, reason="this CPU has no AMX, or the system does not let this process use it")
@pytest.mark.parametrize(("precision", "parts", "error"), [("fast", 2, 2e-5), ("tight", 3, 1e-6), ("exact", 0, 1e-6)])
def test_rows_by_parameters_on_a_matrix_unit(precision: str, parts: int, error: float) -> None:
    x, w, bias = (
        placeholder(Spec(s, "float32"), role=r)
        for s, r in (((3, 7, 11, 90), "input"), ((90, 125), "parameter"), ((125,), "parameter"))
    )
    graph = Graph.of([x, w, bias], [ops.relu(ops.matmul(x, w) + bias)])
    arrays = [normal(i, *t.shape) for i, t in enumerate(graph.inputs)]
    want = evaluate(graph, arrays)[0]
    for threads in (1, 2):
        program = plan(graph, host(), threads, precision)
        assert (f"matrix bf16x{parts}" in program.run[0].algorithm) == (parts > 0)
        got, bound = np.full(want.shape, np.nan, np.float32), Bound(program, host(), threads)
        bound.prepare(arrays[1:])
        bound.run(arrays[:1], [got])
        assert np.abs(got - want).max() <= error * np.abs(want).max()
