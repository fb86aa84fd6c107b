import numpy as np
import pytest

from simplecell import ops
from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph, evaluate, topological
from simplecell.graph.tensor import name_scope, placeholder
from tests.ops.differences import check_gradient, run


def test_paths_join():
    def function(x):
        y = ops.sin(x)
        return ops.concatenate([y * x, y], 0) * ops.sum(y)

    check_gradient(function, np.random.default_rng(1).normal(size=(5,)))


def test_seeds_weight_the_outputs():
    x = np.array([1.0, 2, 3])

    def function(t):
        return gradients([t * 2, ops.square(t)], [t], [placeholder_like(1.0), placeholder_like(10.0)])[0]

    def placeholder_like(value):
        from simplecell.graph.tensor import as_tensor

        return as_tensor(np.full(3, value))

    assert run(function, x).tolist() == [22, 42, 62]


def test_unconnected_integer_and_stopped_get_zeros():
    x, y, i = placeholder(ops.Spec((2,))), placeholder(ops.Spec((3,))), placeholder(ops.Spec((2,), "int32"))
    loss = ops.sum(ops.stop_gradient(x) * 3 + ops.cast(i, "float32"))
    found = gradients(loss, [x, y, i])
    assert [g.spec for g in found] == [x.spec, y.spec, i.spec]
    values = evaluate(
        Graph.of([x, y, i], found), [np.ones(2, np.float32), np.ones(3, np.float32), np.ones(2, np.int32)]
    )
    assert not any(v.any() for v in values)


def test_only_the_way_is_visited():
    x, y = placeholder(ops.Spec((2,))), placeholder(ops.Spec((2,)))
    no_gradient = ops.apply(ops.CallOut(np.cbrt, ops.Spec((2,)), "cube_root"), y)
    assert gradients(ops.sum(x * no_gradient), [x])[0].shape == (2,)
    with pytest.raises(NotImplementedError, match="`cube_root` has no gradient"):
        gradients(ops.sum(x * no_gradient), [y])


def test_with_respect_to_an_intermediate():
    x = np.array([1.0, 2])

    def function(t):
        y = t * t
        return gradients(ops.sum(y * y), [y])[0]

    assert run(function, x).tolist() == [2, 8]


def test_second_derivative():
    def function(x):
        return gradients(ops.sum(x**3), [x])[0]

    check_gradient(function, np.array([0.5, -1.5, 2]))


def test_a_call_out_with_a_derivative():
    def cube_root(x):
        op = ops.CallOut(np.cbrt, x.spec, "cube_root", lambda i, o, d: [d[0] / (3 * ops.square(o[0]))])
        return ops.apply(op, x)

    check_gradient(cube_root, np.array([0.5, 1.5, 8]))


def test_custom_gradient():
    def function(x):
        return ops.custom_gradient([ops.log(1 + ops.exp(x))], [x], lambda d: d * 5)

    assert run(lambda x: gradients(ops.sum(function(x) * 2), [x])[0], np.zeros(2)).tolist() == [10, 10]
    assert ops.custom_gradient([np.ones(2)], [np.ones(3)], None).tolist() == [1, 1]

    def two(x, y):
        a, b = ops.custom_gradient([x * y, x + y], [x, y], lambda da, db: (da * 3, db * 7))
        return gradients(ops.sum(a), [x, y])

    gx, gy = run(two, np.ones(2), np.ones(2))
    assert gx.tolist() == [3, 3] and gy.tolist() == [0, 0]  # an output that nothing depends on comes as zeros
    with pytest.raises(ValueError, match="the function has 1, its gradient returned 2"):
        run(lambda x: gradients(ops.sum(ops.custom_gradient([x * 1], [x], lambda d: (d, d))), [x])[0], np.ones(2))


def test_scopes_tell_the_layer():
    x = placeholder(ops.Spec((2,)))
    with name_scope("dense"):
        y = ops.exp(x)
    loss = ops.sum(y)
    with name_scope("elsewhere"):
        found = gradients(loss, [x])
    assert {n.scope for n in topological(found)} == {
        "",
        "dense",
        "elsewhere",
        "gradient",
        "gradient/dense",
    }  # the seed is made where it is asked for


def test_errors():
    x = placeholder(ops.Spec((2,)))
    with pytest.raises(ValueError, match=r"Only a floating scalar has a gradient without `seeds`; came float32\[2\]"):
        gradients(x * 2, [x])
    with pytest.raises(ValueError, match="`seeds` must have one entry per output: 1; came 2"):
        gradients([x], [x], [x, x])
    with pytest.raises(
        ValueError, match=r"A seed must have its output's shape: the output is float32\[2\], the seed float32\[\]"
    ):
        gradients(x, [x], ops.sum(x))
