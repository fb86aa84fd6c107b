"""New weights are seen by the next call of the thread that has set them, and for good, whatever other threads do
meanwhile."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import simplecell
from simplecell.engine.build import Executable
from simplecell.keras_backend.program_cache import ProgramCache
from simplecell.keras_backend.variable import Variable, changes

X = np.ones((1, 5, 5, 2), "float32")


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def network() -> keras.Model:
    """Every output is 18 times the one weight that `give` sets."""
    return keras.Sequential([keras.Input((5, 5, 2)), layers.Conv2D(4, 3, use_bias=False), layers.ReLU()])


def give(model: keras.Model, value: float) -> None:
    model.set_weights([np.full(w.shape, value, "float32") for w in model.get_weights()])


def together(*works: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("way", ["program", "predict_on_batch"])
def test_who_sets_weights_sees_them_while_others_predict_and_set_others(hasty: None, way: str) -> None:
    model, other = network(), network()
    give(model, 0)
    program = simplecell.compile(model, threads=1) if way == "program" else model.predict_on_batch
    program(X)
    done = threading.Event()
    stale = []

    def predict() -> None:
        while not done.is_set():
            result = program(X)
            assert (result == result.flat[0]).all(), "one run, one set of weights"

    def set_others() -> None:
        i = 0
        while not done.is_set():
            give(other, i := i + 1)

    def set_and_look() -> None:
        try:
            for i in range(1, 1500):
                give(model, i)
                if program(X).flat[0] != 18 * i:
                    stale.append(i)
        finally:
            done.set()

    together(predict, predict, set_others, set_and_look)
    assert not stale


def test_values_that_were_taken_before_others_came_do_not_overtake_them(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    give(model, 1)
    program = simplecell.compile(model, threads=1)
    program(X)
    taken, go_on = threading.Event(), threading.Event()
    real = Executable.set_parameters

    def slow(self: Executable, arrays: Any) -> None:
        if threading.current_thread() is reader:
            taken.set()
            go_on.wait(10)
        real(self, arrays)

    def newer() -> None:
        assert taken.wait(10)
        give(model, 3)
        threading.Timer(0.05, go_on.set).start()
        assert program(X).flat[0] == 54  # waits for the other to be done with its 2

    monkeypatch.setattr(Executable, "set_parameters", slow)
    reader = threading.Thread(target=lambda: program(X))
    give(model, 2)
    reader.start()
    together(newer)
    reader.join()
    assert program(X).flat[0] == 54


def test_what_is_assigned_while_weights_are_packed_is_packed_next(monkeypatch: pytest.MonkeyPatch) -> None:
    from simplecell.engine.run.runtime import Bound

    model = network()
    give(model, 1)
    program = simplecell.compile(model, threads=1)
    real = Bound.prepare

    def assign_meanwhile(self: Bound, parameters: Any) -> None:
        real(self, parameters)
        monkeypatch.setattr(Bound, "prepare", real)
        give(model, 7)
        inner.refresh()  # another thread has seen them, and handed them over

    (inner,) = [program._program([X])]
    monkeypatch.setattr(Bound, "prepare", assign_meanwhile)
    monkeypatch.setattr(inner.executable, "changing", threading.RLock())  # here one thread plays both
    program(X)
    assert program(X).flat[0] == 126


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_preparing_that_fails_is_done_again(monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]) -> None:
    from simplecell.engine.run.runtime import Bound

    model = network()
    give(model, 1)
    program = simplecell.compile(model, threads=1)
    program(X)
    real = Bound.prepare

    def fail(self: Bound, parameters: Any) -> None:
        real(self, parameters)
        raise failure

    give(model, 2)
    monkeypatch.setattr(Bound, "prepare", fail)
    with pytest.raises(failure):
        program(X)
    give(model, 3)
    with pytest.raises(failure):
        program(X)
    monkeypatch.setattr(Bound, "prepare", real)
    assert program(X).flat[0] == 54


def test_freezing_that_is_interrupted_leaves_no_program_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from simplecell.engine.run.runtime import Bound

    program = simplecell.compile(network(), batch_size=1)

    def fail(self: Bound, parameters: list[Any], prepared: bool) -> None:
        parameters.clear()
        raise KeyboardInterrupt

    monkeypatch.setattr(Bound, "freeze", fail)
    with pytest.raises(KeyboardInterrupt):
        program.freeze()
    with pytest.raises(RuntimeError, match="`freeze` was interrupted"):
        program(X)


def test_no_two_changes_look_alike(hasty: None) -> None:
    """Numbers did: of two threads that counted at once, one could write a number that had been seen before."""
    variables = [Variable(0.0), Variable(0.0)]
    kept: list[list[object]] = [[], []]

    def assign(i: int) -> None:
        for n in range(3000):
            variables[i].assign(float(n))
            kept[i].append(changes.values)

    together(lambda: assign(0), lambda: assign(1))
    latest = changes.values
    variables[0].assign(1.0)
    assert changes.values is not latest
    seen = {id(token) for tokens in kept for token in tokens}
    assert id(changes.values) not in seen


def test_a_change_is_announced_after_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else a thread could see the announcement, look, find the old, and never look again."""
    seen: list[tuple[str, Any]] = []

    class Watched(type(changes)):
        def __setattr__(self, name: str, value: object) -> None:
            seen.append((name, v.trainable if name == "structure" else v.cell.array.flat[0]))
            super().__setattr__(name, value)

    v = Variable(np.zeros(1, "float32"))
    monkeypatch.setattr("simplecell.keras_backend.variable.changes", object.__new__(Watched))
    v.assign(np.ones(1, "float32"))
    v.trainable = False
    assert seen == [("values", 1), ("structure", False)]


