from collections import Counter

import numpy as np
import pytest

from simplecell import ops
from simplecell.graph.gradients import gradients
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.simplify import RULES, Folded, Simplified, simplify
from simplecell.graph.tensor import Placeholder, Tensor, name_scope, placeholder
from simplecell.graph.whereabouts import whereabouts

RNG = np.random.default_rng(1)
NAMES = {rule.__name__ for rules in RULES.values() for rule in rules} | {"constant_folding", "custom_gradient"}


def given(*shape, role="input", dtype="float64"):
    return placeholder(ops.Spec(shape, dtype), "", role)


def weights(*shape):
    return given(*shape, role="parameter")


def inputs_of(outputs):
    from simplecell.graph.graph import topological

    return [n.outputs[0] for n in topological(outputs) if isinstance(n.op, Placeholder)]


def check(*outputs: Tensor, positive: bool = False, rtol: float = 1e-9) -> Graph:
    """Simplify, compare values at random inputs, and hand back the simplified graph."""
    before = Graph.of(inputs_of(outputs), list(outputs))
    simplified = simplify(before)
    after = simplified.graph
    assert after.inputs == before.inputs or all(a is b for a, b in zip(after.inputs, before.inputs, strict=True))
    arrays = []
    for t in before.inputs:
        x = RNG.normal(size=t.shape) if t.dtype.kind == "f" else RNG.integers(0, 3, t.shape)
        arrays.append((np.abs(x) + 0.5 if positive else x).astype(t.dtype))
    for a, b, t in zip(evaluate(before, arrays), evaluate(after, arrays), outputs, strict=True):
        assert a.shape == b.shape == t.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    assert [t.spec for t in after.outputs] == [t.spec for t in before.outputs]
    check_map(before, simplified, arrays, rtol)
    return after


