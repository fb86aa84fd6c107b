"""Groups compute what the graph computes, in an order in which they can run, and fuse what they should."""

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.code.expression import Expression
from simplecell.engine.planning.fuse import fuse, singles
from simplecell.engine.planning.groups import AnchoredGroup, Group, LoopGroup, ReductionGroup
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import Constant, Placeholder, placeholder
from simplecell.ops.base import Spec
from simplecell.ops.elementwise import Binary, Cast, Select, Unary


def interpret(expression: Expression, values: list[np.ndarray]) -> list[np.ndarray]:
    """The expression by the ops' references."""
    values = list(values)
    for i in expression.instructions:
        operands = [values[k] for k in i.operands]
        if i.function == "constant":
            values.append(np.asarray(i.number, i.dtype))
        elif i.function == "cast":
            values.append(Cast(i.dtype).reference(*operands))
        elif i.function == "select":
            values.append(Select().reference(*operands))
        else:
            values.append((Unary if len(operands) == 1 else Binary)(i.function).reference(*operands))
    return [values[k] for k in expression.outputs]


def run(groups: list[Group], graph: Graph, arrays: list[np.ndarray]) -> list[np.ndarray]:
    values = dict(zip(graph.inputs, arrays, strict=True))

    def value(t):
        return t.node.op.value if isinstance(t.node.op, Constant) else values[t]

    for group in groups:
        op = group.anchor.op
        if isinstance(group, AnchoredGroup):
            acc = op.reference(*(value(t) for t in group.inputs))
            flat = []
            for kind, t in zip(group.epilogue.kinds, group.operands):
                v = value(t)
                assert (kind, v.size) in (("scalar", 1), ("channel", acc.shape[-1])) or (
                    kind == "full" and v.shape == acc.shape
                )
                flat.append(v.reshape(-1) if kind != "full" else v)
            results = interpret(group.epilogue.expression, [acc, *flat])
        elif isinstance(group, (LoopGroup, ReductionGroup)) and group.expression is not None:
            read = [np.broadcast_to(value(t), np.broadcast_shapes(value(t).shape, group.shape)) for t in group.inputs]
            results = interpret(group.expression, read)
            if isinstance(op, ops.Reduce):
                results = [op.reference(np.broadcast_to(results[0], group.shape))]
        else:
            result = op.reference(*(value(t) for t in group.inputs))
            results = result if isinstance(result, tuple) else (result,)
        for t, r in zip(group.outputs, results, strict=True):
            values[t] = np.broadcast_to(r, t.shape)
    return [value(t) for t in graph.outputs]


def random_graph(rng) -> Graph:
    """A tangle of element-wise ops, reductions and products on (4, 6) and (6,)."""
    inputs = [
        placeholder(Spec((4, 6)), "a"),
        placeholder(Spec((4, 6)), "b"),
        placeholder(Spec((6,)), "c"),
        placeholder(Spec((6, 6)), "w"),
    ]
    whole, rows = inputs[:2], [inputs[2]]

    def pick(pool):
        return pool[int(rng.integers(max(0, len(pool) - 6), len(pool)))]

    for _ in range(int(rng.integers(5, 40))):
        kind = rng.integers(8)
        if kind <= 1:
            whole.append(getattr(ops, rng.choice(["tanh", "sigmoid", "relu", "square", "negative"]))(pick(whole)))
        elif kind == 2:
            whole.append(getattr(ops, rng.choice(["add", "subtract", "multiply", "maximum"]))(pick(whole), pick(whole)))
        elif kind == 3:
            whole.append(ops.add(pick(whole), pick(rows)))
        elif kind == 4:
            rows.append(ops.mean(pick(whole), 0))
        elif kind == 5:
            whole.append(ops.matmul(ops.tanh(pick(whole)), inputs[3]))
        elif kind == 6:
            rows.append(ops.multiply(pick(rows), 0.5))
        else:
            whole.append(ops.select(ops.greater(pick(whole), 0.25), pick(whole), pick(whole)))
    return Graph.of(inputs, [pick(whole), pick(whole), pick(rows), whole[-1]])


@pytest.mark.parametrize("seed", range(60))
def test_groups_compute_what_the_graph_does(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    arrays = [rng.standard_normal(t.shape).astype(np.float32) for t in graph.inputs]
    groups = fuse(graph)
    for got, expected in zip(run(groups, graph, arrays), evaluate(graph, arrays), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    alone = [s for g in groups for s in (singles(g) if isinstance(g, AnchoredGroup) else [g])]
    for got, expected in zip(run(alone, graph, arrays), evaluate(graph, arrays), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def of_kind(groups, op):
    return [g for g in groups if isinstance(g.anchor.op, op)]


def test_bias_activation_and_residual_ride_on_the_convolution():
    x, w, b = placeholder(Spec((1, 8, 8, 4))), placeholder(Spec((3, 3, 4, 4))), placeholder(Spec((4,)))
    y = ops.relu(ops.add(ops.add(ops.convolution(x, w, 1, "same"), ops.reshape(b, (1, 1, 1, 4))), x))
    groups = [g for g in fuse(Graph.of([x, w, b], [y])) if not isinstance(g.anchor.op, ops.Reshape)]
    (group,) = groups
    assert group.epilogue is not None and group.epilogue.kinds == ("channel", "full")


def test_a_swish_diamond_rides_too():
    x, w = placeholder(Spec((5, 4))), placeholder(Spec((4, 3)))
    y = ops.matmul(x, w)
    (group,) = fuse(Graph.of([x, w], [ops.multiply(y, ops.sigmoid(y))]))
    assert group.epilogue is not None and len(group.epilogue.expression.instructions) == 2


def test_what_others_need_is_not_hidden_in_an_epilogue():
    x, w = placeholder(Spec((5, 4))), placeholder(Spec((4, 3)))
    y = ops.matmul(x, w)
    groups = fuse(Graph.of([x, w], [ops.relu(y), y]))
    assert len(groups) == 2 and groups[0].output is y


def test_an_update_rule_is_one_loop_with_several_outputs():
    w, m, v, g = (placeholder(Spec((10,)), n) for n in "wmvg")
    m2 = ops.add(ops.multiply(m, 0.9), ops.multiply(g, 0.1))
    v2 = ops.add(ops.multiply(v, 0.99), ops.multiply(ops.square(g), 0.01))
    w2 = ops.subtract(w, ops.divide(m2, ops.add(ops.sqrt(v2), 1e-7)))
    (group,) = fuse(Graph.of([w, m, v, g], [w2, m2, v2]))
    assert {id(t) for t in group.outputs} == {id(w2), id(m2), id(v2)}


def test_a_reduction_takes_the_deviation_with_it():
    x = placeholder(Spec((4, 6)))
    mean = ops.mean(x, 0, keepdims=True)
    centred = ops.subtract(x, mean)
    variance = ops.mean(ops.square(centred), 0, keepdims=True)
    y = ops.multiply(centred, ops.rsqrt(ops.add(variance, 1e-3)))
    groups = fuse(Graph.of([x], [y]))
    assert not any(t is centred for g in groups for t in g.outputs)


def test_placeholders_and_constants_make_no_group():
    x = placeholder(Spec((4,)))
    assert not any(isinstance(g.anchor.op, (Placeholder, Constant)) for g in fuse(Graph.of([x], [ops.add(x, 1.0)])))
