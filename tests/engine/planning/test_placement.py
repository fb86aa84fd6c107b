"""Concatenations without copies: written in place, read in place, and the same values."""

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.build import build
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec


def convolved(x, filters, kernel, parameters):
    w = placeholder(Spec((kernel, kernel, x.shape[-1], filters)), f"w{len(parameters)}", "parameter")
    b = placeholder(Spec((filters,)), f"b{len(parameters)}", "parameter")
    parameters += [w, b]
    return ops.relu(ops.add(ops.convolution(x, w, 1, "same"), b))


def inception(x, parameters):
    branches = [
        convolved(x, 24, 1, parameters),
        convolved(convolved(x, 16, 1, parameters), 33, 3, parameters),
        ops.max_pool(x, (3, 3), (1, 1), "same"),
    ]
    return ops.concatenate([*branches, convolved(x, 7, 1, parameters)], -1)


def dense_block(x, parameters):
    for i in range(3):
        scale = placeholder(Spec((x.shape[-1],)), f"s{i}", "parameter")
        parameters.append(scale)
        y = ops.relu(ops.multiply(x, scale))
        x = ops.concatenate([x, convolved(convolved(y, 32, 1, parameters), 17, 3, parameters)], -1)
    return x


def nested(x, parameters):
    inner = ops.concatenate([convolved(x, 20, 3, parameters), convolved(x, 20, 1, parameters)], -1)
    return ops.concatenate([convolved(x, 18, 3, parameters), inner, convolved(x, 16, 1, parameters)], -1)


def read_elsewhere(x, parameters):
    """A part that a pool reads too, one that comes twice, and one that is an output."""
    a, b = convolved(x, 18, 3, parameters), convolved(x, 20, 1, parameters)
    return ops.add(ops.concatenate([a, b, b], -1), ops.mean(ops.max_pool(a, (2, 2), (1, 1), "same"), (0, 1, 2, 3)))


@pytest.mark.parametrize("block", [inception, dense_block, nested, read_elsewhere])
@pytest.mark.parametrize("threads", [1, 2])
def test_values(block, threads):
    x, parameters = placeholder(Spec((2, 9, 7, 18))), []
    y = block(x, parameters)
    graph = Graph.of([x, *parameters], [ops.tanh(ops.multiply(y, 0.25))])
    rng = np.random.default_rng(5)
    a, *values = [rng.standard_normal(t.shape).astype(np.float32) * 0.3 for t in graph.inputs]
    program = build(graph, threads=threads)
    program.set_parameters(values)
    np.testing.assert_allclose(program([a])[0], evaluate(graph, [a, *values])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("block", "copies"), [(inception, 2), (dense_block, 1), (nested, 0)])
def test_only_what_must_be_is_copied(block, copies):
    x, parameters = placeholder(Spec((1, 9, 7, 18))), []
    y = block(x, parameters)
    program = build(Graph.of([x, *parameters], [ops.max(y, (1, 2))]), threads=1).program
    assert sum(s.algorithm == "concatenate" for s in program.run) == copies


def test_an_output_is_dense():
    x, parameters = placeholder(Spec((1, 5, 5, 16))), []
    a, b = convolved(x, 16, 3, parameters), convolved(x, 16, 3, parameters)
    graph = Graph.of([x, *parameters], [a, ops.concatenate([a, b], -1)])
    rng = np.random.default_rng(5)
    given, *values = [rng.standard_normal(t.shape).astype(np.float32) * 0.3 for t in graph.inputs]
    program = build(graph, threads=1)
    program.set_parameters(values)
    for got, expected in zip(program([given]), evaluate(graph, [given, *values]), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
