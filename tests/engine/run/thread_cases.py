"""What `test_threads` runs in processes of their own: each function ends, or it was wrong (an assertion) or hung (its
process is ended, with
everybody's traceback)."""

import faulthandler
import itertools
import linecache
import os
import signal
import sys
import threading
import time

import numpy as np

from simplecell import ops
from simplecell.engine.build import build
from simplecell.graph.graph import Graph
from simplecell.graph.tensor import placeholder
from simplecell.ops.base import Spec, apply
from simplecell.ops.callout import CallOut

TIME = 60
"""Seconds after which a case hangs."""


def two_convolutions(function=None, shape=(1, 64, 64, 3)):
    """With a Python function on what lies between them, if there is one: the program, and parameters."""
    x = placeholder(Spec(shape), "x")
    w1, w2 = (placeholder(Spec(s), f"p{i}", "parameter") for i, s in enumerate([(3, 3, 3, 16), (3, 3, 16, 8)]))
    y = ops.relu(ops.convolution(x, w1, 1, "same"))
    if function is not None:
        y = apply(CallOut(function, y.spec), y)
    return Graph.of([x, w1, w2], [ops.convolution(y, w2, 1, "same")])


def parameters(seed, scale=0.1):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s, scale=scale).astype(np.float32) for s in [(3, 3, 3, 16), (3, 3, 16, 8)]]


