"""Where the largest or smallest element lies."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.reductions.along_axis import AlongAxis, column_vectors
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, I32, Emitter, Value
from simplecell.engine.code.kernel import kernel_name


@dataclass(frozen=True)
class Positions(AlongAxis):
    """Position of the first largest or smallest element (int32); a NaN beats every number, as in NumPy."""

    function: str
    dtype: str
    single: bool
    """inner is 1"""

    @property
    def name(self) -> str:
        return kernel_name(self.function, "rows" if self.single else "columns", self.dtype)

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
            with column_vectors(e, outer, inner) as (o, column, mask):
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
