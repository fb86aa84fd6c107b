"""The machine code that walks a program's table of steps, and where threads meet.

Three functions, compiled once per process:

- `run(table, count, thread, threads, meeting)`: all steps for one thread; after a step that others depend on, a barrier;
- `serve(pool, thread)`: a worker waits for work, spinning a bounded time, runs it, waits again, and returns when it gets none;
- `post(pool, table, count, threads)`: hands work to the workers; the result says which of them have gone to sleep.

Waiting spins with the CPU's pause instruction and, when that takes long (more threads than cores), yields to the system.
"""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir

from simplecell.engine.emit import I64, PTR, VOID
from simplecell.engine.target import Target

I32 = ir.IntType(32)

STEP_WORDS = 3
"""A step in the table: address of its function, address of its arguments, flags."""
SOLO, BARRIER = 1, 2
"""Flags: one thread runs it, whose number is in the bits from OWNER on (modulo the threads that there are); all threads meet after it."""
OWNER = 8

# words of a meeting (each on a cache line of its own: 8 words)
ARRIVED, GENERATION, STOPPED, VERDICT = 0, 8, 16, 17
MEETING_WORDS = 24
# words of a pool, after its meeting
TICKET, TABLE, COUNT, THREADS, ASLEEP = 24, 32, 33, 34, 40
MAX_THREADS = 64
POOL_WORDS = ASLEEP + 8 * MAX_THREADS

SPINS_BEFORE_YIELD = 1_000  # pauses, some 20–50 µs: longer than most imbalance between threads on idle cores
SPINS_BEFORE_SLEEP = 20_000  # of `serve`, some milliseconds: a loop of predictions or training steps finds its workers awake


def module(target: Target) -> ir.Module:
    """The three functions."""
    m = ir.Module("runner", context=ir.Context())
    _Run(m, target).build()
    _Serve(m, target).build()
    _post(m)
    return m


class _Function:
    def __init__(self, m: ir.Module, target: Target, name: str, result: ir.Type, types: list[ir.Type]) -> None:
        self.module, self.target = m, target
        self.fn = ir.Function(m, ir.FunctionType(result, types), name)
        self.b = ir.IRBuilder(self.fn.append_basic_block("entry"))

    def word(self, base: Any, index: Any) -> Any:
        return self.b.gep(base, [index if not isinstance(index, int) else I64(index)], source_etype=I64)

    def load(self, base: Any, index: Any, typ: ir.Type = I64) -> Any:
        return self.b.load(self.word(base, index), typ=typ, align=8)

    def watch(self, base: Any, index: int) -> Any:
        """An acquiring load."""
        return self.b.load_atomic(self.word(base, index), "seq_cst", 8, typ=I64)

    def publish(self, value: Any, base: Any, index: Any) -> None:
        """A releasing store (an exchange whose old value nobody wants: llvmlite's atomic store knows no opaque pointers)."""
        self.b.atomic_rmw("xchg", self.word(base, index), value, "seq_cst")

    def pause(self) -> None:
        if self.target.triple.startswith(("x86_64", "i686")):
            self._call("llvm.x86.sse2.pause", VOID)
        elif self.target.triple.startswith(("aarch64", "arm64")):
            hint = self.module.globals.get("llvm.aarch64.hint") or ir.Function(self.module, ir.FunctionType(VOID, [I32]), "llvm.aarch64.hint")
            self.b.call(hint, [I32(1)])

    def give_way(self) -> None:
        """The system's yield; where it has no such function, spinning goes on."""
        if "windows" not in self.target.triple:
            self._call("sched_yield", I32)

    def _call(self, name: str, result: ir.Type) -> None:
        fn = self.module.globals.get(name) or ir.Function(self.module, ir.FunctionType(result, []), name)
        self.b.call(fn, [])

    def spin_until(self, changed: Any, give_up: int | None = None) -> Any:
        """Emit a loop that calls `changed()` until it is true; the number of spins reached (i64), or `give_up` if it was too long."""
        b = self.b
        before = b.block
        head, wait, slow, again, done = (self.fn.append_basic_block(n) for n in ("spin", "wait", "slow", "again", "done"))
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
        after = b.add(spins, I64(1))
        spins.add_incoming(after, b.block)
        b.branch(head)
        b.position_at_end(done)
        return spins


