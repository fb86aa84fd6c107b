"""The machine code that walks a program's table of steps, and where threads meet.

Four functions, compiled once per process:

- `launch(team, table, count)`: the one entry: all steps on all threads of the team; returns when every thread has left
  them. Nothing of Python lies between posting the work and the end of it, so that no signal's exception finds a run
  half done;
- `serve(team)`: a worker's life: it waits for work, spinning a bounded time, then asleep, and takes part in each run.
  It never returns;
- `run(table, count, thread, threads, team)`: one thread's part of all steps; after a step that others depend on, a
  barrier;
- `if_marked(arguments, thread, threads)`: in the place of a kernel that is seldom needed, and compiled only then.

Waiting spins with the CPU's pause instruction and, when that takes long (more threads than cores), yields to the
system. A worker sleeps at a lock of its own, by functions whose addresses lie in the team's words (see `threads`).
What is ordered before what: docs/threads.md.
"""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.ir as ir

from simplecell.engine.code.function import Function
from simplecell.engine.code.index import I8, I32, I64, PTR, VOID, Index, Value
from simplecell.engine.target import Target

STEP_WORDS = 3
"""A step in the table: address of its function, address of its arguments, flags."""
SOLO, BARRIER = 1, 2
"""Flags: one thread runs it, whose number is in the bits from OWNER on (modulo the threads that there are); all threads
meet after it."""
OWNER = 8

MARKED_WORDS = 4
"""Before the arguments of a step that is run by `if_marked`: the address of the marks (bytes), how many they are, the
address of the kernel's function (0 until it is compiled), and the address of the word that is to say 1 if it is
missing."""

# Words of a team. What different threads write, and what some write while others wait, lies on cache lines of its own
# (8 words).
BUSY = 0
"""1 while a run has the workers; whoever finds it 1 runs alone."""
TICKET = 8
"""Of the last run: its number, and in the low TICKET_BITS how many threads take part, the launching one included."""
TICKET_BITS = 16
TABLE, COUNT = 16, 17
"""Of the run: written before its ticket."""
ARRIVED, GENERATION = 24, 32
"""The barrier: threads that have come; how often it has opened."""
LEFT = 40
"""Workers that have done their part of the run."""
PRESENT = 48
"""Workers that have ever come; they stay."""
LIMIT, SLEEP, WAKE = 56, 57, 58
"""Written when the team is made: most threads of a run; addresses of `sleep(lock, 1)`, which waits until the lock is
free and takes it, and `wake(lock)`."""
WORKERS = 64
"""8 words for each thread but the launching one: ASLEEP (it sleeps, or is about to, and must be woken), and its LOCK,
which it sleeps at."""
ASLEEP, LOCK = 0, 1

SPINS_BEFORE_YIELD = 1_000  # pauses, some 20–50 µs: longer than most imbalance between threads on idle cores
SPINS_BEFORE_SLEEP = (
    20_000  # of `serve`, some milliseconds: a loop of predictions or training steps finds its workers awake
)


def team_words(threads: int) -> int:
    """How many words a team takes."""
    return WORKERS + 8 * threads


def worker_word(number: int) -> int:
    """Where the words of worker `number` begin (from 1 on: 0 is the launching thread)."""
    return WORKERS + 8 * (number - 1)


def module(target: Target) -> ir.Module:
    """The four functions."""
    m = ir.Module("runner", context=ir.Context())
    _IfMarked(m, target).build()
    _Run(m, target).build()
    _Serve(m, target).build()
    _Launch(m, target).build()
    return m