def check_map(before: Graph, simplified: Simplified, arrays, rtol: float) -> None:
    """Every tensor of the graph is in the map, and what it is said to have become has its value."""
    every = [*before.inputs, *(t for n in before.nodes for t in n.outputs)]
    assert set(simplified.where) == set(every)
    after = {*simplified.graph.inputs, *(t for n in simplified.graph.nodes for t in n.outputs)}
    kept = {old: new for old, new in simplified.where.items() if isinstance(new, Tensor)}
    assert after.issuperset(kept.values())
    assert [kept[t] for t in before.outputs] == list(simplified.graph.outputs)
    gone = [where for where in simplified.where.values() if isinstance(where, Folded)]
    assert {where.rule for where in gone} <= NAMES
    one = evaluate(Graph.of(before.inputs, list(kept)), arrays)
    two = evaluate(Graph.of(before.inputs, list(kept.values())), arrays)
    for old, a, b in zip(kept, one, two, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, old
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def run_time(graph: Graph) -> dict[str, int]:
    """How often each op is left that must run at each call."""
    from simplecell.graph.rewrites.facts import Facts

    facts = Facts()
    return dict(
        Counter(n.op.name for n in graph.nodes if not isinstance(n.op, Placeholder) and not facts.static(n.outputs[0]))
    )


def test_identities():
    x = given(3, 4)
    for y in (
        x * 1, 1 * x, x + 0, 0 + x, x - 0, x / 1, x**1, ops.stop_gradient(x), ops.negative(-x),
        ops.apply(ops.Cast("float64"), x),
        ops.apply(ops.Reshape((3, 4)), x), ops.transpose(ops.transpose(x)), ops.reshape(ops.reshape(x, (2, 6)), (3, 4)),
        ops.apply(ops.BroadcastTo((3, 4)), x), ops.reverse(ops.reverse(x, 1), 1), ops.apply(ops.Concatenate(0), x),
        ops.apply(ops.Pad(((0, 0), (0, 0))), x), ops.apply(ops.Slice((0, 0), (3, 4), (1, 1)), x),
        ops.apply(ops.Reduce("sum", ()), x),
        ops.custom_gradient([x], [x], lambda d: d), x * np.ones((4,)), ops.select(np.array(True), x, x * 2),
        ops.cast(ops.cast(given(3, dtype="float32"), "float64"), "float32"),
    ):  # fmt: skip
        assert run_time(check(y)) == {}


def test_what_is_no_identity_stays():
    x, i = given(3, 4), given(3, dtype="int32")
    assert run_time(check(x * 0)) == {"multiply": 1}  # 0 · NaN
    assert run_time(check(0 - x)) == {"subtract": 1} and run_time(check(1 / (x * x + 1)))["divide"] == 1
    assert run_time(check(ops.cast(ops.cast(x, "int32"), "float64"))) == {"cast": 2}
    assert run_time(check(ops.cast(ops.cast(i, "float32"), "int32"))) == {
        "cast": 2
    }  # float32 does not hold every int32
    assert run_time(check(x * np.ones((2, 1, 1)))) == {"broadcast_to": 1}


def test_powers_and_divisions():
    x = given(5)
    assert run_time(check(ops.power(x, 2))) == {"square": 1}
    assert run_time(check(ops.power(x, 3))) == {"square": 1, "multiply": 1}
    assert run_time(check(ops.power(x, 0.5), positive=True)) == {"sqrt": 1}
    assert run_time(check(x / 4)) == {"multiply": 1} and run_time(check(x / 3)) == {"divide": 1}
    assert run_time(check(ops.maximum(x, 0))) == {"relu": 1}


def test_constants_are_folded_where_the_result_is_small():
    a = given(3)
    table = ops.reshape(ops.one_hot(given(3, dtype="int32"), 4), (4, 3))
    assert run_time(check(table)) == {"one_hot": 1, "reshape": 1}
    from simplecell.graph.tensor import as_tensor

    c = as_tensor(np.arange(3.0))
    graph = check(a + ops.sin(c) * 2)
    assert run_time(graph) == {"add": 1}
    wide = ops.broadcast_to(as_tensor(np.float64(2)), (300, 300))
    assert run_time(check(ops.sum(given(300, 300) * wide))) == {"multiply": 1, "reduce_sum": 1}
    big = as_tensor(np.ones((300, 300)) * 2)
    assert any(n.op.name == "sin" for n in check(a[0] + ops.sin(big)).nodes)


def test_equal_ops_become_one():
    x = given(3, 4)
    y = ops.exp(x * 2) + ops.sin(ops.exp(x * 2))
    assert run_time(check(y)) == {"multiply": 1, "exp": 1, "sin": 1, "add": 1}
    calls = [ops.apply(ops.CallOut(np.sin, ops.Spec((3, 4), "float64"), "call"), x) for _ in range(2)]
    assert run_time(check(calls[0] + calls[1]))["call"] == 2


def test_reductions_of_unit_axes():
    x = given(1, 5, 1, 3)
    assert run_time(check(ops.sum(x, (0, 2)))) == {"reshape": 1}
    assert run_time(check(ops.max(x, (0, 1)))) == {"reduce_max": 1, "reshape": 1}
    assert run_time(check(ops.prod(x, (0, 2), keepdims=True))) == {}


def batch_norm(x, channels, axis=-1):
    return ops.batch_normalization(
        x, weights(channels), ops.square(weights(channels)), axis, weights(channels), weights(channels)
    )


LINEAR = {
    "convolution": lambda x: ops.convolution(x, weights(3, 3, 4, 6), 2, "same"),
    "grouped": lambda x: ops.convolution(x, weights(3, 3, 2, 6), groups=2),
    "depthwise": lambda x: ops.convolution(x, weights(3, 3, 1, 8), groups=4),
    "pointwise": lambda x: ops.convolution(x, weights(1, 1, 4, 5)),
    "transposed": lambda x: ops.transposed_convolution(x, weights(3, 3, 6, 4), 2, "same"),
    "transposed_grouped": lambda x: ops.transposed_convolution(x, weights(3, 3, 3, 4), 2, "same", groups=2),
    "matmul": lambda x: ops.matmul(x, weights(4, 7)),
    "matmul_transposed": lambda x: ops.matmul(x, weights(7, 4), False, True),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("bias", [False, True])
def test_batch_normalization_folds(name, bias):
    x = given(2, 7, 8, 4)
    y = LINEAR[name](x)
    channels = y.shape[-1]
    linear = y.node.op.name
    if bias:
        y = y + weights(channels)
    y = ops.relu(batch_norm(y, channels))
    assert run_time(check(y)) == {linear: 1, "add": 1, "relu": 1}
    # the other common spelling
    z = LINEAR[name](x)
    z = (z - weights(channels)) / ops.sqrt(ops.square(weights(channels)) + 1e-3) * weights(1, 1, 1, channels) + weights(
        channels
    )
    assert run_time(check(z)) == {linear: 1, "add": 1}


def test_a_folded_convolution_keeps_its_layer():
    with name_scope("conv"):
        y = ops.convolution(given(1, 5, 5, 2), weights(3, 3, 2, 3))
    with name_scope("norm"):
        y = batch_norm(y, 3)
    scopes = {n.op.name: n.scope for n in check(y).nodes}
    assert scopes["convolution"] == "conv" and scopes["add"] == "norm"


def test_a_residual_block():
    x = given(1, 6, 6, 4)
    y = ops.relu(batch_norm(ops.convolution(x, weights(1, 1, 4, 4)) + weights(4), 4))
    y = ops.relu(batch_norm(ops.convolution(y, weights(3, 3, 4, 4), padding="same"), 4))
    y = batch_norm(ops.convolution(y, weights(1, 1, 4, 8)), 8)
    shortcut = batch_norm(ops.convolution(x, weights(1, 1, 4, 8)), 8)
    assert run_time(check(ops.relu(shortcut + y))) == {"convolution": 4, "add": 5, "relu": 3}


def test_no_fold_where_the_sum_is_needed_elsewhere_or_the_scale_is_an_input():
    x = given(2, 5, 5, 3)
    y = ops.convolution(x, weights(3, 3, 3, 4))
    assert run_time(check(y * weights(4), y)) == {"convolution": 1, "multiply": 1}
    z = ops.convolution(x, weights(3, 3, 3, 4))
    assert run_time(check(z * given(4))) == {"convolution": 1, "multiply": 1}
    z = ops.convolution(x, weights(3, 3, 3, 4))
    assert run_time(check(z * weights(3, 1, 4))) == {"convolution": 1, "multiply": 1}  # not per channel
    z = ops.convolution(x, given(3, 3, 3, 4))
    assert run_time(check(z * weights(4))) == {"convolution": 1, "multiply": 1}


def test_rescaled_inputs():
    x = given(2, 6, 6, 3)
    assert run_time(check(ops.convolution(x * (1 / 255), weights(3, 3, 3, 4), padding="same"))) == {"convolution": 1}
    assert run_time(check(ops.convolution(x * weights(3), weights(3, 3, 3, 4)))) == {"convolution": 1}
    assert run_time(check(ops.matmul(x * weights(3), weights(3, 4)))) == {"matmul": 1}
    assert run_time(check(ops.matmul(ops.mean(x, (1, 2)), weights(3, 4)))) == {"reduce_sum": 1, "matmul": 1}
    assert run_time(check(ops.convolution(1 / (x * x + 1), weights(3, 3, 3, 4))))["divide"] == 1


def test_padding_joins():
    x = given(2, 7, 7, 3)
    padded = ops.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0)))
    assert run_time(check(ops.convolution(padded, weights(3, 3, 3, 4), 2))) == {"convolution": 1}
    assert run_time(
        check(ops.convolution(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), value=1), weights(3, 3, 3, 4)))
    ) == {
        "pad": 1,
        "convolution": 1,
    }
    assert run_time(
        check(ops.convolution(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge"), weights(3, 3, 3, 4)))
    ) == {"pad": 1, "convolution": 1}
    assert run_time(check(ops.convolution(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 1))), weights(3, 3, 4, 4)))) == {
        "pad": 1,
        "convolution": 1,
    }


