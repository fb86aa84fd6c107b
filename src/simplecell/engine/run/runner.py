"""The machine code that walks a program's table of steps, and where threads meet.

Four functions, compiled once per process:

- `launch(pool, table, count)`: the one entry: all steps on all threads of the pool; returns when every thread has left
  them. Nothing of Python lies between posting the work and the end of it, so that no signal's exception finds a run
  half done;
- `serve(pool)`: a worker's life: it waits for work, spinning a bounded time, then asleep, and takes part in each run.
  It never returns;
- `run(table, count, thread, threads, pool)`: one thread's part of all steps; after a step that others depend on, a
  barrier;
- `if_marked(arguments, thread, threads)`: in the place of a kernel that is seldom needed, and compiled only then.

Waiting spins with the CPU's pause instruction and, when that takes long (more threads than cores), yields to the
system. A worker sleeps at a lock of its own, by functions whose addresses lie in the pool (see `threads`). What is
ordered before what: docs/threads.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir

from simplecell.engine.code.emit import I64, PTR, VOID
from simplecell.engine.target import Target

I32 = ir.IntType(32)

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

# Words of a pool. What different threads write, and what some write while others wait, lies on cache lines of its own
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
"""Written when the pool is made: most threads of a run; addresses of `sleep(lock, 1)`, which waits until the lock is
free and takes it, and `wake(lock)`."""
WORKERS = 64
"""8 words for each thread but the launching one: ASLEEP (it sleeps, or is about to, and must be woken), and its LOCK,
which it sleeps at."""
ASLEEP, LOCK = 0, 1

SPINS_BEFORE_YIELD = 1_000  # pauses, some 20–50 µs: longer than most imbalance between threads on idle cores
SPINS_BEFORE_SLEEP = (
    20_000  # of `serve`, some milliseconds: a loop of predictions or training steps finds its workers awake
)


def pool_words(threads: int) -> int:
    """How many words a pool takes."""
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


class _Function:
    def __init__(self, m: ir.Module, target: Target, name: str, types: list[ir.Type]) -> None:
        self.module, self.target = m, target
        self.fn = ir.Function(m, ir.FunctionType(VOID, types), name)
        self.b = ir.IRBuilder(self.fn.append_basic_block("entry"))

    def word(self, base: Any, index: Any) -> Any:
        return self.b.gep(base, [index if not isinstance(index, int) else I64(index)], source_etype=I64)

    def load(self, base: Any, index: Any, typ: ir.Type = I64) -> Any:
        return self.b.load(self.word(base, index), typ=typ, align=8)

    def store(self, value: Any, base: Any, index: Any) -> None:
        self.b.store(value, self.word(base, index), align=8)

    def watch(self, base: Any, index: Any) -> Any:
        """An atomic load, sequentially consistent."""
        return self.b.load_atomic(self.word(base, index), "seq_cst", 8, typ=I64)

    def exchange(self, value: int, base: Any, index: Any) -> Any:
        """The old value; sequentially consistent."""
        return self.b.atomic_rmw("xchg", self.word(base, index), I64(value), "seq_cst")

    def publish(self, value: Any, base: Any, index: Any) -> None:
        """An atomic store, sequentially consistent. (An exchange whose old value nobody wants: llvmlite's atomic store
        knows no opaque pointers.)"""
        self.b.atomic_rmw("xchg", self.word(base, index), value, "seq_cst")

    def add_one(self, base: Any, index: Any) -> Any:
        """Atomically; the value before."""
        return self.b.atomic_rmw("add", self.word(base, index), I64(1), "seq_cst")

    def worker(self, number: Any) -> Any:
        """Where worker `number`'s words begin."""
        return self.b.add(self.b.mul(self.b.sub(number, I64(1)), I64(8)), I64(WORKERS))

    def call(self, pool: Any, function: int, *arguments: Any) -> None:
        """A function whose address lies in the pool."""
        typ = ir.FunctionType(I32, [a.type for a in arguments])
        self.b.call(self.load(pool, function, ir.PointerType(typ)), arguments)

    def pause(self) -> None:
        if self.target.triple.startswith(("x86_64", "i686")):
            self._call("llvm.x86.sse2.pause", VOID)
        elif self.target.triple.startswith(("aarch64", "arm64")):
            hint = self.module.globals.get("llvm.aarch64.hint") or ir.Function(
                self.module, ir.FunctionType(VOID, [I32]), "llvm.aarch64.hint"
            )
            self.b.call(hint, [I32(1)])

    def give_way(self) -> None:
        """The system's yield; where it has no such function, spinning goes on."""
        if "windows" not in self.target.triple:
            self._call("sched_yield", I32)

    def _call(self, name: str, result: ir.Type) -> None:
        fn = self.module.globals.get(name) or ir.Function(self.module, ir.FunctionType(result, []), name)
        self.b.call(fn, [])

    def spin_until(self, changed: Callable[[], Any], give_up: int | None = None) -> None:
        """Emit a loop that calls `changed()` until it is true, or has been asked `give_up` times."""
        b = self.b
        before = b.block
        head, wait, slow, again, done = (
            self.fn.append_basic_block(n) for n in ("spin", "wait", "slow", "again", "done")
        )
        b.branch(head)
        b.position_at_end(head)
        spins = b.phi(I64)
        spins.add_incoming(I64(0), before)
        ready = changed()
        if give_up is not None:
            ready = b.or_(ready, b.icmp_signed(">=", spins, I64(give_up)))
        b.cbranch(ready, done, wait)
        b.position_at_end(wait)
        self.pause()
        b.cbranch(b.icmp_signed(">", spins, I64(SPINS_BEFORE_YIELD)), slow, again)
        b.position_at_end(slow)
        self.give_way()
        b.branch(again)
        b.position_at_end(again)
        spins.add_incoming(b.add(spins, I64(1)), b.block)
        b.branch(head)
        b.position_at_end(done)


