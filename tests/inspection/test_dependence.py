"""What the table says that an op reads is what changes its outputs: all of it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import Tensor, placeholder
from simplecell.inspection.dependence import Box, back, dependence, forward, union
from simplecell.ops.base import Spec

SHAPE = (1, 7, 9, 4)


def w(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=shape)


def transposed(x: Tensor, size: tuple[int, ...], strides: tuple[int, int], pads: Any, weights: np.ndarray) -> Any:
    return ops.apply(ops.ConvolutionGradientSrc(size, strides, pads, (2, 1)), x, weights)


CASES: dict[str, Callable[[Any], Any]] = {
    "strides": lambda x: ops.convolution(x, w(3, 2, 4, 3), (2, 1), "same"),
    "dilation": lambda x: ops.convolution(x, w(3, 2, 4, 3), 1, "valid", (2, 3)),
    "dilation, padded": lambda x: ops.convolution(x, w(3, 2, 4, 3), (2, 1), ((3, 2), (2, 4)), (2, 3)),
    "strides over gaps": lambda x: ops.convolution(x, w(1, 2, 4, 3), (3, 4), ((1, 0), (2, 3))),
    "groups": lambda x: ops.convolution(x, w(3, 2, 2, 6), (2, 3), "same", groups=2),
    "depthwise": lambda x: ops.convolution(x, w(3, 3, 1, 8), 1, "same", groups=4),
    "two layers": lambda x: ops.convolution(ops.convolution(x, w(3, 3, 4, 3), 2, "same"), w(3, 3, 3, 2), 1, "same"),
    "transposed": lambda x: transposed(x, (14, 18), (2, 2), ((1, 1), (0, 1)), w(2, 3, 2, 4)),
    "transposed, gaps": lambda x: transposed(x, (21, 25), (3, 3), ((0, 0), (0, 0)), w(1, 1, 2, 4)),
    "max pool": lambda x: ops.max_pool(x, (3, 2), (2, 2), "same"),
    "average pool": lambda x: ops.average_pool(x, (2, 3), (1, 2), "same"),
    "nearest": lambda x: ops.resize(x, (14, 27), "nearest"),
    "nearest, smaller": lambda x: ops.resize(x, (3, 4), "nearest"),
    "bilinear": lambda x: ops.resize(x, (14, 18), "bilinear"),
    "bilinear, smaller": lambda x: ops.resize(x, (4, 7), "bilinear"),
    "bilinear, antialias": lambda x: ops.resize(x, (3, 4), "bilinear", True),
    "bicubic": lambda x: ops.resize(x, (13, 20), "bicubic"),
    "reflect": lambda x: ops.convolution(ops.pad(x, ((0, 0), (2, 2), (1, 3), (0, 0)), "reflect"), w(3, 3, 4, 2)),
    "circular": lambda x: ops.pad(x, ((0, 0), (2, 2), (1, 3), (0, 0)), "circular"),
    "concatenate": lambda x: ops.concatenate([x, ops.convolution(x, w(5, 1, 4, 2), 1, "same")], -1),
    "concatenate rows": lambda x: ops.concatenate([x, x], 1),
    "flatten": lambda x: ops.reshape(x, (1, 252)),
    "reshape": lambda x: ops.reshape(x, (1, 7, 9, 2, 2)),
    "transpose": lambda x: ops.transpose(x, (0, 3, 1, 2)),
    "scaled by a mean": lambda x: ops.multiply(x, ops.mean(x, (1, 2), keepdims=True)),
    "softmax": lambda x: ops.softmax(x, 2),
    "running sum": lambda x: ops.cumsum(x, 1),
    "product": lambda x: ops.matmul(x, w(4, 5)),
    "skip": lambda x: ops.add(ops.convolution(x, w(3, 3, 4, 4), 1, ((0, 2), (2, 0))), x),
    "reverse": lambda x: ops.reverse(x, (1,)),
    "slice": lambda x: ops.apply(ops.Slice((0, 1, 2, 0), (1, 6, 9, 4), (1, 2, 3, 1)), x),
}


def boxes_back(graph: Graph, y: Tensor, box: Box) -> dict[Tensor, Box]:
    boxes = {y: box}
    for node in reversed(graph.nodes):
        for k, t in enumerate(node.outputs):
            if t not in boxes:
                continue
            for links, source in zip(dependence(node, k), node.inputs):
                read = union(boxes.get(source), None if links is None else back(links, boxes[t], source.spec))
                if read is not None:
                    boxes[source] = read
    return boxes


def boxes_forward(graph: Graph, x: Tensor, box: Box) -> dict[Tensor, Box]:
    boxes = {x: box}
    for node in graph.nodes:
        for k, t in enumerate(node.outputs):
            for links, source in zip(dependence(node, k), node.inputs):
                if links is not None and source in boxes:
                    reached = union(boxes.get(t), forward(links, boxes[source], t.spec))
                    if reached is not None:
                        boxes[t] = reached
    return boxes


def support(graph: Graph, x: np.ndarray) -> np.ndarray:
    """(outputs, inputs): does a large change of the input, up or down, change the output?"""
    plain = evaluate(graph, [x])[0]
    found = np.zeros((plain.size, x.size), bool)
    for i in range(x.size):
        for change in (1e3, -1e3):
            changed = x.copy()
            changed.flat[i] += change
            found[:, i] |= (evaluate(graph, [changed])[0] != plain).ravel()
    return found


@pytest.mark.parametrize("name", CASES)
def test_boxes_are_those_of_what_changes(name: str) -> None:
    """Both ways: the boxes around what an output depends on, and around what an input reaches, are tight."""
    rng = np.random.default_rng(5)
    x = placeholder(Spec(SHAPE, "float64"))
    y = CASES[name](x)
    graph = Graph.of([x], [y])
    found = support(graph, rng.normal(size=SHAPE))

    def hull(places: np.ndarray) -> Box | None:
        return tuple((int(a), int(b)) for a, b in zip(places.min(0), places.max(0))) if len(places) else None

    for o in rng.choice(found.shape[0], 25):
        at = np.unravel_index(o, y.shape)
        box = boxes_back(graph, y, tuple((int(a), int(a)) for a in at)).get(x)
        assert box == hull(np.argwhere(found[o].reshape(SHAPE))), at
    for i in rng.choice(found.shape[1], 25):
        at = np.unravel_index(i, SHAPE)
        box = boxes_forward(graph, x, tuple((int(a), int(a)) for a in at)).get(y)
        expected = hull(np.argwhere(found[:, i].reshape(y.shape)))
        if name == "two layers" and box is not None and expected is not None:  # strides leave gaps in the hull between
            assert all(a <= c and d <= b for (a, b), (c, d) in zip(box, expected))
        else:
            assert box == expected, at


def test_an_unknown_op_depends_on_everything() -> None:
    x = placeholder(Spec((2, 3)))
    y = ops.apply(ops.CallOut(lambda a: a, x.spec, "mine"), x)
    (links,) = dependence(y.node)
    assert links is not None
    assert back(links, ((0, 0), (1, 1)), x.spec) == ((0, 1), (0, 2))
    assert forward(links, ((1, 1), (2, 2)), y.spec) == ((0, 1), (0, 2))
