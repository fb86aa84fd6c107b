"""Programs under fire: everything that may come between, at random, and each result compared with what was computed
before in peace.

    python tests/soak/soak.py --seconds 60 --seed 1

For that long, all at once in one process:

- threads call compiled models and Keras's `predict_on_batch`, on inputs chosen at random; one of the models fails now
  and then (a singular matrix);
- one thread gives new weights to a model that others are running (`--no-weights`: nobody does): a result is that of
  weights which the model has had,
  and after `set_weights` has returned the next call is that of the new ones;
- the main thread calls programs while a timer's signal raises an exception at any microsecond, forks children that run
  (and compile) programs,
  makes programs with other numbers of threads, times steps, and rests for so long that workers go to sleep.

Results must be equal to the last bit to those of one thread that ran alone before, which are checked against NumPy's
sums. The exit code is 0 if
nothing was wrong and nothing hung. What hangs is shown with everybody's traceback, and ends the process.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import gc
import itertools
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings

import numpy as np

import simplecell

import keras  # isort: skip  (after simplecell: on which it runs)

HANGS = 120
"""Seconds without progress after which something hangs."""


class Fire(BaseException):
    """What the timer's signal raises."""


class Inverse(keras.layers.Layer):
    """Of the 4×4 matrices that the middle of each of four channels holds. NumPy raises an exception for a singular
    one."""

    def call(self, x):
        return keras.ops.inv(x[:, :4, :4, :4])


class Case:
    """A function of arrays, with inputs, and for each input the results that are right (one but for changing
    weights)."""

    def __init__(self, name, call, inputs, right):
        self.name, self.call, self.inputs, self.right = name, call, inputs, right

    def check(self, rng):
        """None, or what was wrong."""
        k = rng.randrange(len(self.inputs))
        try:
            found = np.asarray(self.call(self.inputs[k]))
        except np.linalg.LinAlgError:
            found = None
        if found is None:
            return None if self.right[k] is None else f"{self.name}: failed on input {k}, which is regular"
        if self.right[k] is None:
            return f"{self.name}: no exception for input {k}, which is singular"
        if not any(np.array_equal(found, r) for r in self.right[k]):
            off = min(int((found != r).sum()) for r in self.right[k])
            return f"{self.name}: input {k}: {off} of {found.size} numbers are wrong ({np.isnan(found).sum()} NaN)"
        return None


def into(program, shape):
    """Calls with an `out` of NaN, where a result that was not written shows."""

    def call(x):
        out = np.full((len(x), *shape), np.nan, np.float32)
        program(x, out)
        return out

    return call


def networks():
    L = keras.layers
    keras.utils.set_random_seed(7)
    two = keras.Sequential([L.Input((64, 64, 3)), L.Conv2D(16, 3, activation="relu"), L.Conv2D(16, 3)])
    deep = keras.Sequential(
        [
            L.Input((24, 24, 8)),
            *(L.Conv2D(16, 3, padding="same", activation="relu") for _ in range(8)),
            L.GlobalAveragePooling2D(),
        ]
    )
    solving = keras.Sequential(
        [
            L.Input((20, 20, 4)),
            L.Conv2D(32, 3, padding="same", use_bias=False),
            L.Conv2D(4, 1, use_bias=False),
            Inverse(),
        ]
    )
    changing = keras.Sequential([L.Input((32, 32, 3)), L.Conv2D(16, 3, use_bias=False), L.Conv2D(8, 3, use_bias=False)])
    return two, deep, solving, changing


def inputs_of(model, count, batch=2):
    rng = np.random.default_rng(11)
    return [rng.normal(size=(batch, *model.input_shape[1:])).astype(np.float32) for _ in range(count)]


def alone(model, inputs):
    """What one thread computes in peace; it agrees with direct sums in another order."""
    program, other = simplecell.compile(model, threads=1), simplecell.compile(model, threads=1, precision="exact")
    results = []
    for x in inputs:
        try:
            found = program(x).copy()
        except np.linalg.LinAlgError:
            found = None
        else:
            np.testing.assert_allclose(found, other(x), rtol=1e-3, atol=1e-3 * float(np.abs(found).max()))
        results.append(found)
    return results