class _Run(_Function):
    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "run", VOID, [PTR, I64, I64, I64, PTR])

    def build(self) -> None:
        b = self.b
        table, count, thread, threads, meeting = self.fn.args
        entry = b.block
        head, body, done = (self.fn.append_basic_block(n) for n in ("head", "body", "done"))
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(I64(0), entry)
        stop = b.phi(I64)
        stop.add_incoming(I64(0), entry)
        b.cbranch(b.or_(b.icmp_signed(">=", i, count), b.icmp_signed("!=", stop, I64(0))), done, body)
        b.position_at_end(body)
        step = self.word(table, b.mul(i, I64(STEP_WORDS)))
        function = self.load(step, 0, ir.PointerType(ir.FunctionType(VOID, [PTR, I64, I64])))
        arguments = self.load(step, 1, PTR)
        flags = self.load(step, 2)
        solo = b.icmp_signed("!=", b.and_(flags, I64(SOLO)), I64(0))
        alone = b.icmp_signed("==", threads, I64(1))
        owner = b.urem(b.lshr(flags, I64(OWNER)), threads)
        mine = b.or_(b.not_(solo), b.icmp_signed("==", thread, owner))
        with b.if_then(mine):
            b.call(function, [arguments, b.select(solo, I64(0), thread), b.select(solo, I64(1), threads)])
        meet = b.and_(b.not_(alone), b.icmp_signed("!=", b.and_(flags, I64(BARRIER)), I64(0)))
        with b.if_then(meet):
            self._barrier(meeting, threads)
        # One verdict for all: written by the last to arrive, before the others are let go. Alone, one's own word is the verdict.
        verdict = self.watch(meeting, VERDICT)
        own = self.watch(meeting, STOPPED)
        after = b.add(i, I64(1))
        i.add_incoming(after, b.block)
        stop.add_incoming(b.select(alone, own, b.select(meet, verdict, I64(0))), b.block)
        b.branch(head)
        b.position_at_end(done)
        b.ret_void()

    def _barrier(self, meeting: Any, threads: Any) -> None:
        """The last to arrive opens the next generation."""
        b = self.b
        generation = self.watch(meeting, GENERATION)
        arrived = b.atomic_rmw("add", self.word(meeting, ARRIVED), I64(1), "seq_cst")
        with b.if_else(b.icmp_signed("==", b.add(arrived, I64(1)), threads)) as (last, other):
            with last:
                self.publish(I64(0), meeting, ARRIVED)
                self.publish(self.watch(meeting, STOPPED), meeting, VERDICT)
                self.publish(b.add(generation, I64(1)), meeting, GENERATION)
            with other:
                self.spin_until(lambda: b.icmp_signed("!=", self.watch(meeting, GENERATION), generation))


class _Serve(_Function):
    """serve(pool, thread, seen): runs every ticket after `seen`; returns the last ticket it saw, asleep."""

    def __init__(self, m: ir.Module, target: Target) -> None:
        super().__init__(m, target, "serve", I64, [PTR, I64, I64])

    def build(self) -> None:
        b = self.b
        pool, thread, start = self.fn.args
        entry = b.block
        head, work, idle, leave = (self.fn.append_basic_block(n) for n in ("head", "work", "idle", "leave"))
        b.branch(head)
        b.position_at_end(head)
        seen = b.phi(I64)
        seen.add_incoming(start, entry)
        self.spin_until(lambda: b.icmp_signed("!=", self.watch(pool, TICKET), seen), give_up=SPINS_BEFORE_SLEEP)
        ticket = self.watch(pool, TICKET)
        b.cbranch(b.icmp_signed("!=", ticket, seen), work, idle)

        b.position_at_end(work)
        threads = self.load(pool, THREADS)
        run = self.module.globals["run"]
        b.call(run, [self.load(pool, TABLE, PTR), self.load(pool, COUNT), thread, threads, pool])
        seen.add_incoming(ticket, b.block)
        b.branch(head)

        b.position_at_end(idle)  # say that we sleep, then look once more: work may have come in between
        flag = b.add(I64(ASLEEP), b.mul(thread, I64(8)))
        self.publish(I64(1), pool, flag)
        again = self.watch(pool, TICKET)
        missed = b.icmp_signed("!=", again, seen)
        was = self.fn.append_basic_block("missed")
        b.cbranch(missed, was, leave)
        b.position_at_end(was)
        # the poster may have seen the flag and be waking us: whoever clears it owns the wake-up
        mine = b.atomic_rmw("xchg", self.word(pool, flag), I64(0), "seq_cst")
        seen.add_incoming(seen, b.block)
        b.cbranch(b.icmp_signed("!=", mine, I64(0)), head, leave)
        b.position_at_end(leave)
        b.ret(seen)


def _post(m: ir.Module) -> None:
    """post(pool, table, count, threads) → bit set of workers that must be woken."""
    f = _Function.__new__(_Function)
    f.module = m
    f.fn = ir.Function(m, ir.FunctionType(I64, [PTR, PTR, I64, I64]), "post")
    b = f.b = ir.IRBuilder(f.fn.append_basic_block("entry"))
    pool, table, count, threads = f.fn.args
    for value, at in ((b.ptrtoint(table, I64), TABLE), (count, COUNT), (threads, THREADS)):
        b.store(value, f.word(pool, at), align=8)
    f.publish(b.add(f.load(pool, TICKET), I64(1)), pool, TICKET)
    before = b.block
    head, body, done = (f.fn.append_basic_block(n) for n in ("head", "body", "done"))
    b.branch(head)
    b.position_at_end(head)
    i, asleep = b.phi(I64), b.phi(I64)
    i.add_incoming(I64(1), before)
    asleep.add_incoming(I64(0), before)
    b.cbranch(b.icmp_signed("<", i, threads), body, done)
    b.position_at_end(body)
    flag = b.atomic_rmw("xchg", f.word(pool, b.add(I64(ASLEEP), b.mul(i, I64(8)))), I64(0), "seq_cst")
    i.add_incoming(b.add(i, I64(1)), b.block)
    asleep.add_incoming(b.or_(asleep, b.shl(flag, i)), b.block)
    b.branch(head)
    b.position_at_end(done)
    b.ret(asleep)