def test_padding_before_max_pooling():
    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    x = given(2, 7, 7, 3)
    assert run_time(check(ops.max_pool(ops.pad(ops.relu(x), border), 3, 2))) == {"relu": 1, "max_pool": 1}
    assert run_time(check(ops.max_pool(ops.pad(ops.relu(x) + ops.relu(-x), border), 3, 2)))["max_pool"] == 1
    assert run_time(check(ops.max_pool(ops.pad(x, border), 3, 2))) == {"pad": 1, "max_pool": 1}
    assert run_time(check(ops.max_pool(ops.pad(x, border, value=-np.inf), 3, 2))) == {"max_pool": 1}
    assert (
        run_time(check(ops.max_pool(ops.pad(ops.relu(x), border), 1, 1)))["pad"] == 1
    )  # some windows hold padding alone
    assert run_time(check(ops.max_pool(ops.pad(ops.relu(x), ((0, 0), (0, 2), (0, 2), (0, 0))), 3, 2)))["max_pool"] == 1


def channels_first_network(x):
    def conv(t, w):
        last = ops.transpose(t, (0, 2, 3, 1))
        return ops.transpose(ops.convolution(last, w, padding="same"), (0, 3, 1, 2))

    y = conv(x, weights(3, 3, 3, 4)) + weights(4, 1, 1)
    y = ops.relu(batch_norm(y, 4, 1))
    z = ops.relu(conv(y, weights(3, 3, 4, 4)) + weights(1, 4, 1, 1))
    joined = ops.concatenate([z, y + z], 1)
    return ops.mean(ops.relu(conv(joined, weights(1, 1, 8, 5))), (2, 3))


