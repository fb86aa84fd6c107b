"""The stages of planning are values: each says what it decided, and the program is made of that."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.host import host, target
from simplecell.engine.plan import plan, stages
from simplecell.engine.run.records import records
from simplecell.engine.run.runtime import Bound
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import name_scope, placeholder
from simplecell.ops.base import Spec


def network(n: int = 2) -> Graph:
    x = placeholder(Spec((n, 20, 20, 16)))
    kernels = [placeholder(Spec(shape), role="parameter") for shape in ((3, 3, 16, 32), (2, 2, 32, 8), (8, 10))]
    with name_scope("first"):
        y = ops.relu(ops.convolution(x, kernels[0], 1, "same"))
    with name_scope("pool"):
        y = ops.max_pool(y, (3, 3), (2, 2))
    with name_scope("second"):
        y = ops.convolution(y, kernels[1], 1, "valid")
    with name_scope("dense"):
        y = ops.matmul(ops.mean(y, (1, 2)), kernels[2])
    return Graph.of([x, *kernels], [y])


def test_a_choice_says_what_each_algorithm_costs_or_why_it_refuses() -> None:
    graph = network()
    first = graph.nodes[next(i for i, n in enumerate(graph.nodes) if n.scope == "first")].outputs[0]
    for precision, refusal in (("fast", None), ("exact", "precision is exact")):
        choice = stages(graph, target("avx2" if host().lanes >= 8 else None), 1, precision).choices[first]
        by_name = {c.name: c for c in choice.considered}
        assert by_name["winograd F(4,3)"].refusal == refusal
        assert by_name["planar"].refusal is not None and by_name["direct"].cost > 0
        offered = [c for c in choice.considered if c.refusal is None]
        assert choice.cost == next(c.cost for c in offered if c.name == choice.algorithm.name)
        assert choice.cost <= min(c.cost for c in offered) / 0.92 + 1e-9
        with pytest.raises(FrozenInstanceError):
            choice.cost = 0.0  # type: ignore[misc]


def test_all_stages_can_be_printed_and_agree_with_the_program() -> None:
    made = stages(network(), host(), 2, "fast")
    text = str(made)
    for word in ("groups:", "choices:", "segments:", "AnchoredGroup convolution + relu", "(first)", "predicted µs"):
        assert word in text, word
    assert "max_pool" in text and "not with the convolution: windows overlap" in text
    assert [g for s in made.segments for g in s.groups] == list(made.groups.all)
    assert made.program == plan(network(), host(), 2, "fast")


def test_records_are_the_steps_by_layer() -> None:
    program = plan(network(), host(), 1, "tight")
    bound = Bound(program, host(), 1)
    bound.prepare([np.ones(s.shape, np.float32) for s in program.parameters])
    x, y = np.ones(program.inputs[0].shape, np.float32), np.empty(program.outputs[0].shape, np.float32)
    found = records(program, bound.measure([x], [y], 2))
    assert [r.label for r in found if r.flops > 1000][:1] == ["first"] and {"pool", "second"} <= {
        r.label for r in found
    }
    first = next(r for r in found if r.label == "first")
    assert first.flops == 2 * 2 * 20 * 20 * 9 * 16 * 32 and first.predicted > 0
    assert first.measured is not None and 0 < first.measured < 1
    assert any(c.refusal for c in first.considered) and first.reason
    assert sum(r.flops for r in found) == program.flops
    assert all(r.measured is None for r in records(program))


def test_records_of_a_few_images_at_a_time_stand_for_all() -> None:
    x = placeholder(Spec((16, 96, 96, 64)))
    kernel = placeholder(Spec((1, 1, 64, 64)), role="parameter")
    y = x
    for _ in range(4):
        y = ops.relu(ops.convolution(y, kernel, 1, "same"))
    program = plan(Graph.of([x, kernel], [y]), host(), 1, "fast")
    assert any(s.part is not None for s in program.run)
    found = [r for r in records(program) if r.images is not None]
    assert {r.flops for r in found} == {2 * 16 * 96 * 96 * 64 * 64}
    assert all(0 < r.images < 16 for r in found if r.images is not None)
