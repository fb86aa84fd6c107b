"""Kernels that walk along one axis in order: positions of extremes, running sums and products, softmax.

Arrays are seen as (outer, n, inner), the axis in the middle. With inner = 1 the axis itself lies along the vectors,
otherwise each lane walks a column of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import llvmlite.ir as ir

from simplecell.engine.algorithms.reductions.kernel import Combine
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, I32, Emitter, Index, Value
from simplecell.engine.code.functions.exponential import exp
from simplecell.engine.code.functions.logarithm import log
from simplecell.engine.code.kernel import Kernel


@dataclass(frozen=True)
class AlongAxis(Kernel):
    """Base: `src` (outer, n, inner) to `dst`."""

    arguments: ClassVar[tuple[str, ...]] = ("src", "dst", "outer", "n", "inner")


@contextmanager
def _columns(e: Emitter, outer: Index, inner: Index) -> Iterator[tuple[Index, Index, Value]]:
    """This thread's share of (outer × vectors of columns): outer index, first column, mask."""
    blocks = (inner + (e.lanes - 1)) // e.lanes
    first, last = e.my_share(outer * blocks)
    with e.loop(last, first, name="columns") as loop:
        column = loop.index % blocks * e.lanes
        yield loop.index // blocks, column, e.mask(inner - column)


@dataclass(frozen=True)
class ArgReduce(AlongAxis):
    """Position of the first largest or smallest element (int32); a NaN beats every number, as in NumPy."""

    function: str
    dtype: str
    single: bool
    """inner is 1"""

    @property
    def name(self) -> str:
        return f"{self.function}_{self.dtype}_{'row' if self.single else 'columns'}"

    @property
    def _held(self) -> str:
        return "uint8" if self.dtype == "bool" else self.dtype

    def _beats(self, e: Emitter, a: Value, b: Value) -> Value:
        """a is strictly better than b."""
        sign = ">" if self.function == "argmax" else "<"
        better = elementwise.compare(sign)(e, self._held, a, b)
        if self._held not in elementwise.FLOATS:
            return better
        return e.b.or_(better, e.b.and_(e.b.fcmp_unordered("uno", a, a), e.b.fcmp_ordered("ord", b, b)))

    def emit(self, e: Emitter) -> None:
        src, dst = e.pointer("src"), e.pointer("dst")
        outer, n, inner = e.index("outer"), e.index("n"), e.index("inner")
        element = ELEMENT[self.dtype]
        if not self.single:
            with _columns(e, outer, inner) as (o, column, mask):
                at = e.at(src, o * n * inner + column, element)
                best = e.load(at, 0, element=element, mask=mask)
                with e.loop(n, 1, carry=[best, e.zero(element=I32)], name="step") as loop:
                    x = e.load(at, loop.index * inner, element=element, mask=mask)
                    better = self._beats(e, x, loop.values[0])
                    place = e.splat(e.b.trunc(loop.index.ir, I32))
                    loop.carry([e.b.select(better, x, loop.values[0]), e.b.select(better, place, loop.values[1])])
                e.store(loop.results[1], dst, o * inner + column, mask)
            return
        lane = ir.Constant(ir.VectorType(I32, e.lanes), list(range(e.lanes)))
        first, last = e.my_share(outer)
        with e.loop(last, first, name="row") as row:
            at = e.at(src, row.index * n, element)
            start = e.splat(e.load(at, 0, 1, element))  # every lane begins with element 0: none is empty
            with e.loop(n, step=e.lanes, carry=[start, e.zero(element=I32)], name="step") as loop:
                mask = e.mask(n - loop.index)
                x = e.load(at, loop.index, element=element, mask=mask)
                better = e.b.and_(mask, self._beats(e, x, loop.values[0]))
                place = e.b.add(lane, e.splat(e.b.trunc(loop.index.ir, I32)))
                loop.carry([e.b.select(better, x, loop.values[0]), e.b.select(better, place, loop.values[1])])
            e.store(self._across(e, *loop.results), dst, row.index)

    def _across(self, e: Emitter, best: Value, place: Value) -> Value:
        """The best of all lanes, the lowest place among equals."""
        lanes = best.type.count
        while lanes > 1:
            lanes //= 2
            low, high = (ir.Constant(ir.VectorType(I32, lanes), list(range(k, k + lanes))) for k in (0, lanes))
            a, b = e.b.shuffle_vector(best, best, low), e.b.shuffle_vector(best, best, high)
            i, j = e.b.shuffle_vector(place, place, low), e.b.shuffle_vector(place, place, high)
            equal = e.b.not_(e.b.or_(self._beats(e, a, b), self._beats(e, b, a)))
            second = e.b.or_(self._beats(e, b, a), e.b.and_(equal, e.b.icmp_signed("<", j, i)))
            best, place = e.b.select(second, b, a), e.b.select(second, j, i)
        return e.b.extract_element(place, I32(0))