def test_transposes_of_channels_first_meet_and_cancel():
    graph = check(channels_first_network(given(2, 3, 6, 5)))
    assert run_time(graph)["transpose"] == 1  # the input's


def test_transpose_of_unit_axes_is_a_reshape():
    assert run_time(check(ops.transpose(given(4, 1, 1, 3), (0, 3, 1, 2)))) == {"reshape": 1}


def test_training_graphs():
    x = given(4, 6, 6, 3)
    w1, w2, scale = weights(3, 3, 3, 5), weights(5, 2), weights(5)
    y = ops.relu(
        ops.batch_normalization(ops.convolution(x, w1), *ops.moments(ops.convolution(x, w1), (0, 1, 2)), scale=scale)
    )
    loss = ops.mean(ops.log_softmax(ops.matmul(ops.mean(y, (1, 2)), w2))[:, 0])
    graph = check(loss, *gradients(loss, [w1, w2, scale]))
    assert run_time(graph)["convolution"] == 1


def gradients_of(outputs, wrt):
    seeds = [given(*t.shape) for t in outputs]
    return gradients(outputs, wrt, seeds)


@pytest.mark.parametrize("normalize", ["batch", "layer"])
def test_normalization_in_training_takes_no_needless_passes(normalize):
    x, scale, offset = given(4, 5, 6, 3), given(3), given(3)
    if normalize == "batch":
        y = ops.batch_normalization(x, *ops.moments(x, (0, 1, 2)), offset=offset, scale=scale)
    else:
        y = ops.layer_normalization(x, (1, 2, 3), scale, offset)
    graph = check(y, *gradients_of([y], [x, scale, offset]))
    full = [n for n in graph.nodes if n.op.name == "reduce_sum" and n.inputs[0].shape == x.shape]
    # mean and variance; sums of d and of d · x. Layer normalization sums over other axes for its scale and offset
    assert len(full) == {"batch": 4, "layer": 6}[normalize]


