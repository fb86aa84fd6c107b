"""Which groups compute each image by itself."""

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.planning.fuse import fuse
from simplecell.engine.planning.images import Images, batch_of
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec

BATCH = 4


def parameter(*shape):
    return placeholder(Spec(shape), "w", "parameter")


def knows(function, *shape):
    """Is the last group of `function`'s graph independent?"""
    x = placeholder(Spec((BATCH, *shape)))
    y = function(x)
    nodes, stack = set(), [y.node]
    while stack:
        node = stack.pop()
        nodes.add(node)
        stack += [t.node for t in node.inputs]
    parameters = [n.outputs[0] for n in nodes if getattr(n.op, "role", "") == "parameter"]
    graph = Graph.of([x, *parameters], [y])
    groups = fuse(graph)
    images = Images.of(groups, graph)
    assert (y in images.carrying) == (groups[-1] in images.independent)
    return groups[-1] in images.independent


INDEPENDENT = {
    "convolution": (lambda x: ops.convolution(x, parameter(3, 3, 3, 8), 1, "same"), (6, 6, 3)),
    "with an epilogue": (
        lambda x: ops.relu(ops.add(ops.convolution(x, parameter(3, 3, 3, 3), 1, "same"), x)),
        (6, 6, 3),
    ),
    "pooling": (lambda x: ops.max_pool(x, (2, 2), (2, 2)), (6, 6, 3)),
    "element-wise": (lambda x: ops.tanh(ops.multiply(x, parameter(3))), (6, 3)),
    "broadcast over images": (lambda x: ops.multiply(x, parameter(1, 6, 3)), (6, 3)),
    "less a mean over the batch, which is there by then": (
        lambda x: ops.subtract(x, ops.mean(x, (0,), keepdims=True)),
        (6, 3),
    ),
    "mean of pixels": (lambda x: ops.mean(x, (1, 2)), (6, 6, 3)),
    "softmax": (lambda x: ops.softmax(x, -1), (7,)),
    "dense": (lambda x: ops.matmul(x, parameter(7, 5)), (7,)),
    "attention": (lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))), (7, 5)),
    "flatten": (lambda x: ops.reshape(x, (BATCH, 18)), (6, 3)),
    "channels": (lambda x: ops.concatenate([x, x], -1), (6, 3)),
    "crop": (lambda x: ops.take_slice(x, 1, 1, 3), (6, 3)),
    "pad": (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 0))), (6, 3)),
}
DEPENDENT = {
    "batch statistics": (lambda x: ops.mean(x, (0, 1)), (6, 3)),
    "softmax over images": (lambda x: ops.softmax(x, 0), (7,)),
    "images mixed": (lambda x: ops.reshape(x, (2, 2 * 6, 3)), (6, 3)),
    "reshaped, and back": (lambda x: ops.tanh(ops.reshape(ops.reshape(x, (3, BATCH * 6)), (BATCH, 6, 3))), (6, 3)),
    "one value per image, aligned to channels": (
        lambda x: ops.multiply(x, ops.reshape(ops.mean(x, (1, 2)), (BATCH,))),
        (6, BATCH),
    ),
    "a constant per image": (lambda x: ops.add(x, np.ones((BATCH, 1, 1), np.float32)), (6, 3)),
    "images concatenated": (lambda x: ops.concatenate([x, x], 0), (6, 3)),
    "images turned round": (lambda x: ops.reverse(x, (0,)), (6, 3)),
    "images transposed": (lambda x: ops.transpose(x, (1, 0)), (BATCH,)),
    "an image left out": (lambda x: ops.take_slice(x, 0, 1, BATCH), (6, 3)),
    "images as weights": (
        lambda x: ops.matmul(ops.reshape(x, (BATCH, BATCH)), ops.reshape(x, (BATCH, BATCH))),
        (BATCH,),
    ),
    "transposed": (lambda x: ops.matmul(x, parameter(BATCH, 5), transpose_a=True), (BATCH,)),
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent(name):
    assert knows(INDEPENDENT[name][0], *INDEPENDENT[name][1])


@pytest.mark.parametrize("name", DEPENDENT)
def test_dependent(name):
    assert not knows(DEPENDENT[name][0], *DEPENDENT[name][1])


def test_the_batch_is_what_all_inputs_have_in_common():
    x, y, w = placeholder(Spec((4, 3))), placeholder(Spec((3, 4))), parameter(7, 7)
    assert batch_of(Graph.of([x, w], [ops.tanh(x)])) == 4
    assert batch_of(Graph.of([x, y], [ops.matmul(x, y)])) == 1