class _IfMarked(_Function):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "if_marked", [PTR, I64, I64])

    def build(self) -> None:
        b = self.b
        arguments, thread, threads = self.fn.args
        marks, count, address = (self.load(arguments, i) for i in range(3))
        found = self._any(b.inttoptr(marks, PTR), count)
        with b.if_then(found):
            with b.if_else(b.icmp_signed("!=", address, I64(0))) as (there, missing):
                with there:
                    typ = ir.PointerType(ir.FunctionType(VOID, [PTR, I64, I64]))
                    b.call(b.inttoptr(address, typ), [self.word(arguments, MARKED_WORDS), thread, threads])
                with missing:  # all threads write the same
                    self.publish(I64(1), b.inttoptr(self.load(arguments, 3), PTR), 0)
        b.ret_void()

    def _any(self, marks: Any, count: Any) -> Any:
        """Is one of the bytes not zero? Eight at a time, then the rest."""
        eights = self.b.and_(count, I64(-8))
        found = self._or(marks, I64(0), eights, 8, I64)
        rest = self._or(marks, eights, count, 1, ir.IntType(8))
        zero = self.b.icmp_signed("!=", found, I64(0))
        return self.b.or_(zero, self.b.icmp_signed("!=", rest, ir.IntType(8)(0)))

    def _or(self, marks: Any, first: Any, last: Any, step: int, typ: ir.Type) -> Any:
        b = self.b
        before = b.block
        head, body, done = (self.fn.append_basic_block(n) for n in ("marks", "mark", "marked"))
        b.branch(head)
        b.position_at_end(head)
        i, found = b.phi(I64), b.phi(typ)
        i.add_incoming(first, before)
        found.add_incoming(typ(0), before)
        b.cbranch(b.icmp_signed("<", i, last), body, done)
        b.position_at_end(body)
        value = b.load(b.gep(marks, [i], source_etype=ir.IntType(8)), typ=typ, align=1)
        found.add_incoming(b.or_(found, value), body)
        i.add_incoming(b.add(i, I64(step)), body)
        b.branch(head)
        b.position_at_end(done)
        return found


class _Run(_Function):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "run", [PTR, I64, I64, I64, PTR])

    def build(self) -> None:
        b = self.b
        table, count, thread, threads, pool = self.fn.args
        entry = b.block
        head, body, done = (self.fn.append_basic_block(n) for n in ("head", "body", "done"))
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(I64(0), entry)
        b.cbranch(b.icmp_signed("<", i, count), body, done)
        b.position_at_end(body)
        step = self.word(table, b.mul(i, I64(STEP_WORDS)))
        function = self.load(step, 0, ir.PointerType(ir.FunctionType(VOID, [PTR, I64, I64])))
        arguments = self.load(step, 1, PTR)
        flags = self.load(step, 2)
        solo = b.icmp_signed("!=", b.and_(flags, I64(SOLO)), I64(0))
        owner = b.urem(b.lshr(flags, I64(OWNER)), threads)
        mine = b.or_(b.not_(solo), b.icmp_signed("==", thread, owner))
        with b.if_then(mine):
            b.call(function, [arguments, b.select(solo, I64(0), thread), b.select(solo, I64(1), threads)])
        after = b.add(i, I64(1))
        # After the last step nobody meets: the launching thread waits until all have left.
        together = b.and_(b.icmp_signed("!=", threads, I64(1)), b.icmp_signed("<", after, count))
        with b.if_then(b.and_(together, b.icmp_signed("!=", b.and_(flags, I64(BARRIER)), I64(0)))):
            self._barrier(pool, threads)
        i.add_incoming(after, b.block)
        b.branch(head)
        b.position_at_end(done)
        b.ret_void()

    def _barrier(self, pool: Any, threads: Any) -> None:
        """The last to arrive opens the next generation."""
        b = self.b
        generation = self.watch(pool, GENERATION)
        arrived = self.add_one(pool, ARRIVED)
        with b.if_else(b.icmp_signed("==", b.add(arrived, I64(1)), threads)) as (last, other):
            with last:
                self.publish(I64(0), pool, ARRIVED)
                self.publish(b.add(generation, I64(1)), pool, GENERATION)
            with other:
                self.spin_until(lambda: b.icmp_signed("!=", self.watch(pool, GENERATION), generation))


