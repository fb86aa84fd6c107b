"""Threads: any number of them, and what happens when signals, failures, forks and the end of the process come in
between (docs/threads.md)."""

import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import simplecell
from simplecell.engine.build import build
from simplecell.engine.host import host
from simplecell.engine.run import runner
from simplecell.engine.run.thread_count import MAX_THREADS, SETTING, thread_count
from simplecell.engine.run.threads import Team, team
from tests.engine.networks import arrays_for, network
from tests.engine.run import thread_cases

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def in_another_process(case, module="thread_cases"):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", f"tests.engine.run.{module}", case],
        env=environment,
        capture_output=True,
        text=True,
        timeout=thread_cases.TIME + 30,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- how many ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, -1, MAX_THREADS + 1, 10**30])
def test_a_number_out_of_range_is_refused_at_every_door(wrong, monkeypatch):
    with pytest.raises(ValueError, match="threads must be at (least|most)"):
        build(network(), threads=wrong)
    with pytest.raises(ValueError, match="threads must be at (least|most)"):
        simplecell.compile(thread_model(), threads=wrong)
    monkeypatch.setenv(SETTING, str(wrong))
    with pytest.raises(ValueError, match=f"{SETTING} must be a whole number from 1 to {MAX_THREADS}"):
        build(network())


@pytest.mark.parametrize("wrong", ["2", True, 2.5, np.float32(2), [2], b"2"])
def test_what_is_no_number_is_refused_at_every_door(wrong):
    for ask in (lambda: build(network(), threads=wrong), lambda: simplecell.compile(thread_model(), threads=wrong)):
        with pytest.raises(TypeError, match="threads must be a whole number from 1 to"):
            ask()


def test_numbers_of_threads(monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    assert thread_count(np.int64(3)) == 3
    assert thread_count(MAX_THREADS) == MAX_THREADS
    assert 1 <= thread_count() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(10 * MAX_THREADS), raising=False)
    assert thread_count() == MAX_THREADS
    for setting, count in (("", MAX_THREADS), ("7", 7)):
        monkeypatch.setenv(SETTING, setting)
        assert thread_count() == count
    for setting in ("²", "1.0", "two", " 2", "-2"):
        monkeypatch.setenv(SETTING, setting)
        with pytest.raises(ValueError, match=SETTING):
            thread_count()


@pytest.mark.parametrize("threads", [65, 66])
def test_more_threads_than_cores(threads):
    graph = network()
    x, *parameters = arrays_for(graph)
    one, many = build(graph, threads=1), build(graph, threads=threads)
    for program in (one, many):
        program.set_parameters(parameters)
    for k in range(5):
        np.testing.assert_array_equal(many([k * x])[0], one([k * x])[0])
        time.sleep(0.01 * k)
    assert many._bound._team._words[runner.PRESENT] == threads - 1


def thread_model():
    import keras

    return keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])


# --- workers ----------------------------------------------------------------------------------------------------------


def test_a_system_without_threads_to_give(monkeypatch):
    def refuse(function, arguments):
        raise RuntimeError("can't start new thread")

    graph = network()
    x, *parameters = arrays_for(graph)
    one, two = build(graph, threads=1), build(graph, threads=2)
    for program in (one, two):
        program.set_parameters(parameters)
    two._bound._team = fresh = Team(host(), 2)
    monkeypatch.setattr("_thread.start_new_thread", refuse)
    np.testing.assert_array_equal(two([x])[0], one([x])[0])
    assert fresh._words[runner.PRESENT] == 0


def test_workers_that_come_late_or_are_too_many():
    fresh = Team(host(), 3)
    fresh._wanted = 0  # nobody is hired by it
    graph = network()
    x, *parameters = arrays_for(graph)
    one, three = build(graph, threads=1), build(graph, threads=3)
    for program in (one, three):
        program.set_parameters(parameters)
    three._bound._team = fresh
    expected = one([x])[0]
    threads = []
    for _ in range(5):
        np.testing.assert_array_equal(three([x])[0], expected)
        threads.append(threading.Thread(target=fresh._serve, args=(fresh._address,), daemon=True))
        threads[-1].start()
        for _ in range(20):  # while it comes
            np.testing.assert_array_equal(three([x])[0], expected)
    for thread in threads:
        thread.join(0.2)
    assert [t.is_alive() for t in threads].count(True) == 2


