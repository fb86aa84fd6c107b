"""Which pools are joined with the convolution before them, and that no bit depends on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.algorithms.convolution import pools
from simplecell.engine.algorithms.convolution.matrix.algorithm import Matrix
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.host import host, target
from simplecell.engine.plan import plan
from simplecell.engine.planning import joins, segments
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.describe import describe
from simplecell.engine.run.program import Program
from simplecell.engine.run.runtime import Bound
from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph, evaluate
from simplecell.ops.convolution import Convolution
from simplecell.ops.pooling import AveragePool, MaxPool
from tests.engine.harness import available_targets
from tests.engine.planning.pieces import Network, forced


def computed(
    graph: Graph, arrays: list[np.ndarray], on: str | None = None, threads: int = 1
) -> tuple[Program, list[np.ndarray]]:
    program = plan(graph, target(on), threads, "fast")
    bound = Bound(program, target(on), threads)
    bound.prepare(arrays[1:])
    results = [np.full(t.shape, np.nan, np.float32) for t in graph.outputs]
    for _ in range(2):
        bound.run(arrays[:1], results)
    return program, results


def arrays_of(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(t.shape).astype(np.float32) * 0.3 for t in graph.inputs]


def plain(n: int) -> Graph:
    net = Network(n, 21, 19, 35)
    return net.graph(ops.max_pool(net.convolved(net.x, 49, 3), (2, 2)))


def average(n: int) -> Graph:
    """A linear convolution: zeros of both signs, and an epilogue that is too long to be written out."""
    net = Network(n, 20, 18, 32)
    return net.graph(
        ops.average_pool(
            ops.gelu(ops.convolution(net.x, net.parameter(3, 3, 32, 20), 1, "same")), (2, 2), padding="same"
        )
    )


def residual(n: int) -> Graph:
    net = Network(n, 17, 16, 32)
    y = ops.relu(ops.add(ops.convolution(net.x, net.parameter(3, 3, 32, 32), 1, "same"), net.x))
    return net.graph(ops.average_pool(y, (2, 2)))


def signal(n: int) -> Graph:
    net = Network(n, 75, 32)
    y = ops.relu(ops.convolution(net.x, net.parameter(3, 32, 40), 1, "same"))
    return net.graph(ops.max_pool(y, 2))


def volume(n: int) -> Graph:
    net = Network(n, 5, 9, 10, 32)
    y = ops.convolution(net.x, net.parameter(3, 3, 3, 32, 32), 1, "same")
    return net.graph(ops.max_pool(y, (1, 2, 2)))


def planes(n: int) -> Graph:
    """Windows of several planes: pooled within them at first."""
    net = Network(n, 7, 9, 10, 3)
    x = ops.max_pool(ops.relu(ops.convolution(net.x, net.parameter(3, 3, 3, 3, 32), 1, "same")), (2, 2, 2))
    return net.graph(ops.max_pool(ops.convolution(x, net.parameter(3, 3, 3, 32, 32), 1, "same"), (3, 2, 2)))


def directly(n: int) -> Graph:
    """A first layer, one with strides and one with dilation."""
    net = Network(n, 62, 61, 3)
    x = ops.max_pool(net.convolved(net.x, 17, 5), (2, 2))
    x = ops.average_pool(net.convolved(x, 20, 3, 2), (2, 1))
    return net.graph(ops.max_pool(ops.convolution(x, net.parameter(2, 2, 20, 40), dilation=2), (2, 3)))


def concatenated(n: int) -> Graph:
    """What is pooled is written into its place; and a pool is followed by arithmetic."""
    net = Network(n, 16, 16, 32)
    pools = [ops.max_pool(net.convolved(net.x, filters, 3), (2, 2)) for filters in (33, 24)]
    return net.graph(ops.mean(ops.tanh(ops.concatenate(pools, -1)), (1, 2)))


def deep(n: int) -> Graph:
    net = Network(n, 32, 32, 16)
    x = net.x
    for filters in (32, 48, 64):
        x = ops.max_pool(net.convolved(net.convolved(x, filters, 3), filters, 3), (2, 2))
    return net.graph(x)


GRAPHS = [plain, average, residual, signal, volume, planes, directly, concatenated, deep]


@pytest.mark.parametrize("on", dict.fromkeys([*available_targets(), host().name]))
@pytest.mark.parametrize("network", GRAPHS)
def test_the_bits_are_those_of_two_steps(network: Any, on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Matrix, "pooling_loses", lambda *_: None)  # what pays is not the question here
    graph = network(3)
    arrays = arrays_of(graph)
    program, found = computed(graph, arrays, on)
    if on == "amx" and network is residual:  # matrix units do not pool with it
        return
    assert sum(" pool " in s.algorithm for s in program.run) == sum(
        isinstance(n.op, (MaxPool, AveragePool)) for n in graph.nodes
    )
    assert sum(s.algorithm.endswith("pooling") for s in program.run) == (2 if network is planes else 0)
    for y, expected in zip(found, evaluate(graph, arrays)):
        np.testing.assert_allclose(y, expected, atol=1e-4 * np.abs(expected).max())
    for threads in (2, 3):
        assert [y.tobytes() for y in computed(graph, arrays, on, threads)[1]] == [y.tobytes() for y in found]
    for most, threads in ((1, 1), (2, 1), (1, 2)):
        monkeypatch.setattr(segments, "_cut", forced(most))
        pieces, result = computed(graph, arrays, on, threads)
        assert any(s.part is not None for s in pieces.run)
        assert [y.tobytes() for y in result] == [y.tobytes() for y in found]
    monkeypatch.undo()
    rules = [rule for rule in joins._registered if rule[1] is not pools.pooled]
    monkeypatch.setattr(joins, "_registered", rules)
    program, result = computed(graph, arrays, on)
    assert any(s.algorithm.endswith("pooling") for s in program.run)
    for y, expected in zip(found, result):
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("network", [plain, residual])
def test_not_a_number_and_infinity(network: Any) -> None:
    graph = network(1)
    arrays = arrays_of(graph)
    rng = np.random.default_rng(3)
    arrays[0].reshape(-1)[rng.integers(0, arrays[0].size, 3)] = np.nan
    for a in arrays[2:]:
        a[:3] = -np.inf
    found, expected = computed(graph, arrays)[1][0], evaluate(graph, arrays)[0]
    assert 0 < np.isnan(expected).sum() < expected.size
    assert np.isnan(found[np.isnan(expected)]).all()  # and in the rest of a tile that one is in
    np.testing.assert_allclose(found[~np.isnan(found)], expected[~np.isnan(found)], rtol=1e-3, atol=1e-4)


def test_what_the_step_says() -> None:
    step, apart = plan(plain(1), host(), 1, "fast").run
    assert apart.algorithm == "direct where there are outliers" and apart.predicted == 0 < step.predicted
    assert step.algorithm.startswith("winograd F(") and step.algorithm.endswith("+ max pool 2×2")
    assert step.shapes == "21×19 35→49, 3×3, pooled to 10×9"
    assert "max pool 2×2" in describe(plan(plain(1), host(), 1, "fast"), host(), 1)


def test_where_they_are_not_joined_the_pool_says_why() -> None:
    def reason(pool: Any, wanted: bool = False, **options: Any) -> str:
        net = Network(1, 20, 20, 32)
        y = ops.relu(
            ops.convolution(net.x, net.parameter(3, 3, 32 // options.get("groups", 1), 32), padding="same", **options)
        )
        graph = net.graph(pool(y), *([y] if wanted else []))
        program = plan(graph, host(), 1, "fast")
        steps = [s for s in program.run if s.algorithm != "direct where there are outliers"]
        assert len(steps) == 2
        found, expected = (computed(graph, arrays_of(graph))[1][0], evaluate(graph, arrays_of(graph))[0])
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
        return steps[1].reason

    def halved(y: Any) -> Any:
        return ops.max_pool(y, (2, 2))

    assert "others read" in reason(halved, wanted=True)
    assert "overlap" in reason(lambda y: ops.max_pool(y, (3, 3), (2, 2)))
    assert "edge" in reason(lambda y: ops.max_pool(y, (3, 3), padding="same"))
    assert "all channels" in reason(halved, groups=32)
    net = Network(1, 20, 20, 32)
    program = plan(net.graph(halved(net.convolved(net.x, 32, 1))), host(), 1, "fast")
    assert "pointwise" in program.run[1].reason
    net = Network(1, 40, 40, 1)
    program = plan(net.graph(halved(net.convolved(net.x, 1, 5))), host(), 1, "fast")
    assert "every pixel" in program.run[1].reason


def test_training_reads_what_is_pooled_again() -> None:
    net = Network(2, 16, 16, 32)
    loss = ops.sum(ops.max_pool(net.convolved(net.x, 32, 3), (2, 2)))
    program = plan(Graph.of([net.x, *net.parameters], [loss, *gradients(loss, net.parameters)]), host(), 1, "fast")
    assert not any(" pool " in s.algorithm for s in program.run)
    assert any(
        s.kernel is not None and "max_pool" in s.kernel.name and "gradient" in s.kernel.name for s in program.run
    )


def test_matrix_units_pool_where_their_tiles_fit_rows() -> None:
    def why(size: int, channels: int) -> str | None:
        op, none = Convolution((1, 1), ((1, 1), (1, 1)), (1, 1)), ((0, 0), (0, 0))
        shape = (1, size, size, channels), (3, 3, channels, channels)
        problem = ConvolutionProblem.of(op, *shape, MaxPool((2, 2), (2, 2), none))
        assert problem is not None
        return Matrix().refuses_pool(problem, Setting(replace(host(), l2=2 << 20, matrix=True), 1, "fast"), None)

    assert why(112, 128) is None and why(16, 64) is None
    assert "apart" in str(why(18, 64)) and "apart" in str(why(34, 64))
