"""Networks made by hand: no Keras in sight."""

from __future__ import annotations

import pickle
import weakref
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from simplecell import ops
from simplecell.graph.graph import Graph, evaluate, substitute, topological
from simplecell.graph.listing import BATCH, OTHER, size_by_batch
from simplecell.graph.network import Network, unused
from simplecell.graph.parts import LayerCall, Parameter, Structure, only, structure_of
from simplecell.graph.tensor import Node, Placeholder, Tensor, as_tensor, name_scope, placeholder

RNG = np.random.default_rng(2)


class Cell:
    def __init__(self, array: np.ndarray | None) -> None:
        self.array = array


class Source:
    def __init__(self, array: np.ndarray | None) -> None:
        self.cell = Cell(array)


class Layer:
    """Anything can be a layer: it is known by identity."""


SCALE, PAIR = Layer(), Layer()


def made(batch_size: int | None, sources: dict[str, Source], fixed: int | None = None) -> Network:
    """scale(x) = x · w, twice; pair(…) = (its sine, its cosine)."""
    size = BATCH if batch_size is None else batch_size
    x = placeholder(ops.Spec((size, 3)), "x")
    w = placeholder(ops.Spec((3,)), "w", "parameter")
    calls: list[LayerCall] = []
    value: Any = x
    for number in (1, 2):
        scope = "net/scale" + ("" if number == 1 else f"#{number}")
        with name_scope(scope):
            after = value * w
        calls.append(
            LayerCall(
                scope[4:], "scale", number, "Scale", (value,), (after,), ("",), ("",), scope, None, weakref.ref(SCALE)
            )
        )
        value = after
    with name_scope("net/pair"):
        both = ops.sin(value), ops.cos(value)
    calls.append(
        LayerCall(
            "pair", "pair", 1, "Pair", (value,), both, ("",), ("low", "high"), "net/pair", None, weakref.ref(PAIR)
        )
    )
    outputs = {"sum": both[0] + both[1]}
    return Network(
        name="net",
        graph=Graph.of([w, x], list(outputs.values())),
        inputs=MappingProxyType({"x": x}),
        outputs=MappingProxyType(outputs),
        parameters=MappingProxyType({"w": Parameter("w", w, sources["w"])}),
        updates=MappingProxyType({}),
        calls=tuple(calls),
        structure=Structure((0,), only),
        batch_size=batch_size,
        origin=lambda n: made(n, sources),
    )


def test_computing_and_choosing_outputs() -> None:
    w = RNG.normal(size=3).astype("float32")
    sources = {"w": Source(w)}
    network = made(None, sources)
    for n in (1, 5):
        x = RNG.normal(size=(n, 3)).astype("float32")
        z = x * w * w
        np.testing.assert_allclose(network(x), np.sin(z) + np.cos(z), rtol=1e-6)
        found = network.with_outputs("scale", PAIR, "x")(x)
        assert list(found) == ["scale", "pair:low", "pair:high", "x"]
        np.testing.assert_allclose(found["scale"], x * w)
        np.testing.assert_allclose(found["pair:high"], np.cos(z), rtol=1e-6)
        np.testing.assert_array_equal(found["x"], x)
        again = network.with_outputs("scale#2").with_outputs((SCALE, 1))
        np.testing.assert_allclose(again(x), x * w)
    assert [len(made._made) for made in (network,)] == [2]
    sources["w"].cell = Cell(w * 2)
    np.testing.assert_allclose(network.with_outputs("scale")(x), x * w * 2)


def test_parameters_without_a_value() -> None:
    network = made(2, {"w": Source(None)})
    with pytest.raises(ValueError, match="Variable w has no value yet"):
        network(np.zeros((2, 3), "float32"))


def test_tensors_have_names_and_belong_to_a_network() -> None:
    sources = {"w": Source(np.ones(3, "float32"))}
    network = made(None, sources)
    square = network.outputs_of("scale#2")[0]
    names = network.with_outputs(
        square, network.outputs_of("pair")[1], network.outputs["sum"], network.parameters["w"].tensor
    ).outputs
    assert list(names) == ["scale#2", "pair:high", "sum", "w"]
    apart = ops.exp(placeholder(ops.Spec((2,))))
    with pytest.raises(ValueError, match="no one value in `net`: .* tensor of another network"):
        network.with_outputs(apart)
    with pytest.raises(ValueError, match="is not a value of `net`"):
        network.with_outputs(ops.exp(network.inputs["x"]))
    # of a network for one batch size alone, it is one all the same
    fixed = Network(**{**vars(made(4, sources)), "origin": None, "_made": {}})
    x = RNG.normal(size=(4, 3)).astype("float32")
    np.testing.assert_allclose(fixed.with_outputs(ops.exp(fixed.inputs["x"]))(x), np.exp(x), rtol=1e-6)
    with pytest.raises(TypeError, match="cannot be copied or pickled: it was not traced"):
        pickle.dumps(fixed)