class _Serve(_Function):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "serve", [PTR])

    def build(self) -> None:
        b = self.b
        (pool,) = self.fn.args
        # The ticket is read before the worker says that it is there: each run that counts on it has a later one.
        start = self.watch(pool, TICKET)
        number = b.add(self.add_one(pool, PRESENT), I64(1))
        welcome, head, posted, work, idle, recall, rest, leave = (
            self.fn.append_basic_block(n)
            for n in ("welcome", "head", "posted", "work", "idle", "recall", "rest", "leave")
        )
        b.cbranch(b.icmp_signed("<", number, self.load(pool, LIMIT)), welcome, leave)
        b.position_at_end(leave)  # one more than there is work for
        b.ret_void()
        b.position_at_end(welcome)
        own = self.worker(number)
        b.branch(head)

        b.position_at_end(head)
        seen = b.phi(I64)
        seen.add_incoming(start, welcome)
        self.spin_until(lambda: b.icmp_signed("!=", self.watch(pool, TICKET), seen), give_up=SPINS_BEFORE_SLEEP)
        ticket = self.watch(pool, TICKET)
        b.cbranch(b.icmp_signed("!=", ticket, seen), posted, idle)

        b.position_at_end(posted)  # a run that began before this worker was there does without it
        threads = b.and_(ticket, I64((1 << TICKET_BITS) - 1))
        seen.add_incoming(ticket, b.block)
        b.cbranch(b.icmp_signed("<", number, threads), work, head)
        b.position_at_end(work)
        b.call(self.module.globals["run"], [self.load(pool, TABLE, PTR), self.load(pool, COUNT), number, threads, pool])
        self.add_one(pool, LEFT)
        seen.add_incoming(ticket, b.block)
        b.branch(head)

        b.position_at_end(idle)  # say that we sleep, then look once more: work may have come in between
        self.publish(I64(1), pool, b.add(own, I64(ASLEEP)))
        b.cbranch(b.icmp_signed("!=", self.watch(pool, TICKET), seen), recall, rest)
        b.position_at_end(
            recall
        )  # whoever clears the word decides: we, then there is no sleep; the poster, then it wakes us
        mine = self.exchange(0, pool, b.add(own, I64(ASLEEP)))
        seen.add_incoming(seen, b.block)
        b.cbranch(b.icmp_signed("!=", mine, I64(0)), head, rest)
        b.position_at_end(rest)
        self.call(pool, SLEEP, self.load(pool, b.add(own, I64(LOCK)), PTR), I32(1))
        seen.add_incoming(seen, b.block)
        b.branch(head)


class _Launch(_Function):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "launch", [PTR, PTR, I64])

    def build(self) -> None:
        b = self.b
        pool, table, count = self.fn.args
        run = self.module.globals["run"]
        try_it, together, alone = (self.fn.append_basic_block(n) for n in ("try", "together", "alone"))
        limit = self.load(pool, LIMIT)
        there = b.add(self.watch(pool, PRESENT), I64(1))
        threads = b.select(b.icmp_signed("<", there, limit), there, limit)
        b.cbranch(b.icmp_signed(">", threads, I64(1)), try_it, alone)
        b.position_at_end(alone)
        b.call(run, [table, count, I64(0), I64(1), pool])
        b.ret_void()
        b.position_at_end(try_it)
        b.cbranch(b.icmp_signed("==", self.exchange(1, pool, BUSY), I64(0)), together, alone)

        b.position_at_end(together)
        self.store(b.ptrtoint(table, I64), pool, TABLE)
        self.store(count, pool, COUNT)
        number = b.add(b.lshr(self.load(pool, TICKET), I64(TICKET_BITS)), I64(1))
        self.publish(b.or_(b.shl(number, I64(TICKET_BITS)), threads), pool, TICKET)
        self._wake(pool, threads)
        b.call(run, [table, count, I64(0), threads, pool])
        workers = b.sub(threads, I64(1))
        self.spin_until(lambda: b.icmp_signed("==", self.watch(pool, LEFT), workers))
        self.store(I64(0), pool, LEFT)
        self.publish(I64(0), pool, BUSY)
        b.ret_void()

    def _wake(self, pool: Any, threads: Any) -> None:
        """Wake those workers of the run that sleep."""
        b = self.b
        before = b.block
        head, body, after, done = (self.fn.append_basic_block(n) for n in ("each", "look", "next", "awake"))
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(I64(1), before)
        b.cbranch(b.icmp_signed("<", i, threads), body, done)
        b.position_at_end(body)
        own = self.worker(i)
        asleep = b.add(own, I64(ASLEEP))
        with b.if_then(b.icmp_signed("!=", self.watch(pool, asleep), I64(0))):
            with b.if_then(b.icmp_signed("!=", self.exchange(0, pool, asleep), I64(0))):
                self.call(pool, WAKE, self.load(pool, b.add(own, I64(LOCK)), PTR))
        b.branch(after)
        b.position_at_end(after)
        i.add_incoming(b.add(i, I64(1)), b.block)
        b.branch(head)
        b.position_at_end(done)
