"""From vectors of one channel each to interleaved pixels in memory, through the epilogue."""

from __future__ import annotations

from collections.abc import Sequence

import llvmlite.ir as ir

from simplecell.engine.code.elementwise import emit_expression
from simplecell.engine.code.emit import F32, I32, Emitter, Index, Value
from simplecell.engine.code.expression import Epilogue


class PlanarStore:
    """Stores neighbouring pixels of `channels` channels (few, and all of dst's), given as one vector per channel."""

    def __init__(self, e: Emitter, channels: int, epilogue: Epilogue) -> None:
        self.e, self.channels, self.epilogue = e, channels, epilogue
        self.dst = e.pointer("dst")
        self.patterns = self._patterns()

    def store(self, planes: Sequence[Value], start: Index, left: Index) -> None:
        """planes: a vector of each channel; start: where in dst the first pixel lies; left: how many values may be
        stored from there."""
        e = self.e
        for j, value in enumerate(interleaved(e, planes)):
            at = j * e.lanes
            with e.otherwise_when(left >= at + e.lanes) as (full, ragged):
                with full:
                    e.store(self._finished(value, start + at, j, None), self.dst, start + at)
                with ragged:
                    mask = e.mask(left - at)
                    e.store(self._finished(value, start + at, j, mask), self.dst, start + at, mask=mask)

    def _finished(self, value: Value, at: Index, j: int, mask: Value | None) -> Value:
        """Through the epilogue; `j` says which channel its first lane holds."""
        e = self.e
        if not self.epilogue.expression.instructions:
            return value
        values = [value]
        for i, kind in enumerate(self.epilogue.kinds):
            pointer = self.patterns[i]
            values.append(
                pointer
                if kind == "scalar"
                else e.load(pointer, j * e.lanes)
                if kind == "channel"
                else e.load(pointer, at, mask=mask)
            )
        return emit_expression(e, self.epilogue.expression, values)[0]

    def _patterns(self) -> list[Value]:
        """The epilogue's operands: a `channel` vector repeated over `channels` vectors of interleaved pixels, on the
        stack."""
        e, channels = self.e, self.channels
        found = []
        for name, kind in zip(self.epilogue.arguments, self.epilogue.kinds):
            pointer = e.pointer(name)
            if kind == "scalar":
                found.append(e.broadcast(pointer))
            elif kind == "channel":
                repeated = e.stack(channels * e.lanes)
                for i in range(channels * e.lanes):
                    e.store(e.load(pointer, i % channels, lanes=1), repeated, i)
                found.append(repeated)
            else:
                found.append(pointer)
        return found


def interleaved(e: Emitter, planes: Sequence[Value]) -> list[Value]:
    """Vectors of one channel each → vectors of pixels with all their channels."""
    count = len(planes)
    if count == 1:
        return list(planes)
    total = count * e.lanes
    wide, have = planes[0], e.lanes
    for plane in planes[1:]:  # one long vector: widen both to the new length, then join
        longer = have + e.lanes
        undefined = ir.Constant(ir.VectorType(F32, e.lanes), ir.Undefined)
        mask = ir.VectorType(I32, have)
        widened = (
            e.b.shuffle_vector(plane, undefined, ir.Constant(mask, [i if i < e.lanes else 0 for i in range(have)]))
            if have > e.lanes
            else plane
        )
        wide = e.b.shuffle_vector(
            wide, widened, ir.Constant(ir.VectorType(I32, longer), [*range(have), *range(have, have + e.lanes)])
        )
        have = longer
    nothing = ir.Constant(ir.VectorType(F32, total), ir.Undefined)
    order = [c * e.lanes + p for p in range(e.lanes) for c in range(count)]
    return [
        e.b.shuffle_vector(
            wide, nothing, ir.Constant(ir.VectorType(I32, e.lanes), order[j * e.lanes : (j + 1) * e.lanes])
        )
        for j in range(count)
    ]