def test_values_are_drawn_once_for_all_threads_and_no_assignment_is_lost(hasty: None) -> None:
    for n in range(30):
        initializer = keras.initializers.RandomNormal(seed=n)
        v = Variable(initializer, shape=(20, 20))
        barrier = threading.Barrier(3)
        drawn: list[Any] = []

        def look(v: Variable = v, barrier: threading.Barrier = barrier, drawn: list[Any] = drawn) -> None:
            barrier.wait()
            drawn.append(v.numpy())

        def assign(v: Variable = v, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            v.assign(np.ones((20, 20)))

        together(look, look, assign)
        assert v.numpy().min() == 1
        expected = np.asarray(initializer((20, 20)))
        assert all(np.array_equal(d, expected) or d.min() == 1 for d in drawn)


def test_another_optimizer_is_used_though_no_variable_was_made() -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False)])
    still, moving = keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.1)
    for optimizer in (still, moving):
        optimizer.build(model.trainable_variables)
    model.compile(still, "mse")
    data = np.ones((4, 2)), np.full((4, 1), 9)
    model.train_on_batch(*data)
    before = model.get_weights()[0]
    model.train_on_batch(*data)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    model.optimizer = moving
    model.train_on_batch(*data)
    assert (model.get_weights()[0] != before).all()


def test_a_cache_of_programs_is_shared_by_threads(hasty: None) -> None:
    class Made:
        program, threads = None, 1

    cache: ProgramCache[Made] = ProgramCache(lambda made: made, budget=5 << 16)

    def use(seed: int) -> None:
        for key in np.random.default_rng(seed).integers(0, 9, 3000):
            assert cache.get(int(key), Made) is not None

    together(*(lambda s=s: use(s) for s in range(4)))
    assert len(cache) == 5 and cache._bytes == 5 << 16
    # another thread makes the same program meanwhile: one of the two is kept, and counted once
    kept = cache.get("slow", lambda: cache.get("slow", Made) and Made())
    assert cache.get("slow", Made) is kept and len(cache) == 5 and cache._bytes == 5 << 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python, from 3.12 on
def test_a_child_that_was_forked_while_weights_were_packed_packs_them_itself() -> None:
    model = network()
    give(model, 1)
    program = simplecell.compile(model, threads=1)
    program(X)
    give(model, 2)
    inner = program._program([X])
    with inner.executable.changing:  # as another thread would hold it
        child = os.fork()
        if child == 0:
            os._exit(0 if program(X).flat[0] == 36 else 1)
    # a child that waits for ever is killed
    killer = threading.Timer(20, os.kill, (child, 9))
    killer.start()
    _, status = os.waitpid(child, 0)
    killer.cancel()
    assert status == 0


def test_a_signal_leaves_a_training_step_done_or_not_done() -> None:
    """All variables have their new values, or none of them, whatever line of running the program the exception comes
    at."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = np.ones((2, 4), np.float32), np.zeros((2, 2), np.float32)
    model.train_on_batch(x, y)
    states = []
    for place in range(1, 200):
        before = [np.array(v) for v in model.trainable_variables]
        if not _interrupted_at(place, lambda: model.train_on_batch(x, y)):
            break
        changed = [bool((np.array(v) != b).any()) for v, b in zip(model.trainable_variables, before)]
        assert len(set(changed)) == 1, (place, changed)
        states.append(changed[0])
    assert set(states) == {True, False} and len(states) > 15


def _interrupted_at(place: int, function: Callable[[], object]) -> bool:
    """Call, with a KeyboardInterrupt at the line number `place` of those that run the program and assign to variables.
    Was there such a line?"""
    lines = 0

    def interrupt(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        if (
            frame.f_code.co_name not in ("__call__", "assign_together", "structured")
            or "keras_backend" not in frame.f_code.co_filename
        ):
            return None
        lines += event == "line"
        if lines == place and event == "line":
            raise KeyboardInterrupt
        return interrupt

    sys.settrace(interrupt)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False
