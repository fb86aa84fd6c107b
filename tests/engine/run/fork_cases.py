"""As `thread_cases`: forks."""

import faulthandler
import itertools
import os
import signal
import threading
import time

import numpy as np

from simplecell.engine.build import build
from simplecell.forks import compiling
from tests.engine.run.thread_cases import TIME, alone, images, main, parameters, two_convolutions


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
        return right and np.array_equal(
            alone(two_convolutions(shape=(1, 9, 9, 3)), images(0, (1, 9, 9, 3)), given).shape, (1, 9, 9, 8)
        )

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
    """A thread stands inside of `prepare`, another has said before that all is prepared; the child prepares once
    more."""
    graph, x = two_convolutions(), images(0)
    old, new = parameters(0), parameters(1)
    program = build(graph, threads=2)
    program.set_parameters(old)
    program([x])
    bound, inside, go_on = program._bound, threading.Event(), threading.Event()
    run, main = bound._team.run, threading.get_ident()

    def half(table, count):
        if threading.get_ident() != main:
            run(table, max(count - 1, 0))
            inside.set()
            assert go_on.wait(TIME)
        run(table, count)

    bound._team.run = half
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
    return keras.Sequential(
        [
            keras.layers.Input((32, 32, 3)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.Conv2D(4, 3, strides=2),
        ]
    )


def workers_of_a_data_loader():
    """Forked while a thread of the parent predicts; each worker predicts, and compiles a program for a batch size of
    its own."""
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
    """`use_multiprocessing`: batches are made by forked workers, with a model; meanwhile the parent trains and
    predicts."""
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

    head = keras.Sequential(
        [
            keras.layers.Input(features.shape[1:]),
            keras.layers.Conv2D(2, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1),
        ]
    )
    head.compile(optimizer="sgd", loss="mse")
    expected = head.predict(features, batch_size=4, verbose=0)
    np.testing.assert_array_equal(head.predict(Features(workers=2, use_multiprocessing=True), verbose=0), expected)
    history = head.fit(Features(workers=2, use_multiprocessing=True), epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


if __name__ == "__main__":
    main(globals())