class _Words(Function):
    """A function that works on words in memory, some of them shared by threads."""

    def word(self, base: Value, index: Value) -> Value:
        return self.b.gep(base, [index if not isinstance(index, int) else I64(index)], source_etype=I64)

    def load(self, base: Value, index: Value, typ: ir.Type = I64) -> Value:
        return self.b.load(self.word(base, index), typ=typ, align=8)

    def store(self, value: Value, base: Value, index: Value) -> None:
        self.b.store(value, self.word(base, index), align=8)

    def watch(self, base: Value, index: Value) -> Value:
        """An atomic load, sequentially consistent."""
        return self.b.load_atomic(self.word(base, index), "seq_cst", 8, typ=I64)

    def exchange(self, value: int, base: Value, index: Value) -> Value:
        """The old value; sequentially consistent."""
        return self.b.atomic_rmw("xchg", self.word(base, index), I64(value), "seq_cst")

    def publish(self, value: Value, base: Value, index: Value) -> None:
        """An atomic store, sequentially consistent. (An exchange whose old value nobody wants: llvmlite's atomic store
        knows no opaque pointers.)"""
        self.b.atomic_rmw("xchg", self.word(base, index), value, "seq_cst")

    def add_one(self, base: Value, index: Value) -> Value:
        """Atomically; the value before."""
        return self.b.atomic_rmw("add", self.word(base, index), I64(1), "seq_cst")

    def worker(self, number: Value) -> Value:
        """Where worker `number`'s words begin."""
        return self.b.add(self.b.mul(self.b.sub(number, I64(1)), I64(8)), I64(WORKERS))

    def call(self, team: Value, function: int, *arguments: Value) -> None:
        """A function whose address lies in the team's words."""
        typ = ir.FunctionType(I32, [a.type for a in arguments])
        self.b.call(self.load(team, function, ir.PointerType(typ)), arguments)

    def pause(self) -> None:
        if self.target.triple.startswith(("x86_64", "i686")):
            self.b.call(self.intrinsic("llvm.x86.sse2.pause", VOID, []), [])
        elif self.target.triple.startswith(("aarch64", "arm64")):
            self.b.call(self.intrinsic("llvm.aarch64.hint", VOID, [I32]), [I32(1)])

    def give_way(self) -> None:
        """The system's yield; where it has no such function, spinning goes on."""
        if "windows" not in self.target.triple:
            self.b.call(self.intrinsic("sched_yield", I32, []), [])

    def spin_until(self, changed: Callable[[], Value], give_up: int | None = None) -> None:
        """Emit a loop that calls `changed()` until it is true, or has been asked `give_up` times."""
        b = self.b
        with self.endless(carry=[I64(0)]) as turn:
            (spins,) = turn.values
            ready = changed()
            if give_up is not None:
                ready = b.or_(ready, b.icmp_signed(">=", spins, I64(give_up)))
            turn.leave_if(ready)
            self.pause()
            with self.when(b.icmp_signed(">", spins, I64(SPINS_BEFORE_YIELD))):
                self.give_way()
            turn.carry([b.add(spins, I64(1))])


class _IfMarked(_Words):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "if_marked", [PTR, I64, I64])

    def build(self) -> None:
        b = self.b
        arguments, thread, threads = self.fn.args
        marks, count, address = (self.load(arguments, i) for i in range(3))
        with self.when(self._any(b.inttoptr(marks, PTR), count)):
            with self.otherwise_when(b.icmp_signed("!=", address, I64(0))) as (there, missing):
                with there:
                    typ = ir.PointerType(ir.FunctionType(VOID, [PTR, I64, I64]))
                    b.call(b.inttoptr(address, typ), [self.word(arguments, MARKED_WORDS), thread, threads])
                with missing:  # all threads write the same
                    self.publish(I64(1), b.inttoptr(self.load(arguments, 3), PTR), 0)
        self.done()

    def _any(self, marks: Value, count: Value) -> Value:
        """Is one of the bytes not zero? Eight at a time, then the rest."""
        eights = self.b.and_(count, I64(-8))
        found = self._or(marks, I64(0), eights, I64)
        rest = self._or(marks, eights, count, I8)
        zero = self.b.icmp_signed("!=", found, I64(0))
        return self.b.or_(zero, self.b.icmp_signed("!=", rest, I8(0)))

    def _or(self, marks: Value, first: Value, last: Value, typ: ir.Type) -> Value:
        """All of the values of a type in bytes first … last − 1."""
        with self.loop(Index(self, last), Index(self, first), typ.width // 8, carry=[typ(0)], name="mark") as loop:
            value = self.b.load(self.b.gep(marks, [loop.index.ir], source_etype=I8), typ=typ, align=1)
            loop.carry([self.b.or_(loop.values[0], value)])
        return loop.results[0]


class _Run(_Words):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "run", [PTR, I64, I64, I64, PTR])

    def build(self) -> None:
        b = self.b
        table, count, thread, threads, team = self.fn.args
        with self.loop(Index(self, count), name="step") as loop:
            i = loop.index.ir
            step = self.word(table, b.mul(i, I64(STEP_WORDS)))
            function = self.load(step, 0, ir.PointerType(ir.FunctionType(VOID, [PTR, I64, I64])))
            arguments = self.load(step, 1, PTR)
            flags = self.load(step, 2)
            solo = b.icmp_signed("!=", b.and_(flags, I64(SOLO)), I64(0))
            owner = b.urem(b.lshr(flags, I64(OWNER)), threads)
            with self.when(b.or_(b.not_(solo), b.icmp_signed("==", thread, owner))):
                b.call(function, [arguments, b.select(solo, I64(0), thread), b.select(solo, I64(1), threads)])
            # After the last step nobody meets: the launching thread waits until all have left.
            last = b.icmp_signed(">=", b.add(i, I64(1)), count)
            together = b.and_(b.icmp_signed("!=", threads, I64(1)), b.not_(last))
            with self.when(b.and_(together, b.icmp_signed("!=", b.and_(flags, I64(BARRIER)), I64(0)))):
                self._barrier(team, threads)
        self.done()

    def _barrier(self, team: Value, threads: Value) -> None:
        """The last to arrive opens the next generation."""
        b = self.b
        generation = self.watch(team, GENERATION)
        arrived = self.add_one(team, ARRIVED)
        with self.otherwise_when(b.icmp_signed("==", b.add(arrived, I64(1)), threads)) as (last, other):
            with last:
                self.publish(I64(0), team, ARRIVED)
                self.publish(b.add(generation, I64(1)), team, GENERATION)
            with other:
                self.spin_until(lambda: b.icmp_signed("!=", self.watch(team, GENERATION), generation))