class Soak:
    def __init__(self, seed, weights):
        self.seed, self.weights = seed, weights
        self.counts = collections.Counter()
        self.wrong = []
        self.stop = threading.Event()
        self.progress = {}
        self.two, deep, solving, self.changing = networks()
        self.cases = []
        for model, threads in ((self.two, 2), (deep, 3), (solving, 2)):
            inputs = inputs_of(model, 4)
            if model is solving:
                inputs[0][:] = 0
            right = alone(model, inputs)
            program = simplecell.compile(model, threads=threads)
            self.cases.append(
                Case(
                    f"compiled {threads}",
                    into(program, model.output_shape[1:]),
                    inputs,
                    [None if r is None else [r] for r in right],
                )
            )
            if model is not solving:
                predicted = [np.asarray(model.predict_on_batch(x)) for x in inputs]
                self.cases.append(Case("predict_on_batch", model.predict_on_batch, inputs, [[p] for p in predicted]))
        self.program = simplecell.compile(self.two, threads=2)
        self._changing_case()

    def _changing_case(self):
        """The first layer's weights may be newer than the second's: `set_weights` gives one after the other."""
        rng = np.random.default_rng(5)
        self.versions = [
            [rng.normal(size=w.shape).astype(np.float32) / 5 for w in self.changing.get_weights()] for _ in range(3)
        ]
        inputs = inputs_of(self.changing, 3)
        found = {}
        for i, j in itertools.product(range(3), repeat=2):
            self.changing.set_weights([self.versions[i][0], self.versions[j][1]])
            found[i, j] = alone(self.changing, inputs)
        self.changing.set_weights(self.versions[0])
        program = simplecell.compile(self.changing, threads=2)
        call = into(program, self.changing.output_shape[1:])
        states = list(found) if self.weights else [(0, 0)]
        self.cases.append(Case("changing weights", call, inputs, [[found[s][k] for s in states] for k in range(3)]))
        self.newest = [Case(f"weights {v}", call, inputs, [[found[v, v][k]] for k in range(3)]) for v in range(3)]

    # --- threads -----------------------------------------------------------------------------------------------------

    def actor(self, name, act):
        """A thread that acts until the end."""
        rng = random.Random(f"{self.seed} {name}")

        def work():
            try:
                while not self.stop.is_set():
                    self.note(act(rng), name)
                    self.progress[name] = time.monotonic()
            except BaseException:
                self.wrong.append(f"{name}: {traceback.format_exc()}")

        self.progress[name] = time.monotonic()
        return threading.Thread(target=work, name=name)

    def note(self, wrong, what):
        self.counts[what] += 1
        if wrong:
            self.wrong.append(wrong)

    def call(self, rng):
        if rng.random() < 0.02:
            time.sleep(rng.random() / 50)
        return rng.choice(self.cases).check(rng)

    def new_weights(self, rng):
        version = rng.randrange(3)
        self.changing.set_weights(self.versions[version])
        wrong = self.newest[version].check(rng)
        time.sleep(rng.random() / 100)
        return wrong

    # --- the main thread ---------------------------------------------------------------------------------------------

    def interrupted(self, rng):
        try:
            signal.setitimer(signal.ITIMER_REAL, 10 ** rng.uniform(-5, -2.5))
            try:
                for _ in range(rng.randrange(1, 8)):
                    self.note(rng.choice(self.cases).check(rng), "calls under a timer")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Fire:
            self.counts["interrupts"] += 1
            signal.setitimer(signal.ITIMER_REAL, 0)

    def forked(self, rng):
        compiles = rng.random() < 0.3
        child = os.fork()
        if child == 0:
            ok = False
            try:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                faulthandler.register(signal.SIGALRM, chain=True)
                signal.alarm(HANGS // 2)
                found = [case.check(rng) for case in self.cases for _ in range(2)]
                if compiles:
                    x = np.zeros((rng.randrange(1, 9), 64, 64, 3), np.float32)
                    program = simplecell.compile(self.two, threads=rng.choice((1, 2, 5)))
                    found.append(
                        None if np.isfinite(program(x)).all() else "a program compiled in a child gives no numbers"
                    )
                for wrong in filter(None, found):
                    print("in a child:", wrong, file=sys.stderr, flush=True)
                ok = not any(found)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0 if ok else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.note(f"a child ended with {code}" if code else None, "children")

    def other_threads(self, rng):
        threads = rng.choice((1, 2, 3, 4, 7))
        case = self.cases[0]
        program = simplecell.compile(self.two, threads=threads)
        self.note(Case(f"compiled {threads}", program, case.inputs, case.right).check(rng), "new programs")

    def timed(self, rng):
        self.program.describe(2)
        self.counts["descriptions"] += 1

    def rest(self, rng):
        time.sleep(rng.random() / 20)
        gc.collect()

    def run(self, seconds):
        def fire(number, frame):
            raise Fire

        signal.signal(signal.SIGALRM, fire)
        actors = [self.actor(f"caller {k}", self.call) for k in range(3)]
        if self.weights:
            actors.append(self.actor("weights", self.new_weights))
        for thread in actors:
            thread.start()
        rng = random.Random(self.seed)
        acts = [self.interrupted] * 30 + [self.forked] * 3 + [self.other_threads, self.timed] + [self.rest] * 3
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.wrong:
            faulthandler.dump_traceback_later(HANGS, exit=True)
            rng.choice(acts)(rng)
            late = [name for name, last in self.progress.items() if time.monotonic() - last > HANGS]
            if late:
                faulthandler.dump_traceback()
                print("hangs:", ", ".join(late), file=sys.stderr, flush=True)
                os._exit(1)
        self.stop.set()
        for thread in actors:
            thread.join()  # or the traceback comes, and the end
        faulthandler.cancel_dump_traceback_later()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--seed",
        type=int,
        default=None,
        help="of what is done, as far as chance is ours (default: another one each time)",
    )
    parser.add_argument("--no-weights", action="store_true", help="nobody changes weights")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    warnings.filterwarnings(
        "ignore", message=".*fork.*", category=DeprecationWarning
    )  # Python 3.12 warns of just what is tried here
    faulthandler.enable()
    faulthandler.dump_traceback_later(5 * HANGS, exit=True)
    soak = Soak(seed, not arguments.no_weights)
    soak.run(arguments.seconds)
    print(f"seed {seed}:", ", ".join(f"{n} {what}" for what, n in sorted(soak.counts.items())))
    for wrong in soak.wrong[:20]:
        print("WRONG", wrong)
    print(f"{len(soak.wrong)} wrong")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