def test_averages_of_pixels_come_before_pointwise_convolutions():
    x, w, b = given(2, 9, 8, 6), weights(1, 1, 6, 4), weights(4)
    y = ops.convolution(x, w)

    def swapped(output):
        nodes = [n for n in check(output).nodes if n.op.name in ("average_pool", "convolution")]
        return [n.op.name for n in nodes] == ["average_pool", "convolution"]

    assert swapped(ops.average_pool(y, 2))
    assert swapped(ops.tanh(ops.average_pool(b + y, 3, 2, "same")))
    assert swapped(ops.average_pool(ops.convolution(x, weights(1, 1, 3, 4), groups=2), 2))
    assert not swapped(ops.average_pool(y, 3, 1))  # as many pixels as before
    assert not swapped(ops.average_pool(ops.relu(y), 2))
    assert not swapped(ops.average_pool(ops.convolution(x, weights(1, 1, 6, 4), 2), 2))
    assert not swapped(ops.average_pool(ops.convolution(x, weights(1, 3, 6, 4)), 2))
    assert not swapped(ops.average_pool(y + x[:, :, :, :4], 2))
    assert [n.op.name for n in check(ops.average_pool(y, 2), y).nodes if not isinstance(n.op, Placeholder)] == [
        "convolution",
        "average_pool",
    ]


def test_the_relu_mask_moves_to_the_small_side_of_pooling():
    x = given(2, 7, 7, 3)
    y = ops.max_pool(ops.relu(x), 3, 2, "same")
    graph = check(y, *gradients_of([y], [x]))
    assert [n.outputs[0].shape for n in graph.nodes if n.op.name == "select"] == [(2, 4, 4, 3)]
    z = ops.max_pool(ops.tanh(x), 3, 2, "same")  # no mask, no change
    assert run_time(check(*gradients_of([z], [x])))["max_pool_gradient"] == 1


def test_reshapes_sink_and_meet():
    x = given(2, 3, 4)
    assert run_time(check(ops.reshape(ops.relu(ops.reshape(x, (6, 4)) * 2), (2, 3, 4)))) == {"multiply": 1, "relu": 1}
    assert run_time(check(ops.sum(x, 1, keepdims=True)[:, 0] + ops.sum(x, 1))) == {"reduce_sum": 1, "add": 1}
    assert run_time(check(x + ops.reshape(given(4), (1, 1, 4)))) == {"add": 1}


def random_graph(seed: int) -> list[Tensor]:
    """Some forty random ops over a pool of tensors of a few shapes."""
    rng = np.random.default_rng(seed)
    pool = [given(2, 1, 3), given(2, 4, 3), weights(3), weights(2, 4, 3), given(1, 4, 1)]
    for _ in range(40):
        a, b = (pool[rng.integers(len(pool))] for _ in range(2))
        choice = rng.integers(14)
        try:
            made = [
                lambda a=a, b=b: a + b, lambda a=a, b=b: a * b, lambda a=a, b=b: ops.maximum(a, b),
                lambda a=a: ops.tanh(a),
                lambda a=a: a * float(rng.choice([0, 1, 2, -1])), lambda a=a: a + float(rng.choice([0, 1])),
                lambda a=a: ops.transpose(a, rng.permutation(a.ndim).tolist()), lambda a=a: ops.reshape(a, (-1,)),
                lambda a=a: ops.sum(a, int(rng.integers(a.ndim)), keepdims=bool(rng.integers(2))), lambda a=a: -a,
                lambda a=a: ops.reverse(a, int(rng.integers(a.ndim))), lambda a=a, b=b: ops.select(a > 0, a, b),
                lambda a=a, b=b: ops.concatenate([a, b], int(rng.integers(a.ndim))), lambda a=a: ops.pad(a, [(0,
                1)] * a.ndim),
            ][choice]()  # fmt: skip
        except (ValueError, IndexError):
            continue
        if made.size < 500:
            pool.append(made)
    return pool[-4:]


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed):
    check(*random_graph(seed))


