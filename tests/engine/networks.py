"""A small network, as a graph, that several tests run."""

import numpy as np

from simplecell import ops
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec


def network(batch=2):
    """Two convolutions with a skip, a pool, a dense layer."""
    x = placeholder(Spec((batch, 12, 11, 5)), "x")
    shapes = [(3, 3, 5, 20), (20,), (3, 3, 20, 20), (20,), (20, 7)]
    w1, b1, w2, b2, w3 = parameters = [placeholder(Spec(s), f"p{i}", "parameter") for i, s in enumerate(shapes)]
    y = ops.relu(ops.add(ops.convolution(x, w1, 1, "same"), b1))
    y = ops.relu(ops.add(ops.add(ops.convolution(y, w2, 1, "same"), b2), y))
    y = ops.max_pool(y, (2, 2), (2, 2))
    y = ops.softmax(ops.matmul(ops.mean(y, (1, 2)), w3), -1)
    return Graph.of([x, *parameters], [y])


def arrays_for(graph, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(t.shape).astype(np.float32) * 0.3 for t in graph.inputs]