def test_idle_workers_sleep():
    graph = network()
    x, *parameters = arrays_for(graph)
    program = build(graph, threads=4)
    program.set_parameters(parameters)
    program([x])
    asleep = [runner.worker_word(k) + runner.ASLEEP for k in (1, 2, 3)]
    end = time.monotonic() + 120  # where others want the cores, yielding takes long
    while not program._bound._team._words[asleep].all() and time.monotonic() < end:
        time.sleep(0.01)
    assert program._bound._team._words[asleep].all()
    before = program([x])[0]
    np.testing.assert_array_equal(before, program([x])[0])


def test_one_team_for_a_number():
    assert team(host(), 2) is team(host(), 2)


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        "interrupted_everywhere",
        "interrupted_around_the_machine_code",
        "freezing_interrupted_everywhere",
    ],
)
def test_an_interrupt_at_any_place_leaves_the_next_results_right(case):
    in_another_process(case)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no timers of this kind here")
def test_signals_at_any_time():
    in_another_process("timers")


def test_what_a_call_out_raises_is_the_run_s():
    """KeyboardInterrupt included, and what comes before the function has begun (it was lost there once)."""
    raised = [None]

    def function(y):
        if raised[0] is not None:
            raise raised[0]
        return y

    graph = thread_cases.two_convolutions(function)
    program = build(graph, threads=2)
    program.set_parameters(thread_cases.parameters(0))
    x = thread_cases.images(0)
    expected = program([x])[0]
    for error in (KeyboardInterrupt(), SystemExit(3), ValueError("no"), GeneratorExit()):
        raised[0] = error
        with pytest.raises(type(error)):
            program([x])
        raised[0] = None
        np.testing.assert_array_equal(program([x])[0], expected)

    def deep(n):
        return program([x])[0] if n == 0 else deep(n - 1)

    limit = sys.getrecursionlimit()
    outcomes = set()
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    for n in range(limit - depth - 25, limit - depth):
        try:
            np.testing.assert_array_equal(deep(n), expected)
            outcomes.add("right")
        except (RecursionError, ctypes.ArgumentError):  # of the last call, whose own is wrapped
            outcomes.add("refused")
    assert outcomes == {"right", "refused"}


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failing_call_out_stops_nobody_else():
    in_another_process("failures_are_their_own_run_s")


def test_preparing_that_was_stopped_in_another_thread_is_done_again():
    graph = thread_cases.two_convolutions()
    x, old, new = thread_cases.images(0), thread_cases.parameters(0), thread_cases.parameters(1)
    program = build(graph, threads=2)
    program.set_parameters(old)
    program([x])
    bound, run = program._bound, program._bound._go

    def stopped(pieces):
        bound._go = run
        raise KeyboardInterrupt

    bound._go = stopped
    with pytest.raises(KeyboardInterrupt):
        bound.prepare(new)
    out = np.empty(graph.outputs[0].shape, np.float32)
    bound.run([x], [out])  # as another thread does that was waiting for it
    np.testing.assert_array_equal(out, thread_cases.alone(graph, x, new))


def test_measuring_and_running_at_once():
    """Timing runs on the arrays it was given, not on those of who runs meanwhile."""
    graph = thread_cases.two_convolutions()
    given = thread_cases.parameters(0)
    program = build(graph, threads=2)
    program.set_parameters(given)
    x, other = thread_cases.images(0), thread_cases.images(1)
    expected = thread_cases.alone(graph, other, given)
    program([x])
    end = time.monotonic() + 1.5

    def measure():
        while time.monotonic() < end:
            program.measure([x], 2)

    thread = threading.Thread(target=measure)
    thread.start()
    kept = []
    while time.monotonic() < end:
        kept.append(program([other])[0])
        if len(kept) == 50:
            assert all(np.array_equal(k, expected) for k in kept)
            kept.clear()
    thread.join()
    assert all(np.array_equal(k, expected) for k in kept)


# --- forks and the end ------------------------------------------------------------------------------------------------


@needs_fork
@pytest.mark.parametrize(
    "case",
    [
        "forks_while_threads_run",
        "a_fork_in_the_middle_of_a_run",
        "a_fork_in_the_middle_of_new_weights",
        "a_fork_in_the_middle_of_compiling",
        "a_fork_inside_of_a_call_out",
    ],
)
def test_a_forked_child_runs_the_same_programs(case):
    in_another_process(case, "fork_cases")


@needs_fork
@pytest.mark.parametrize("case", ["workers_of_a_data_loader", "workers_of_a_keras_data_set"])
def test_workers_that_are_forked_use_models(case):
    in_another_process(case, "fork_cases")


def test_the_process_ends():
    in_another_process("the_end")
