"""Timing chooses, remembers, and stays out of programs that did not ask for it."""

import json

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.build import build
from simplecell.engine.machine import cache
from simplecell.engine.planning import tune
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec


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
    with tune.tuning():
        program = build(g, threads=1)
    assert "timed µs" in reason(program)
    program.set_parameters([w])
    np.testing.assert_allclose(program([x])[0], evaluate(g, [x, w])[0], rtol=1e-3, atol=1e-3)
    remembered = json.loads((private_folder / "tuned.json").read_text())
    assert len(remembered) == 1 and len(next(iter(remembered.values()))) > 1


def test_what_is_remembered_is_not_timed_again(monkeypatch):
    with tune.tuning():
        build(graph(), threads=1)
        tune._found.clear()  # as in another process
        monkeypatch.setattr(tune.time, "perf_counter", lambda: pytest.fail("timed again"))
        build(graph(), threads=1)


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
