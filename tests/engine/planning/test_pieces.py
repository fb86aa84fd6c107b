"""A few images at a time: the same bits as all at once, in less memory, whatever the pieces and the threads."""

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.host import host, target
from simplecell.engine.plan import plan
from simplecell.engine.planning import segments
from simplecell.engine.planning.pieces import pieces
from simplecell.engine.run.describe import describe
from simplecell.engine.run.runtime import Bound
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from tests.engine.harness import available_targets, guarded
from tests.engine.planning.pieces import Network, forced


def residual(n):
    """3×3 (Winograd, direct), 1×1, strides, a pool, a residual, dense layers: and a tensor that is an output
    besides."""
    net = Network(n, 13, 14, 3)
    x = net.convolved(net.x, 32, 3)
    y = ops.add(net.convolved(net.convolved(x, 33, 3), 32, 1), x)
    z = net.convolved(ops.max_pool(y, (3, 3), (2, 2), "same"), 37, 3, 2)
    flat = ops.reshape(z, (n, z.shape[1] * z.shape[2] * z.shape[3]))
    return net.graph(ops.softmax(ops.matmul(flat, net.parameter(flat.shape[1], 10)), -1), y)


def inception(n):
    """Concatenations that are written in place and copied, averages of pixels that scale channels."""
    net = Network(n, 9, 7, 18)
    x = net.x
    for _ in range(2):
        x = ops.concatenate(
            [
                net.convolved(x, 24, 1),
                net.convolved(x, 33, 3),
                ops.average_pool(x, (3, 3), (1, 1), "same"),
                net.convolved(x, 7, 1),
            ],
            -1,
        )
        mean = ops.mean(x, (1, 2), keepdims=True)
        x = ops.multiply(
            x, ops.sigmoid(ops.convolution(mean, net.parameter(1, 1, x.shape[-1], x.shape[-1]), 1, "same"))
        )
    return net.graph(ops.mean(x, (1, 2)))


def separable(n):
    """Depthwise convolutions joined with what is around them, cropping, padding, resizing."""
    net = Network(n, 40, 40, 16)
    x = net.convolved(net.x, 96, 1)
    x = net.convolved(x, 96, 3, groups=96)
    x = ops.convolution(x, net.parameter(1, 1, 96, 16), 1, "same")
    x = ops.pad(ops.take_slice(ops.add(x, net.x), 1, 1, 38), ((0, 0), (2, 0), (0, 1), (0, 0)))
    return net.graph(ops.resize(x, (20, 61), "bilinear"))


def attention(n):
    net = Network(n, 10, 24)
    q, k, v = (ops.matmul(net.x, net.parameter(24, 24)) for _ in range(3))
    heads = [ops.transpose(ops.reshape(t, (n, 10, 3, 8)), (0, 2, 1, 3)) for t in (q, k, v)]
    weights = ops.softmax(ops.matmul(heads[0], heads[1], transpose_b=True), -1)
    mixed = ops.reshape(ops.transpose(ops.matmul(weights, heads[2]), (0, 2, 1, 3)), (n, 10, 24))
    return net.graph(ops.layer_normalization(ops.add(mixed, net.x), (-1,), net.parameter(24), net.parameter(24), 1e-5))


def means(n):
    """Sums that are cut into parts or not by their size, of few channels and many."""
    net = Network(n, 96, 90, 16)
    first = ops.mean(net.x, (1, 2), keepdims=True)
    y = ops.multiply(
        ops.convolution(net.x, net.parameter(1, 1, 16, 24), 2, "same"),
        ops.mean(ops.tanh(net.x)[:, :, :, :1], (1, 2), keepdims=True),
    )
    return net.graph(first, ops.mean(y, (1, 2)), ops.mean(ops.max_pool(y, (8, 8), (8, 8)), (1, 2, 3)))


def mixed(n):
    """A part that depends on the whole batch between parts that do not."""
    net = Network(n, 9, 9, 16)
    x = net.convolved(net.x, 32, 3)
    x = ops.subtract(x, ops.mean(x, (0, 1, 2), keepdims=True))
    return net.graph(net.convolved(net.convolved(x, 24, 3), 17, 1))


def outputs(graph, arrays, on, threads):
    x, *parameters = arrays
    program = plan(graph, target(on), threads, "fast")
    assert not program.call_outs
    bound = Bound(program, target(on), threads)
    bound.prepare(parameters)
    results = [guarded(np.full(t.shape, np.nan, np.float32)) for t in graph.outputs]
    for _ in range(2):
        bound.run([x], results)
    return program, results


NETWORKS = [residual, inception, separable, attention, means, mixed]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("on", available_targets())
def test_bits_do_not_depend_on_the_pieces(network, on, monkeypatch):
    graph = network(5)
    rng = np.random.default_rng(NETWORKS.index(network))
    arrays = [guarded(rng.standard_normal(t.shape).astype(np.float32) * 0.3) for t in graph.inputs]
    monkeypatch.setattr(segments, "_cut", forced(5))
    whole, want = outputs(graph, arrays, on, 1)
    assert all(s.part is None for s in whole.run)
    for y, w in zip(want, evaluate(graph, arrays)):
        np.testing.assert_allclose(y, w, rtol=1e-3, atol=1e-4)
    for most, threads in ((1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3)) if on == host().name else ((2, 1),):
        monkeypatch.setattr(segments, "_cut", forced(most))
        program, found = outputs(graph, arrays, on, threads)
        assert any(s.part is not None for s in program.run)
        assert [y.tobytes() for y in found] == [w.tobytes() for w in want], (most, threads)


def test_memory_is_for_the_pieces(monkeypatch):
    graph = residual(16)
    monkeypatch.setattr(segments, "_cut", forced(16))
    whole = plan(graph, host(), 1, "fast")
    monkeypatch.setattr(segments, "_cut", forced(1))
    one = plan(graph, host(), 1, "fast")
    assert one.arena_bytes < whole.arena_bytes / 6
    assert len(one.prepare) == len(whole.prepare)


@pytest.mark.parametrize("batch", range(1, 20))
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_each_image_is_in_one_piece(batch, threads, most):
    found = pieces(batch, most, threads)
    assert [i for p in found for i in range(p.first, p.first + p.count)] == list(range(batch))
    own = [p for p in found if threads == 1 or p.thread is not None]
    assert all(p.count <= most for p in own)
    for start in range(0, len(own), threads):  # a round: threads have equal shares
        assert len({p.count for p in own[start : start + threads]}) == 1


def test_what_has_no_machine_code_is_run_whole(monkeypatch):
    x = placeholder(Spec((4, 6, 6, 3), "float64"))
    w = placeholder(Spec((3, 3, 3, 3), "float64"), "w", "parameter")
    graph = Graph.of([x, w], [ops.tanh(ops.convolution(x, w, 1, "same"))])
    monkeypatch.setattr(segments, "_cut", forced(1))
    program = plan(graph, host(), 1, "fast")
    assert program.call_outs and all(s.part is None for s in program.run)


def test_description(monkeypatch):
    monkeypatch.setattr(segments, "_cut", forced(2))
    graph = residual(5)
    program, _ = outputs(graph, [np.zeros(t.shape, np.float32) for t in graph.inputs], None, 1)
    text = describe(program, host(), 1, [1e-6] * len(program.run))
    assert "1–2 of 5 images at a time, 3 times" in text
    assert len(text.splitlines()) < len(program.run) + 10
    assert str(program.run[-1].part) == "images 3–4 of 5"
