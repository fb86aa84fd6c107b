"""What `test_threads` runs in processes of their own: each function ends, or it was wrong (an assertion) or hung (its process is ended, with
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
from simplecell.forks import compiling
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
    """Raises KeyboardInterrupt at the `at`-th place: wherever the interpreter may raise a signal's (as a function begins, as it or a C function returns),
    and before each line of the engine but `with` and `try`, where the interpreter lets no signal's come (nor are all of their instructions guarded)."""

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
    _interrupted_everywhere(None, lambda pool: time.sleep(0.02))
    _interrupted_everywhere(None, lambda pool: pool.renew())


def _interrupted_everywhere(function, before=lambda pool: None):
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
        before(program._bound._pool)
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
    pool = program._bound._pool
    launch = pool._launch

    def before(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        launch(*arguments)

    def after(*arguments):
        launch(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    for k in range(40):
        pool._launch = before if k % 2 else after
        try:
            program([images(k)])
            raise AssertionError("no interrupt")
        except KeyboardInterrupt:
            pool._launch = launch
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


# --- forks ------------------------------------------------------------------------------------------------------------


def forked(function, seconds=20):
    """Is `function()` true in a child?"""
    child = os.fork()
    if child == 0:
        faulthandler.register(signal.SIGALRM, chain=True)  # says where it stands, and ends
        signal.alarm(seconds)
        ok = False
        try:
            ok = function()
        finally:
            os._exit(0 if ok else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def forks_while_threads_run():
    """30 children of a process whose threads never rest run the same programs."""
    graph, given = two_convolutions(), parameters(0)
    slow = two_convolutions(lambda y: (time.sleep(0.002), y)[1])
    programs = [build(g, threads=2) for g in (graph, slow, graph)]
    xs = [images(s) for s in range(4)]
    expected = [alone(graph, x, given) for x in xs]
    stop, wrong = threading.Event(), []
    for program in programs:
        program.set_parameters(given)

    def work(which):
        for k in itertools.count():
            if stop.is_set():
                return
            if not np.array_equal(programs[which]([xs[k % 4]])[0], expected[k % 4]):
                wrong.append((which, k))

    def child():
        right = all(np.array_equal(program([x])[0], e) for program in programs for x, e in zip(xs, expected))
        return right and np.array_equal(alone(two_convolutions(shape=(1, 9, 9, 3)), images(0, (1, 9, 9, 3)), given).shape, (1, 9, 9, 8))

    threads = [threading.Thread(target=work, args=(w,)) for w in range(3)]
    for t in threads:
        t.start()
    failed = [k for k in range(30) if not forked(child)]
    stop.set()
    for t in threads:
        t.join()
    assert not failed and not wrong, (failed, wrong)


def a_fork_in_the_middle_of_a_run():
    """A thread stands inside of a program; in the child there is no such thread."""
    inside, go_on = threading.Event(), threading.Event()

    def wait(y):
        inside.set()
        assert go_on.wait(TIME)
        return y

    graph, x, given = two_convolutions(wait), images(0), parameters(0)
    program = build(graph, threads=2)
    program.set_parameters(given)
    thread = threading.Thread(target=lambda: program([x]))
    thread.start()
    assert inside.wait(TIME)

    def child():
        go_on.set()
        return np.array_equal(program([x])[0], alone(two_convolutions(), x, given))

    assert forked(child)
    go_on.set()
    thread.join()


def a_fork_in_the_middle_of_new_weights():
    """A thread stands inside of `prepare`, another has said before that all is prepared; the child prepares once more."""
    graph, x = two_convolutions(), images(0)
    old, new = parameters(0), parameters(1)
    program = build(graph, threads=2)
    program.set_parameters(old)
    program([x])
    bound, inside, go_on = program._bound, threading.Event(), threading.Event()
    run, main = bound._pool.run, threading.get_ident()

    def half(table, count):
        if threading.get_ident() != main:
            run(table, max(count - 1, 0))
            inside.set()
            assert go_on.wait(TIME)
        run(table, count)

    bound._pool.run = half
    thread = threading.Thread(target=lambda: bound.prepare(new))
    thread.start()
    assert inside.wait(TIME)

    def child():
        out = np.empty(graph.outputs[0].shape, np.float32)
        bound.run([x], [out])
        return np.array_equal(out, alone(graph, x, new))

    assert forked(child)
    go_on.set()
    thread.join()


def a_fork_in_the_middle_of_compiling():
    """The fork waits until the compiler is done; the child compiles."""
    held = threading.Event()

    def compile_for_long():
        with compiling.lock:
            held.set()
            time.sleep(1)

    build(two_convolutions(), threads=1)
    thread = threading.Thread(target=compile_for_long)
    thread.start()
    assert held.wait(TIME)
    start = time.monotonic()
    assert forked(lambda: alone(two_convolutions(np.tanh), images(0), parameters(0)) is not None)
    assert time.monotonic() - start > 0.5
    thread.join()
    assert compiling.lock.acquire(timeout=1)


def a_fork_inside_of_a_call_out():
    """The child goes on with the run in which it was forked."""
    children = []

    def fork(y):
        children.append(os.fork())
        return y

    graph, x, given = two_convolutions(fork), images(0), parameters(0)
    program = build(graph, threads=2)
    program.set_parameters(given)
    expected = alone(two_convolutions(), x, given)
    got = program([x])[0]
    if children[-1] == 0:
        signal.alarm(20)
        again = build(two_convolutions(), threads=2)
        again.set_parameters(given)
        os._exit(0 if np.array_equal(got, expected) and np.array_equal(again([x])[0], expected) else 1)
    np.testing.assert_array_equal(got, expected)
    assert os.waitstatus_to_exitcode(os.waitpid(children[-1], 0)[1]) == 0


def _extractor():
    import keras

    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.layers.Input((32, 32, 3)), keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Conv2D(4, 3, strides=2)])


def workers_of_a_data_loader():
    """Forked while a thread of the parent predicts; each worker predicts, and compiles a program for a batch size of its own."""
    import multiprocessing

    import simplecell

    model = _extractor()
    program = simplecell.compile(model, threads=2)
    x = images(0, (8, 32, 32, 3))
    expected = program(x)
    one_by_one = [model.predict_on_batch(x[k : k + 1]) for k in range(8)]
    stop, wrong = threading.Event(), []

    def work():
        while not stop.is_set():
            if not np.array_equal(program(x), expected):
                wrong.append(1)

    global _task

    def _task(k):
        return program(x), model.predict_on_batch(x[k : k + 1]), program(x[: 1 + k % 3])

    thread = threading.Thread(target=work)
    thread.start()
    with multiprocessing.get_context("fork").Pool(2) as workers:
        found = workers.map_async(_call_task, range(8)).get(TIME)
    stop.set()
    thread.join()
    for k, (whole, single, first) in enumerate(found):
        np.testing.assert_array_equal(whole, expected)
        np.testing.assert_array_equal(single, one_by_one[k])
        np.testing.assert_allclose(first, expected[: 1 + k % 3], rtol=1e-4, atol=1e-5)
    assert not wrong


def _call_task(k):
    return _task(k)


def workers_of_a_keras_data_set():
    """`use_multiprocessing`: batches are made by forked workers, with a model; meanwhile the parent trains and predicts."""
    import keras

    import simplecell

    program = simplecell.compile(_extractor(), threads=2)
    x = images(0, (24, 32, 32, 3))
    features = program(x[:4])
    features = np.concatenate([program(x[k : k + 4]) for k in range(0, 24, 4)])

    class Features(keras.utils.PyDataset):
        def __len__(self):
            return 6

        def __getitem__(self, k):
            return program(x[4 * k : 4 * k + 4]), np.zeros((4, 1), "float32")

    head = keras.Sequential([keras.layers.Input(features.shape[1:]), keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)])
    head.compile(optimizer="sgd", loss="mse")
    expected = head.predict(features, batch_size=4, verbose=0)
    np.testing.assert_array_equal(head.predict(Features(workers=2, use_multiprocessing=True), verbose=0), expected)
    history = head.fit(Features(workers=2, use_multiprocessing=True), epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


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


if __name__ == "__main__":
    faulthandler.dump_traceback_later(TIME, exit=True)
    globals()[sys.argv[1]]()