def images(seed, shape=(1, 64, 64, 3)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def alone(graph, x, given):
    """The oracle: a program of one thread that has done nothing before."""
    program = build(graph, threads=1)
    program.set_parameters(given)
    return program([x])[0]


class Interrupt:
    """Raises KeyboardInterrupt at the `at`-th place: wherever the interpreter may raise a signal's (as a function
    begins, as it or a C function returns),
    and before each line of the engine but `with` and `try`, where the interpreter lets no signal's come (nor are all of
    their instructions guarded)."""

    def __init__(self, at):
        self.left = at

    def _place(self):
        self.left -= 1
        if self.left == 0:
            sys.setprofile(None)
            sys.settrace(None)
            raise KeyboardInterrupt

    def profile(self, frame, event, argument):
        if event in ("call", "return", "c_return"):
            self._place()

    def trace(self, frame, event, argument):
        source = frame.f_code.co_filename
        if event == "line" and not linecache.getline(source, frame.f_lineno).lstrip().startswith(("with ", "try:")):
            self._place()
        return self.trace if os.path.join("simplecell", "engine") in source else None

    def during(self, function):
        """Has it come to an interrupt?"""
        try:
            sys.setprofile(self.profile)
            sys.settrace(self.trace)
            function()
        except KeyboardInterrupt:
            return True
        finally:
            self.left = 0  # there are no more
            sys.settrace(None)
            sys.setprofile(None)
        return False


# --- signals ----------------------------------------------------------------------------------------------------------


def interrupted_everywhere():
    """A call, with and without a call-out; with workers that are awake, asleep, and not there yet."""
    for function in (None, lambda y: y):
        _interrupted_everywhere(function)
    _interrupted_everywhere(None, lambda team: time.sleep(0.02))
    _interrupted_everywhere(None, lambda team: team.renew())


def _interrupted_everywhere(function, before=lambda team: None):
    """A call with new inputs and new parameters, interrupted at each place in turn: the next ones are right."""
    graph = two_convolutions(function)
    program = build(graph, threads=2)
    xs, sets = [images(s) for s in (0, 1)], [parameters(s) for s in (0, 1)]
    expected = {(i, j): alone(graph, xs[i], sets[j]) for i in (0, 1) for j in (0, 1)}
    program.set_parameters(sets[1])
    program([xs[1]])
    places = 0
    for at in itertools.count(1):
        i = at % 2
        before(program._bound._team)
        program.set_parameters(sets[i])
        if not Interrupt(at).during(lambda i=i: program([xs[i]])):
            break
        places += 1
        for k in (1 - i, i):
            np.testing.assert_array_equal(program([xs[k]])[0], expected[k, i])
    assert places > 50, places


def interrupted_around_the_machine_code():
    """As the first report of it: SIGINT as soon as work has been posted."""
    graph = two_convolutions()
    program = build(graph, threads=2)
    given = parameters(0)
    program.set_parameters(given)
    program([images(0)])
    team = program._bound._team
    launch = team._launch

    def before(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        launch(*arguments)

    def after(*arguments):
        launch(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    for k in range(40):
        team._launch = before if k % 2 else after
        try:
            program([images(k)])
            raise AssertionError("no interrupt")
        except KeyboardInterrupt:
            team._launch = launch
        for seed in (k + 1, k):
            np.testing.assert_array_equal(program([images(seed)])[0], alone(graph, images(seed), given))


def freezing_interrupted_everywhere():
    """The program is right, or says what happened."""
    graph, given, x = two_convolutions(), parameters(0), images(0)
    expected = alone(graph, x, given)
    refused = 0
    for at in itertools.count(1):
        program = build(graph, threads=2)
        program.set_parameters(given)
        np.testing.assert_array_equal(program([x])[0], expected)
        bound = program._bound
        interrupted = Interrupt(at).during(lambda bound=bound: bound.freeze(list(given), False))
        out = np.empty_like(expected)
        try:
            bound.run([x], [out])
            np.testing.assert_array_equal(out, expected)
        except RuntimeError as error:
            assert "`freeze` was interrupted" in str(error)
            refused += 1
        if not interrupted:
            break
    assert refused > 5, refused


def timers():
    """Real signals, at any microsecond, while three threads run programs."""
    graphs = [two_convolutions(), two_convolutions(np.array)]
    given = parameters(0)
    programs = [build(g, threads=2) for g in graphs]
    xs = [images(s) for s in range(4)]
    expected = [alone(graphs[0], x, given) for x in xs]
    stop, wrong, done = threading.Event(), [], [0, 0, 0]
    for program in programs:
        program.set_parameters(given)
        program([xs[0]])

    def others(which):
        for k in itertools.count():
            if stop.is_set():
                return
            got = programs[which % 2]([xs[k % 4]])[0]
            done[which] += 1
            if not np.array_equal(got, expected[k % 4]):
                wrong.append((which, k))

    class Fire(BaseException):
        pass

    def handler(number, frame):
        raise Fire

    signal.signal(signal.SIGALRM, handler)
    threads = [threading.Thread(target=others, args=(k,)) for k in (1, 2)]
    for t in threads:
        t.start()
    rng = np.random.default_rng(0)
    fired, end, k = 0, time.monotonic() + TIME / 2, 0
    while (fired < 300 or min(done) < 200) and time.monotonic() < end:
        k += 1
        try:
            signal.setitimer(signal.ITIMER_REAL, float(rng.uniform(1e-5, 2e-3)))
            try:
                for j in range(10):
                    got = programs[(k + j) % 2]([xs[(k + j) % 4]])[0]
                    done[0] += 1
                    if not np.array_equal(got, expected[(k + j) % 4]):
                        wrong.append((0, k))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Fire:
            fired += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        if k % 7 == 0:
            time.sleep(0.01)
    stop.set()
    for t in threads:
        t.join()
    assert not wrong, (len(wrong), wrong[:5], done)
    assert fired > 50 and min(done) > 100, (fired, done)


# --- failing call-outs ------------------------------------------------------------------------------------------------


def failures_are_their_own_run_s():
    """One thread's call-outs fail all the time; the others' results are right."""

    def singular(y):
        raise np.linalg.LinAlgError("singular")

    deep = placeholder(Spec((1, 32, 32, 16)), "x")
    weights = placeholder(Spec((3, 3, 16, 16)), "w", "parameter")
    y = deep
    for _ in range(8):
        y = ops.convolution(y, weights, 1, "same")
    graph = Graph.of([deep, weights], [y])
    failing = build(two_convolutions(singular), threads=2)
    given = [images(9, (3, 3, 16, 16)) / 12]
    program = build(graph, threads=2)
    xs = [images(s, (1, 32, 32, 16)) for s in range(4)]
    expected = [alone(graph, x, given) for x in xs]
    failed, wrong, done = 0, [], 0
    end = time.monotonic() + 3
    program.set_parameters(given)
    failing.set_parameters(parameters(0))

    def fail():
        nonlocal failed
        while time.monotonic() < end:
            try:
                failing([images(0)])
                wrong.append("no exception")
            except np.linalg.LinAlgError:
                failed += 1

    thread = threading.Thread(target=fail)
    thread.start()
    while time.monotonic() < end:
        out = np.full_like(expected[0], np.nan)
        program([xs[done % 4]], [out])
        if not np.array_equal(out, expected[done % 4]):
            wrong.append(done)
        done += 1
    thread.join()
    assert not wrong, (len(wrong), wrong[:5], done)
    assert min(failed, done) > 20, (failed, done)


# --- the end ----------------------------------------------------------------------------------------------------------


def the_end():
    """Programs that run as the process ends, when workers sleep, and when threads that run them are still at it."""
    import atexit

    graph, given, x = two_convolutions(), parameters(0), images(0)
    expected = alone(graph, x, given)
    programs = [build(graph, threads=n) for n in (2, 3, 4)]

    def check():
        for program in programs:
            if not np.array_equal(program([x])[0], expected):
                os._exit(3)

    atexit.register(check)
    for program in programs:
        program.set_parameters(given)
    programs[0]([x])

    def forever():
        while True:
            programs[0]([x])

    threading.Thread(target=forever, daemon=True).start()
    time.sleep(0.2)


def main(cases):
    """Run the one that the command line names."""
    faulthandler.dump_traceback_later(TIME, exit=True)
    cases[sys.argv[1]]()


if __name__ == "__main__":
    main(globals())
