"""A graph that is one convolution of a picture of one channel, as the filters that image libraries want."""

from __future__ import annotations

import numpy as np

from simplecell import ops
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import Constant


def filters_of(graph: Graph) -> tuple[list[np.ndarray], np.ndarray]:
    """The filters (kh, kw), and one bias each. Raises NotImplementedError for any other graph."""
    found = [n for n in graph.nodes if isinstance(n.op, ops.Convolution)]
    if (
        len(found) != 1
        or graph.inputs[0].shape[-1] != 1
        or len(graph.inputs[0].shape) != 4
        or graph.inputs[0].shape[0] != 1
    ):
        raise NotImplementedError("not one convolution of one channel")
    node = found[0]
    op = node.op
    assert isinstance(op, ops.Convolution)
    weights = node.inputs[1].node.op
    assert isinstance(weights, Constant)
    size = weights.value.shape[:2]
    if set(op.strides) != {1} or set(op.dilation) != {1} or op.padding != tuple((k // 2, k // 2) for k in size):
        raise NotImplementedError("strides, dilation or padding other than `same` of an odd filter")
    bias = np.zeros(weights.value.shape[-1], np.float32)
    for other in graph.nodes:
        if isinstance(other.op, ops.Binary) and other.op.function == "add":
            bias = next(t.node.op.value.reshape(-1) for t in other.inputs if isinstance(t.node.op, Constant))
    return [np.ascontiguousarray(weights.value[:, :, 0, i]) for i in range(weights.value.shape[-1])], bias