def test_every_rule_is_documented():
    assert all(rule.__doc__ for rules in RULES.values() for rule in rules)


# --- what has become of what ------------------------------------------------------------------------------------------


def border(*widths):
    return ((0, 0), *widths, (0, 0))


def folded_cases():
    """By name: a tensor, the outputs that are computed from it, and the rule that makes it needless (None: its value
    stays)."""
    from simplecell.graph.tensor import as_tensor

    x, y = given(2, 7, 7, 3), given(3, 4)
    conv = ops.convolution(x, weights(3, 3, 3, 4))
    shifted = ops.convolution(x, weights(3, 3, 3, 4)) + weights(4)
    padded, padded_again = (ops.pad(x, border((1, 1), (1, 1))) for _ in range(2))
    around = ops.pad(ops.relu(x), border((1, 1), (1, 1)))
    scaled = x * (1 / 255)
    pointwise = ops.convolution(x, weights(1, 1, 3, 4))
    turned, turned_again = ops.transpose(y), ops.transpose(y)
    flat, flat_again = ops.reshape(y, (12,)), ops.reshape(y, (12,))
    negative, cast = -y, ops.cast(y, "float32")
    wide = ops.cast(ops.cast(y, "float32"), "float64")
    known = as_tensor(np.arange(3.0))
    sine = ops.sin(known)
    spread = ops.apply(ops.BroadcastTo((3, 4)), given(4))
    kept_axes = ops.sum(y, 1, keepdims=True)
    ones = ops.sum(given(1, 5, 1), (0, 1))
    deviations = y - ops.mean(y, 0, keepdims=True)
    moved = ops.transpose(given(4, 1, 3), (1, 0, 2))
    largest, zero = ops.maximum(y, 0), as_tensor(np.zeros(4))
    argument = ops.exp(y)
    custom = ops.custom_gradient([y * 3], [argument], lambda d: [d])
    summed = ops.sum(ops.transpose(given(3, 4, 5), (2, 0, 1)), 0)
    z = given(2, 6, 6, 3)
    relu = ops.relu(z)
    pool = ops.max_pool(relu, 2, 2)
    (masked,) = gradients(pool, [z], [given(*pool.shape)])
    unmasked = masked.node.inputs[1]
    filters_padded = ops.apply(
        ops.ConvolutionGradientWeights((3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1), padded_again, given(2, 7, 7, 4)
    )
    return {
        "scales_and_shifts": (conv, batch_norm(conv, 4), "scales_and_shifts"),
        "scales_and_shifts of a sum": (shifted, shifted * weights(4), "scales_and_shifts"),
        "a convolution that something else needs": (shifted, [shifted * weights(4), shifted], None),
        "padding_into_convolution": (padded, ops.convolution(padded, weights(3, 3, 3, 4)), "padding_into_convolution"),
        "padding_into_convolution of gradients": (padded_again, filters_padded, "padding_into_convolution"),
        "padding_into_max_pool": (around, ops.max_pool(around, 3, 2), "padding_into_max_pool"),
        "input_scale_into_weights": (scaled, ops.convolution(scaled, weights(3, 3, 3, 4)), "input_scale_into_weights"),
        "average_before_pointwise_convolution": (
            pointwise, ops.average_pool(pointwise, 2), "average_before_pointwise_convolution",
        ),
        "transpose_of_transpose": (turned, ops.transpose(turned), "transpose_of_transpose"),
        "transpose_sinks": (turned_again, ops.tanh(turned_again), "transpose_sinks"),
        "transpose_of_unit_axes": (moved, ops.concatenate([moved, moved], 0), None),
        "reshape_of_reshape": (flat, ops.reshape(flat, (2, 6)), "reshape_of_reshape"),
        "reshape_sinks": (flat_again, ops.tanh(flat_again), "reshape_sinks"),
        "inverse_of_inverse": (negative, -negative, "inverse_of_inverse"),
        "cast_of_cast": (wide, ops.cast(wide, "float64"), None),
        "without_effect": (cast, ops.stop_gradient(cast), None),
        "constant_folding": (known, given(3) + sine, "constant_folding"),
        "constant_folding's result": (sine, given(3) + sine, None),
        "needless_broadcast": (spread, spread + y, "needless_broadcast"),
        "kept_axes_as_reshape": (kept_axes, ops.concatenate([kept_axes, kept_axes], 1), None),
        "reduction_of_unit_axes": (ones, ones * 2, None),
        "reduction_of_transpose": (summed.node.inputs[0], summed, "reduction_of_transpose"),
        "sum_of_deviations": (deviations, ops.sum(deviations, 0) + given(4), "sum_of_deviations"),
        "relu_mask_before_pooling_gradient": (unmasked, masked, "relu_mask_before_pooling_gradient"),
        "custom_gradient": (argument, custom, "custom_gradient"),
        "custom_gradient's value": (custom, custom + 1, None),
        "known_condition": (negative, ops.select(np.array(True), y, negative), "known_condition"),
        "arithmetic": (largest, largest + y, None),
        "arithmetic on a constant": (zero, y + zero, "arithmetic"),
    }  # fmt: skip


FOLDED = folded_cases()


@pytest.mark.parametrize("name", FOLDED)
def test_what_has_become_of_a_tensor(name):
    tensor, outputs, rule = FOLDED[name]
    outputs = outputs if isinstance(outputs, list) else [outputs]
    check(*outputs)  # whose values, and those of all that is left, are right
    simplified = simplify(Graph.of(inputs_of(outputs), outputs))
    if rule is None:
        assert isinstance(simplified.where[tensor], Tensor)
    else:
        assert simplified.where[tensor] == Folded(rule)


def test_outputs_of_one_op_that_is_needless():
    x = given(3)
    both = ops.apply(ops.CallOut(lambda a: (a, a + 1), (ops.Spec((3,), "float64"),) * 2, "two"), x)
    y = ops.custom_gradient([x * 2], [both[1]], lambda d: [d])
    check(y)
    where = simplify(Graph.of([x], [y])).where
    assert where[both[0]] == where[both[1]] == Folded("custom_gradient") and where[y] is where[y.node.inputs[0]]


def test_inputs_that_nothing_needs_are_in_the_map():
    x, others = given(3), [given(3) for _ in range(9)]
    y = ops.tanh(ops.negative(-x)) + np.zeros(3)
    where = simplify(Graph.of([x, *others], [y])).where
    assert all(where[t] is t for t in (x, *others)) and where[y.node.inputs[0]] is where[y]
    negative = y.node.inputs[0].node.inputs[0].node.inputs[0]
    assert where[negative] == Folded("inverse_of_inverse")


def test_every_rule_has_its_case():
    assert NAMES <= {name.partition(" ")[0].removesuffix("'s") for name in FOLDED}


def test_whereabouts():
    x = given(1, 5, 5, 2)
    conv = ops.convolution(x, weights(3, 3, 2, 3))
    norm = batch_norm(conv, 3)
    relu = ops.relu(norm)
    outputs = [ops.tanh(relu)]
    unused = ops.exp(relu)
    simplified = simplify(Graph.of(inputs_of(outputs), outputs))
    (result,) = simplified.graph.outputs
    memory = {x, result}
    at = {t: whereabouts(simplified, t, memory) for t in (x, conv, norm, relu, unused, outputs[0])}
    assert [at[t].kind for t in at] == [
        "in memory", "folded away", "inside a step", "inside a step", "not computed", "in memory",
    ]  # fmt: skip
    assert str(at[conv]) == "folded away by scales_and_shifts" and at[conv].tensor is None
    assert at[outputs[0]].tensor is result and str(at[relu]) == "inside a step"
    assert whereabouts(simplified, norm, {simplified.where[norm]}).kind == "in memory"
