"""Timing chooses, remembers, and stays out of programs that did not ask for it."""

import json
import re

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.build import build
from simplecell.engine.machine import cache
from simplecell.engine.planning import tune
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
from simplecell.ops.convolution import Convolution, ConvolutionGradientWeights


@pytest.fixture(autouse=True)
def private_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.SETTING, str(tmp_path / "objects"))
    cache.folder.cache_clear()
    tune._found.clear()
    yield tmp_path / "objects"
    cache.folder.cache_clear()
    tune._found.clear()


def graph():
    x, w = placeholder(Spec((1, 12, 12, 16))), placeholder(Spec((3, 3, 16, 16)), "w", "parameter")
    return Graph.of([x, w], [ops.relu(ops.convolution(x, w, 1, "same"))])


def reason(executable):
    return next(s.reason for s in executable.program.run if s.flops)


def test_a_tuned_program_computes_the_same(private_folder):
    g = graph()
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(t.shape).astype(np.float32) for t in g.inputs)
    program = build(g, threads=1, precision="fast", tune=True)
    assert "timed µs" in reason(program)
    program.set_parameters([w])
    np.testing.assert_allclose(program([x])[0], evaluate(g, [x, w])[0], rtol=1e-3, atol=1e-3)
    remembered = json.loads((private_folder / "tuned.json").read_text())
    assert len(remembered) == 1 and len(next(iter(remembered.values()))) > 1


def test_what_is_remembered_is_not_timed_again(monkeypatch):
    build(graph(), threads=1, tune=True)
    tune._found.clear()  # as in another process
    monkeypatch.setattr(tune.time, "perf_counter", lambda: pytest.fail("timed again"))
    build(graph(), threads=1, tune=True)


def gradients():
    """Of a convolution for its weights, beside the convolution itself; Winograd's is offered for both."""
    x, w, d = placeholder(Spec((4, 12, 12, 64))), placeholder(Spec((3, 3, 64, 64))), placeholder(Spec((4, 12, 12, 64)))
    op = Convolution((1, 1), ((1, 1), (1, 1)), (1, 1))
    gradient = ConvolutionGradientWeights((3, 3), op.strides, op.padding, op.dilation, op.groups)
    return Graph.of([x, w, d], [ops.apply(op, x, w), ops.apply(gradient, x, d)])


def test_gradients_for_weights_are_tuned_too(private_folder):
    g = gradients()
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(t.shape).astype(np.float32) for t in g.inputs]
    program = build(g, threads=1, tune=True)
    reasons = [s.reason for s in program.program.run if "gradient for weights" in s.algorithm]
    assert len(reasons) == 1 and re.search(r"timed µs: winograd F\(4,3\) \d+, direct \d+", reasons[0])
    for result, expected in zip(program(arrays), evaluate(g, arrays)):
        np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-2)
    remembered = json.loads((private_folder / "tuned.json").read_text())
    kinds = {name.startswith("gradient for weights of 12×12 64→64, 3×3, batch 4") for name in remembered}
    assert kinds == {True, False} and len(remembered) == 2  # the two do not take each other's times


def test_the_fastest_gradient_is_chosen(monkeypatch):
    monkeypatch.setattr(tune, "times", lambda problem, candidates: {n: float(n != "direct") for n in candidates})
    steps = build(gradients(), threads=1, tune=True).program.run
    assert any(s.algorithm.startswith("direct gradient for weights") for s in steps)


def test_programs_that_did_not_ask_are_not_tuned():
    assert "timed" not in reason(build(graph(), threads=1))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"a": 3}',
        '{"a": {"b": "c"}}',
        '{"a": {"b": NaN}}',
        '{"a": {"b": -1}}',
        '{"a": {"b": true}}',
        '{"a": {}}',
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_damaged_file_is_ignored(private_folder, content):
    cache.folder()
    (private_folder / "tuned.json").write_bytes(content.encode(errors="surrogateescape"))
    assert tune._read() == {}