class _Serve(_Words):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "serve", [PTR])

    def build(self) -> None:
        b = self.b
        (team,) = self.fn.args
        # The ticket is read before the worker says that it is there: each run that counts on it has a later one.
        start = self.watch(team, TICKET)
        number = b.add(self.add_one(team, PRESENT), I64(1))
        with self.when(
            b.icmp_signed("<", number, self.load(team, LIMIT))
        ):  # else there are more than there is work for
            with self.endless(carry=[start]) as turn:
                (seen,) = turn.values
                self.spin_until(lambda: b.icmp_signed("!=", self.watch(team, TICKET), seen), give_up=SPINS_BEFORE_SLEEP)
                ticket = self.watch(team, TICKET)
                with self.otherwise_when(b.icmp_signed("!=", ticket, seen)) as (posted, idle):
                    with posted:
                        self._take_part(team, number, ticket)
                    with idle:
                        self._sleep(team, number, seen)
                turn.carry([ticket])  # of a sleep the same as before: what woke it is seen in the next turn
        self.done()

    def _take_part(self, team: Value, number: Value, ticket: Value) -> None:
        """In the run of the ticket. One that began before this worker was there does without it."""
        b = self.b
        threads = b.and_(ticket, I64((1 << TICKET_BITS) - 1))
        with self.when(b.icmp_signed("<", number, threads)):
            table, count = self.load(team, TABLE, PTR), self.load(team, COUNT)
            b.call(self.module.globals["run"], [table, count, number, threads, team])
            self.add_one(team, LEFT)

    def _sleep(self, team: Value, number: Value, seen: Value) -> None:
        """Say that we sleep, then look once more: work may have come in between. Whoever clears the word decides: we,
        then there is no sleep; the poster, then it wakes us."""
        b, own = self.b, self.worker(number)
        self.publish(I64(1), team, b.add(own, I64(ASLEEP)))
        came = b.icmp_signed("!=", self.watch(team, TICKET), seen)
        cleared = self.and_then(
            came, lambda: b.icmp_signed("!=", self.exchange(0, team, b.add(own, I64(ASLEEP))), I64(0))
        )
        with self.when(b.not_(cleared)):
            self.call(team, SLEEP, self.load(team, b.add(own, I64(LOCK)), PTR), I32(1))


class _Launch(_Words):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "launch", [PTR, PTR, I64])

    def build(self) -> None:
        b = self.b
        team, table, count = self.fn.args
        run = self.module.globals["run"]
        limit = self.load(team, LIMIT)
        there = b.add(self.watch(team, PRESENT), I64(1))
        threads = b.select(b.icmp_signed("<", there, limit), there, limit)
        ours = self.and_then(
            b.icmp_signed(">", threads, I64(1)), lambda: b.icmp_signed("==", self.exchange(1, team, BUSY), I64(0))
        )
        with self.otherwise_when(ours) as (together, alone):
            with together:
                self.store(b.ptrtoint(table, I64), team, TABLE)
                self.store(count, team, COUNT)
                number = b.add(b.lshr(self.load(team, TICKET), I64(TICKET_BITS)), I64(1))
                self.publish(b.or_(b.shl(number, I64(TICKET_BITS)), threads), team, TICKET)
                self._wake(team, threads)
                b.call(run, [table, count, I64(0), threads, team])
                workers = b.sub(threads, I64(1))
                self.spin_until(lambda: b.icmp_signed("==", self.watch(team, LEFT), workers))
                self.store(I64(0), team, LEFT)
                self.publish(I64(0), team, BUSY)
            with alone:
                b.call(run, [table, count, I64(0), I64(1), team])
        self.done()

    def _wake(self, team: Value, threads: Value) -> None:
        """Wake those workers of the run that sleep."""
        b = self.b
        with self.loop(Index(self, threads), start=1, name="worker") as loop:
            own = self.worker(loop.index.ir)
            asleep = b.add(own, I64(ASLEEP))
            with self.when(b.icmp_signed("!=", self.watch(team, asleep), I64(0))):
                with self.when(b.icmp_signed("!=", self.exchange(0, team, asleep), I64(0))):
                    self.call(team, WAKE, self.load(team, b.add(own, I64(LOCK)), PTR))
