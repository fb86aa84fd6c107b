"""Programs as a whole: they compute what the graph means, on any number of threads, and survive what goes wrong
inside."""

import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from simplecell import ops
from simplecell.engine.build import build
from simplecell.graph.graph import Graph, evaluate
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec, apply
from simplecell.ops.callout import CallOut
from tests.engine.networks import arrays_for, network


def test_a_network_and_its_reference_agree():
    graph = network()
    x, *parameters = arrays_for(graph)
    program = build(graph, threads=1)
    program.set_parameters(parameters)
    np.testing.assert_allclose(program([x])[0], evaluate(graph, [x, *parameters])[0], rtol=1e-5, atol=1e-6)


def test_new_parameters_are_seen():
    graph = network()
    x, *parameters = arrays_for(graph)
    program = build(graph, threads=1)
    program.set_parameters(parameters)
    program([x])
    changed = [p * 1.5 for p in parameters]
    program.set_parameters(changed)
    np.testing.assert_allclose(program([x])[0], evaluate(graph, [x, *changed])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("run_first", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_frozen_programs_let_go_of_what_they_have_packed(run_first, threads):
    graph = network()
    x, *parameters = arrays_for(graph)
    expected = evaluate(graph, [x, *parameters])[0]
    program = build(graph, threads=threads)
    program.set_parameters(parameters)
    if run_first:
        program([x])
    convolution = [weakref.ref(parameters[i]) for i in (0, 2)]
    del parameters
    program.freeze()
    assert [w() for w in convolution] == [None, None]
    for _ in range(2):
        np.testing.assert_allclose(program([x])[0], expected, rtol=1e-5, atol=1e-6)


def test_bits_do_not_depend_on_threads_or_runs():
    graph = network(batch=3)
    x, *parameters = arrays_for(graph)
    results = []
    for threads in (1, 2, 3):
        program = build(graph, threads=threads)
        program.set_parameters(parameters)
        results += [program([x])[0] for _ in range(3)]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_an_output_may_be_an_input_a_view_or_come_twice():
    x = placeholder(Spec((4, 6)))
    y = ops.multiply(x, 2.0)
    graph = Graph.of([x], [x, y, y, ops.reshape(y, (24,))])
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    given, twice, again, flat = build(graph, threads=2)([a])
    np.testing.assert_array_equal(given, a)
    np.testing.assert_array_equal(twice, 2 * a)
    np.testing.assert_array_equal(again, 2 * a)
    np.testing.assert_array_equal(flat, 2 * a.reshape(-1))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_error_inside_a_call_out_reaches_the_caller_and_the_program_lives_on(threads):
    x = placeholder(Spec((300, 400)))
    fail = [True]

    def function(a):
        if fail[0]:
            raise KeyError("inside")
        return a + 1

    y = ops.multiply(apply(CallOut(function, Spec((300, 400)), "user"), ops.tanh(x)), 3.0)
    program = build(Graph.of([x], [y]), threads=threads)
    a = np.random.default_rng(0).standard_normal((300, 400)).astype(np.float32)
    for _ in range(5):
        fail[0] = True
        with pytest.raises(KeyError, match="inside"):
            program([a])
        fail[0] = False
        np.testing.assert_allclose(program([a])[0], (np.tanh(a) + 1) * 3, rtol=1e-5, atol=1e-6)


def test_a_call_out_that_breaks_its_promise_is_an_error():
    x = placeholder(Spec((3,)))
    program = build(Graph.of([x], [apply(CallOut(lambda a: a[:2], Spec((3,)), "cut"), x)]), threads=1)
    with pytest.raises(ValueError, match=r"`cut` promised shape \(3,\)"):
        program([np.zeros(3, np.float32)])


def test_programs_may_run_in_several_python_threads_at_once():
    graph = network(batch=4)
    x, *parameters = arrays_for(graph)
    programs = [build(graph, threads=2) for _ in range(3)]
    for p in programs:
        p.set_parameters(parameters)
    expected = programs[0]([x])[0]
    wrong = []

    def work(program):
        for _ in range(50):
            if not np.array_equal(program([x])[0], expected):
                wrong.append(program)

    workers = [threading.Thread(target=work, args=(programs[i % 3],)) for i in range(5)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_its_own_threads():
    graph = network()
    x, *parameters = arrays_for(graph)
    program = build(graph, threads=2)
    program.set_parameters(parameters)
    expected = program([x])[0]
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(program([x])[0], expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_without_llvmlite_programs_run_on_their_reference():
    code = """
import sys, warnings
sys.modules["llvmlite"] = None
import numpy as np
from simplecell import ops
from simplecell.engine.build import build
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec
x = placeholder(Spec((3,)))
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    program = build(Graph.of([x], [ops.tanh(x)]))
assert any("llvmlite cannot be loaded" in str(w.message) for w in seen), seen
assert np.allclose(program([np.ones(3, np.float32)])[0], np.tanh(1))
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


@pytest.mark.parametrize(
    ("arguments", "message"), [({"precision": "half"}, "precision must be"), ({"threads": 0}, "threads must be")]
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(network(), **arguments)
