"""Softmax and its logarithm."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.reductions.along_axis import AlongAxis, column_vectors
from simplecell.engine.algorithms.reductions.combine import Combine
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.functions.exponential import exp
from simplecell.engine.code.functions.logarithm import log
from simplecell.engine.code.kernel import kernel_name


@dataclass(frozen=True)
class SoftmaxKernel(AlongAxis):
    """exp(x - max) / sum, or its logarithm; float32. Three passes: the largest, the sum of the exponentials, the
    quotient."""

    logarithm: bool
    single: bool

    @property
    def name(self) -> str:
        what = "log_softmax" if self.logarithm else "softmax"
        return kernel_name(what, "rows" if self.single else "columns", "float32")

    def emit(self, e: Emitter) -> None:
        src, dst = e.pointer("src"), e.pointer("dst")
        outer, n, inner = e.index("outer"), e.index("n"), e.index("inner")
        if self.single:
            first, last = e.my_share(outer)
            with e.loop(last, first, name="row") as row:
                self._row(e, e.at(src, row.index * n), e.at(dst, row.index * n), n)
        else:
            with column_vectors(e, outer, inner) as (o, column, mask):
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
        denominator = total.across(e, loop.results[0])
        shift = e.splat(log(e, denominator)) if self.logarithm else e.splat(denominator)
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