@dataclass(frozen=True)
class Cumulative(AlongAxis):
    """Running `sum` or `prod`, from the end when `reverse`."""

    function: str
    dtype: str
    reverse: bool
    single: bool

    @property
    def name(self) -> str:
        way, along = "_reverse" if self.reverse else "", "row" if self.single else "columns"
        return f"cumulative_{self.function}{way}_{self.dtype}_{along}"

    def emit(self, e: Emitter) -> None:
        src, dst = e.pointer("src"), e.pointer("dst")
        outer, n, inner = e.index("outer"), e.index("n"), e.index("inner")
        element, combine = ELEMENT[self.dtype], Combine(self.function, self.dtype)

        def walk(begin: Index, step: Index | int, lanes: int, mask: Value | None) -> None:
            with e.loop(n, carry=[combine.start(e, lanes)], name="step") as loop:
                at = begin + (n - 1 - loop.index if self.reverse else loop.index) * step
                total = combine(e, loop.values[0], e.load(src, at, lanes, element, mask))
                e.store(total, dst, at, mask)
                loop.carry([total])

        if self.single:
            first, last = e.my_share(outer)
            with e.loop(last, first, name="row") as row:
                walk(row.index * n, 1, 1, None)
        else:
            with _columns(e, outer, inner) as (o, column, mask):
                walk(o * n * inner + column, inner, e.lanes, mask)


@dataclass(frozen=True)
class Softmax(AlongAxis):
    """exp(x - max) / sum, or its logarithm; float32. Three passes: the largest, the sum of the exponentials, the
    quotient."""

    logarithm: bool
    single: bool

    @property
    def name(self) -> str:
        return f"{'log_' if self.logarithm else ''}softmax_{'row' if self.single else 'columns'}"

    def emit(self, e: Emitter) -> None:
        src, dst = e.pointer("src"), e.pointer("dst")
        outer, n, inner = e.index("outer"), e.index("n"), e.index("inner")
        if self.single:
            first, last = e.my_share(outer)
            with e.loop(last, first, name="row") as row:
                self._row(e, e.at(src, row.index * n), e.at(dst, row.index * n), n)
        else:
            with _columns(e, outer, inner) as (o, column, mask):
                offset = o * n * inner + column
                self._columns(e, e.at(src, offset), e.at(dst, offset), n, inner, mask)

    def _row(self, e: Emitter, src: Value, dst: Value, n: Index) -> None:
        largest, total = Combine("max", "float32"), Combine("sum", "float32")
        lowest, zero = largest.start(e), e.zero()
        with e.loop(n, step=e.lanes, carry=[lowest], name="largest") as loop:
            mask = e.mask(n - loop.index)
            x = e.b.select(mask, e.load(src, loop.index, mask=mask), lowest)
            loop.carry([largest(e, loop.values[0], x)])
        top = e.splat(largest.across(e, loop.results[0]))
        with e.loop(n, step=e.lanes, carry=[zero], name="total") as loop:
            mask = e.mask(n - loop.index)
            x = exp(e, e.fsub(e.load(src, loop.index, mask=mask), top))
            if not self.logarithm:
                e.store(x, dst, loop.index, mask)
            loop.carry([e.fadd(loop.values[0], e.b.select(mask, x, zero))])
        whole = total.across(e, loop.results[0])
        shift = e.splat(log(e, whole)) if self.logarithm else e.splat(whole)
        with e.loop(n, step=e.lanes, name="quotient") as loop:
            mask = e.mask(n - loop.index)
            e.store(self._finished(e, src, dst, loop.index, top, shift, mask), dst, loop.index, mask)

    def _columns(self, e: Emitter, src: Value, dst: Value, n: Index, inner: Index, mask: Value) -> None:
        largest = Combine("max", "float32")
        with e.loop(n, carry=[largest.start(e)], name="largest") as loop:
            loop.carry([largest(e, loop.values[0], e.load(src, loop.index * inner, mask=mask))])
        top = loop.results[0]
        with e.loop(n, carry=[e.zero()], name="total") as loop:
            x = exp(e, e.fsub(e.load(src, loop.index * inner, mask=mask), top))
            if not self.logarithm:
                e.store(x, dst, loop.index * inner, mask)
            loop.carry([e.fadd(loop.values[0], x)])
        shift = log(e, loop.results[0]) if self.logarithm else loop.results[0]
        with e.loop(n, name="quotient") as loop:
            at = loop.index * inner
            e.store(self._finished(e, src, dst, at, top, shift, mask), dst, at, mask)

    def _finished(self, e: Emitter, src: Value, dst: Value, at: Index, top: Value, shift: Value, mask: Value) -> Value:
        if self.logarithm:
            return e.fsub(e.fsub(e.load(src, at, mask=mask), top), shift)
        return e.b.fdiv(e.load(dst, at, mask=mask), shift)
