"""Control flow, scratch and stack of functions that are written in LLVM's code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from simplecell.engine.code.emit import F32, I64, Emitter, Index
from simplecell.engine.code.kernel import Kernel, kernel_name
from tests.engine.harness import available_targets, guarded, run


@dataclass(frozen=True)
class Collatz(Kernel):
    """dst[i] = how often src[i] is halved, or tripled and one added, until it is 1: a loop that is left from within."""

    arguments = ("src", "dst", "n")

    @property
    def name(self) -> str:
        return kernel_name("collatz", "endless", "int64")

    def emit(self, e: Emitter) -> None:
        src, dst, b = e.pointer("src"), e.pointer("dst"), e.b
        with e.loop(e.index("n")) as i:
            with e.endless(carry=[e.load(src, i.index, 1, I64), I64(0)]) as turn:
                value, count = turn.values
                e.store(count, dst, i.index)
                turn.leave_if(b.icmp_signed("==", value, I64(1)))
                odd = b.icmp_signed("==", b.and_(value, I64(1)), I64(1))
                tripled = b.add(b.mul(value, I64(3)), I64(1))
                turn.carry([b.select(odd, tripled, b.lshr(value, I64(1))), b.add(count, I64(1))])


@dataclass(frozen=True)
class Guarded(Kernel):
    """dst[i] = src[i] is not negative, and table[src[i]] is 7: the table is read only where the first holds."""

    arguments = ("src", "table", "dst", "n")

    @property
    def name(self) -> str:
        return kernel_name("guarded", "and_then", "int64")

    def emit(self, e: Emitter) -> None:
        src, table, dst, b = e.pointer("src"), e.pointer("table"), e.pointer("dst"), e.b
        with e.loop(e.index("n")) as i:
            value = e.load(src, i.index, 1, I64)

            def seven(value: object = value) -> object:
                return b.icmp_signed("==", e.load(table, Index(e, value), 1, I64), I64(7))

            both = e.and_then(b.icmp_signed(">=", value, I64(0)), seven)
            e.store(b.zext(both, I64), dst, i.index)


@dataclass(frozen=True)
class Reversed(Kernel):
    """dst = src in reverse, by way of this thread's scratch and of its stack."""

    count: int
    arguments = ("src", "dst", "scratch", "scratch_stride")

    @property
    def name(self) -> str:
        return kernel_name("reversed", "stack", "float32", str(self.count))

    def emit(self, e: Emitter) -> None:
        src, dst, scratch, stack = e.pointer("src"), e.pointer("dst"), e.scratch(), e.stack(self.count)
        first = e.thread * self.count
        with e.loop(self.count) as i:
            e.store(e.load(src, first + i.index, 1, F32), stack, i.index)
        with e.loop(self.count) as i:
            e.store(e.load(stack, self.count - 1 - i.index, 1, F32), scratch, i.index)
        with e.loop(self.count) as i:
            e.store(e.load(scratch, i.index, 1, F32), dst, first + i.index)


@pytest.mark.parametrize("on", available_targets())
def test_a_loop_that_is_left_from_within(on: str) -> None:
    src, dst = guarded(np.array([1, 2, 3, 27, 6], np.int64)), guarded(np.zeros(5, np.int64))
    run(Collatz(), 1, on, src=src, dst=dst, n=5)
    assert dst.tolist() == [0, 1, 7, 111, 8]


@pytest.mark.parametrize("on", available_targets())
def test_what_is_asked_second_is_asked_only_where_the_first_holds(on: str) -> None:
    """The table begins at a page that must not be touched: reading before it would crash."""
    src, table = guarded(np.array([-1, 0, -(1 << 40), 2, 1], np.int64)), guarded(np.array([7, 3, 7], np.int64), False)
    dst = guarded(np.full(5, 9, np.int64))
    run(Guarded(), 1, on, src=src, table=table, dst=dst, n=5)
    assert dst.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("threads", [1, 3])
def test_scratch_and_stack_belong_to_the_thread(threads: int) -> None:
    count, stride = 19, 128
    src = guarded(np.arange(threads * count, dtype=np.float32))
    dst = guarded(np.zeros_like(src))
    scratch = guarded(np.zeros(threads * stride // 4 - (stride // 4 - count), np.float32))
    run(Reversed(count), threads, src=src, dst=dst, scratch=scratch, scratch_stride=stride)
    want = src.reshape(threads, count)[:, ::-1]
    assert np.array_equal(dst.reshape(threads, count), want)
    assert all(np.array_equal(scratch[t * stride // 4 :][:count], want[t]) for t in range(threads))
