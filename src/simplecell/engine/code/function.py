"""An LLVM function under construction, and the only place with hand-wired branches: loops are context managers, and so
are conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import llvmlite.ir as ir

from simplecell.engine.code.index import I1, I64, VOID, Index, Value
from simplecell.engine.target import Target


class Loop:
    """Inside the `with`: `index` and the carried `values`; `carry(...)` sets the next ones. After it: `results`."""

    def __init__(self, index: Index, values: list[Value]) -> None:
        self.index, self.values, self.results = index, values, list(values)
        self._next = list(values)

    def carry(self, values: Sequence[Value]) -> None:
        self._next = list(values)


class Endless:
    """Inside the `with`: the carried `values`; `carry(...)` sets the next ones, `leave_if(condition)` goes behind the
    loop."""

    def __init__(self, function: Function, values: list[Value], behind: Any) -> None:
        self.values = values
        self._function, self._next, self._behind = function, list(values), behind

    def carry(self, values: Sequence[Value]) -> None:
        self._next = list(values)

    def leave_if(self, condition: Value) -> None:
        stay = self._function.fn.append_basic_block("stay")
        self._function.b.cbranch(condition, self._behind, stay)
        self._function.b.position_at_end(stay)


class Function:
    """One LLVM function `void name(types)`; `b` is llvmlite's builder, at the place that is being written."""

    def __init__(self, module: ir.Module, target: Target, name: str, types: Sequence[ir.Type]) -> None:
        self.module, self.target = module, target
        self.fn = ir.Function(module, ir.FunctionType(VOID, types), name)
        self.b = ir.IRBuilder(self.fn.append_basic_block("entry"))

    @contextmanager
    def loop(
        self,
        stop: Index | int,
        start: Index | int = 0,
        step: Index | int = 1,
        carry: Sequence[Value] = (),
        name: str = "i",
        at_least_once: bool = False,
    ) -> Iterator[Loop]:
        """for index in range(start, stop, step): values = next(values)."""
        b = self.b
        first, last, by = (x if isinstance(x, Index) else Index(self, x) for x in (start, stop, step))
        before = b.block
        body, done = self.fn.append_basic_block(name), self.fn.append_basic_block(name + "_done")
        if at_least_once:
            b.branch(body)
        else:
            b.cbranch(first < last, body, done)
        b.position_at_end(body)
        i = b.phi(I64, name)
        i.add_incoming(first.ir, before)
        phis = [b.phi(v.type) for v in carry]
        for phi, v in zip(phis, carry):
            phi.add_incoming(v, before)
        loop = Loop(Index(self, i), list(phis))
        yield loop
        after = b.add(i, by.ir)
        latch = b.block
        i.add_incoming(after, latch)
        for phi, v in zip(phis, loop._next):
            phi.add_incoming(v, latch)
        b.cbranch(b.icmp_signed("<", after, last.ir), body, done)
        b.position_at_end(done)
        loop.results = []
        for v, final in zip(carry, loop._next):
            out = b.phi(v.type)
            if not at_least_once:
                out.add_incoming(v, before)
            out.add_incoming(final, latch)
            loop.results.append(out)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """if condition: … (no values leave it)"""
        then, after = self.fn.append_basic_block("then"), self.fn.append_basic_block("after")
        self.b.cbranch(condition, then, after)
        self.b.position_at_end(then)
        yield
        self.b.branch(after)
        self.b.position_at_end(after)

    @contextmanager
    def otherwise_when(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        """with e.otherwise_when(c) as (then, otherwise): with then: …; with otherwise: …"""
        with self.b.if_else(condition) as pair:
            yield pair

    @contextmanager
    def endless(self, carry: Sequence[Value] = ()) -> Iterator[Endless]:
        """while True: values = next(values); it is left from within, if at all."""
        before = self.b.block
        body, behind = self.fn.append_basic_block("turn"), self.fn.append_basic_block("behind")
        self.b.branch(body)
        self.b.position_at_end(body)
        phis = [self.b.phi(v.type) for v in carry]
        for phi, v in zip(phis, carry):
            phi.add_incoming(v, before)
        turn = Endless(self, list(phis), behind)
        yield turn
        for phi, v in zip(phis, turn._next):
            phi.add_incoming(v, self.b.block)
        self.b.branch(body)
        self.b.position_at_end(behind)

    def and_then(self, condition: Value, ask: Callable[[], Value]) -> Value:
        """condition and ask(): what `ask` emits is run only where the condition holds."""
        before = self.b.block
        asked, after = self.fn.append_basic_block("ask"), self.fn.append_basic_block("asked")
        self.b.cbranch(condition, asked, after)
        self.b.position_at_end(asked)
        answer, last = ask(), self.b.block
        self.b.branch(after)
        self.b.position_at_end(after)
        both = self.b.phi(I1)
        both.add_incoming(I1(0), before)
        both.add_incoming(answer, last)
        return both

    def select(self, condition: Value, a: Index | int, b: Index | int) -> Index:
        x, y = (v if isinstance(v, Index) else Index(self, v) for v in (a, b))
        return Index(self, self.b.select(condition, x.ir, y.ir))

    def intrinsic(self, name: str, result: ir.Type, operands: Sequence[ir.Type]) -> Value:
        """A declared function, once per module."""
        found = self.module.globals.get(name)
        return found if found is not None else ir.Function(self.module, ir.FunctionType(result, operands), name)

    def done(self) -> None:
        self.b.ret_void()