def test_inputs_are_looked_at() -> None:
    network = made(None, {"w": Source(np.ones(3, "float32"))})
    for x, message in (
        (np.zeros((2, 4)), r"input 0 must have shape \(batch, 3\), got \(2, 4\)"),
        ({"y": np.zeros((2, 3))}, "the model's inputs are named 'x', got 'y'"),
        ([np.zeros((2, 3))] * 2, r"has 1 input\(s\), got 2"),
        (None, "must be an array of numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            network(x)
    assert network({"x": [[1, 2, 3]]}).shape == (1, 3)


def test_checks_are_made() -> None:
    class Positive:
        def __init__(self, tensor: Tensor) -> None:
            self.sources = (tensor,)

        def __call__(self, *arrays: np.ndarray) -> None:
            if (arrays[0] < 0).any():
                raise ValueError("x: below zero")

    plain = made(2, {"w": Source(np.ones(3, "float32"))})
    network = Network(**{**vars(plain), "checks": (Positive(plain.inputs["x"]),), "_made": {}})
    network(np.ones((2, 3)))
    with pytest.raises(ValueError, match="below zero"):
        network.with_outputs("scale")(-np.ones((2, 3)))


def test_frozen() -> None:
    network = made(None, {"w": Source(np.ones(3, "float32"))})
    with pytest.raises(AttributeError):
        network.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        network.outputs["more"] = network.inputs["x"]  # type: ignore[index]


def test_the_listing() -> None:
    text = str(made(None, {"w": Source(np.ones(3, "float32"))})).splitlines()
    assert text[0] == "net: for any batch size n, 3 numbers in 1 parameters"
    assert [line.split() for line in text[4:6]] == [
        "scale … #2 Scale (n, 3) w 3".split(), "pair Pair low (n, 3), high (n, 3)".split(),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (lambda n: 7, 7), (lambda n: n, "n"), (lambda n: 4 * n, "4n"), (lambda n: n // 2, "n/2"),
        (lambda n: n // 4, "n/4"), (lambda n: n + 1, "n + 1"), (lambda n: 3 * n - 2, "3n - 2"), (lambda n: n * n, "n²"),
        (lambda n: 2 * n * n, "2n²"), (lambda n: 3 * n // 2, "?"), (lambda n: 100 - n, "?"), (lambda n: 0 * n, 0),
    ],
)  # fmt: skip
def test_sizes(size: Any, text: Any) -> None:
    assert size_by_batch(size(BATCH), size(OTHER)) == text


def test_structures() -> None:
    assert structure_of(["a"])([1]) == 1 and structure_of(["a", "b"])([1, 2]) == {"a": 1, "b": 2}
    constant = np.zeros(2)
    first, second = (Structure((None, 0), list, (constant,))([5]) for _ in range(2))
    assert first[1] == 5 and first[0] is not constant and first[0] is not second[0]
    assert [unused("a", taken) for taken in ([], ["a"], ["a", "a#2"])] == ["a", "a#2", "a#3"]


def test_substitute_copies_what_depends_and_nothing_else() -> None:
    x, y = placeholder(ops.Spec((3,))), placeholder(ops.Spec((3,)))
    kept = ops.exp(y)
    total = ops.sin(x) + kept
    new = placeholder(ops.Spec((3,)), role="parameter")
    copies = substitute([total], {x: new})
    assert kept not in copies and copies[total] is not total
    node = copies[total].node
    assert node.inputs[1] is kept and node.inputs[0].node.inputs == (new,)
    a, b = np.ones(3, "float32"), np.zeros(3, "float32")
    np.testing.assert_array_equal(
        *(evaluate(Graph.of([p, y], [t]), [a, b])[0] for p, t in ((x, total), (new, copies[total])))
    )
    assert total.node.inputs[0].node.inputs == (x,)  # as it was


def test_topological_order_of_deep_and_wide_graphs() -> None:
    x = placeholder(ops.Spec((2,)))
    y = x
    for _ in range(5000):
        y = y + y
    order = topological([y])
    assert len(order) == 5001 and order[0] is x.node
    rng = np.random.default_rng(0)
    for _ in range(20):
        pool: list[Tensor] = [placeholder(ops.Spec((2,))) for _ in range(3)]
        for _ in range(60):
            i, j = rng.integers(len(pool), size=2)
            pool.append(pool[i] + pool[j])
        outputs = [pool[i] for i in rng.integers(len(pool), size=4)]
        seen: set[Node] = set()
        for node in topological(outputs):
            assert node not in seen and all(t.node in seen for t in node.inputs)
            seen.add(node)
        assert all(t.node in seen for t in outputs)


def test_nodes_know_their_results() -> None:
    node = as_tensor(np.zeros(2)).node
    assert node.result is node.outputs[0] and not node.several
    two = ops.apply(ops.CallOut(lambda a: (a, a), (ops.Spec((2,)),) * 2, "two"), placeholder(ops.Spec((2,))))
    assert isinstance(two, tuple) and two[0].node.several and two[1].index == 1
    copy = two[0].node.on(two[0].node.inputs)
    assert copy.several and [t.index for t in copy.outputs] == [0, 1] and copy.outputs[0].node is copy
    assert isinstance(two[0].node.inputs[0].node.op, Placeholder)
