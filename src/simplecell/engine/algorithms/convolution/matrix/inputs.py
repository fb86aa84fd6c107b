"""The inputs of a block of outputs as pictures of bfloat16 parts in a thread's scratch, with zeros beside the input."""

from __future__ import annotations

import llvmlite.ir as ir

from simplecell.engine.algorithms.convolution.matrix.layout import Area, Layout
from simplecell.engine.code.bfloat16 import split
from simplecell.engine.code.emit import I1, I8, Index, Value
from simplecell.engine.code.matrix_unit import DEPTH, ROWS

NONE = ir.Constant(ir.VectorType(I1, ROWS), None)
"""no lane"""


class Inputs:
    """Splits them, into `parts` parts of each value."""

    def __init__(self, layout: Layout, parts: int, merged: bool) -> None:
        self.e, self.layout, self.parts, self.merged = layout.e, layout, parts, merged

    def split(self, area: Area) -> None:
        """The parts of all inputs that a block of outputs reads."""
        e, b = self.e, self.e.b
        (sd, sh, _), (pd, ph, _) = self.layout.strides, self.layout.pads
        reach_h = e.index("reach_h")
        image, d = area.plane // self.layout.od, area.plane % self.layout.od
        with (
            e.loop(e.index("kd"), name="plane", at_least_once=True) as z,
            e.loop(self.layout.phases_h, name="phase_h", at_least_once=True) as phase,
        ):
            iz = d * sd - pd + z.index * e.index("dilation_d")
            with e.loop(area.height + (reach_h - phase.index) // sh, name="split_row") as r:
                iy = (area.y0 + r.index) * sh + phase.index - ph
                exists = b.and_(b.and_(iz >= 0, iz < self.layout.id), b.and_(iy >= 0, iy < self.layout.ih))
                line = ((image * self.layout.id + iz) * self.layout.ih + iy) * self.layout.iw
                out = e.at(
                    self.layout.scratch,
                    z.index * self.layout.plane
                    + phase.index * self.layout.phases_w * self.layout.phase
                    + r.index * self.layout.across * self.layout.pitch,
                    I8,
                )
                split_row = self._split_runs if self.merged else self._split_row
                spoiled = split_row(e.at(self.layout.src, line * self.layout.ic), out, area, exists, True)
                with e.when(e.any(spoiled)):
                    split_row(e.at(self.layout.src, line * self.layout.ic), out, area, exists, False)

    def _split_row(self, src: Value, out: Value, area: Area, exists: Value, finite: bool) -> Value:
        """The phases of a row of inputs: pixels that are inside the picture, and zeros. In the result, a lane is true
        if they are not `finite`, as was expected."""
        e, sw = self.e, self.layout.strides[2]
        with e.loop(self.layout.phases_w, carry=[NONE], name="phase_w", at_least_once=True) as phase:
            count = area.width + (e.index("reach_w") - phase.index) // sw
            # input column −before is the first; those from 0 to iw exist
            before = self.layout.pads[2] - phase.index - area.x0 * sw
            low = ((before + sw - 1).maximum(0) // sw).minimum(count)
            high = ((self.layout.iw + before + sw - 1).maximum(0) // sw).minimum(count)
            low, high = e.select(exists, low, count), e.select(exists, high.maximum(low), count)
            to = e.at(out, phase.index * self.layout.phase, I8)
            self._zero(to, e.const(0), low)
            phase.carry(
                [self._split_pixels(e.at(src, (0 - before) * self.layout.ic), to, low, high, phase.values[0], finite)]
            )
            self._zero(to, high, count)
        return phase.results[0]

    def _split_runs(self, src: Value, out: Value, area: Area, exists: Value, finite: bool) -> Value:
        """What a row of taps reads for each output, as far as it is inside the picture; the result as of
        `_split_row`."""
        e, run = self.e, self.e.index("run")
        step = self.layout.strides[2] * self.layout.ic
        begin = (area.x0 * self.layout.strides[2] - self.layout.pads[2]) * self.layout.ic
        end = e.select(exists, self.layout.iw * self.layout.ic, 0)
        with e.loop(area.width, carry=[NONE], name="pixel") as p:
            at, to = begin + p.index * step, e.at(out, p.index * self.layout.pitch, I8)
            low, high = (0 - at).maximum(0), (end - at).minimum(run)  # of the run's values, those that exist
            halves: list[Value] = []
            for i in range(0, DEPTH, e.lanes):
                mask = e.b.and_(e.mask(high - i), e.b.not_(e.mask(low - i)))
                halves.append(e.load(src, at + i, mask=mask))
            parts, spoiled = split(e, halves[0], halves[1], self.parts, finite)
            for part, words in enumerate(parts):
                e.store(words, e.at(to, self.layout.part * part, I8))
            p.carry([e.b.or_(p.values[0], spoiled)])
        return p.results[0]

    def _split_pixels(self, src: Value, out: Value, low: Index, high: Index, spoiled: Value, finite: bool) -> Value:
        """Pixels `low` to `high` of a phase, all their channels. In the result, the lanes of `spoiled` are true, and
        those where a value is not `finite`."""
        e, sw = self.e, self.layout.strides[2]
        full = self.layout.ic // DEPTH * DEPTH
        rest = self.layout.ic - full
        masks = e.mask(rest), e.mask(rest - e.lanes)
        with e.loop(high, start=low, carry=[spoiled], name="pixel") as p:
            at, to = e.at(src, p.index * sw * self.layout.ic), e.at(out, p.index * self.layout.pitch, I8)

            def write(c: Index, low: Value, high: Value, spoiled: Value) -> Value:
                parts, more = split(e, low, high, self.parts, finite)
                for part, words in enumerate(parts):
                    e.store(words, e.at(to, self.layout.part * part + c * 2, I8))  # noqa: B023
                return e.b.or_(spoiled, more)

            with e.loop(full, step=DEPTH, carry=p.values, name="channel") as c:
                c.carry([write(c.index, e.load(at, c.index), e.load(at, c.index + e.lanes), c.values[0])])
            with e.loop(e.select(rest > 0, 1, 0), carry=c.results, name="rest") as r:
                low_, high_ = (e.load(at, full + e.lanes * i, mask=mask) for i, mask in enumerate(masks))
                r.carry([write(full, low_, high_, r.values[0])])
            p.carry(r.results)
        return p.results[0]

    def _zero(self, out: Value, low: Index, high: Index) -> None:
        """Pixels `low` to `high` of a phase, which lie beside the input."""
        e = self.e
        with e.loop(high, start=low, name="no_pixel") as p, e.loop(self.layout.deep, name="channel") as c:
            for part in range(self.parts):
                to = e.at(out, p.index * self.layout.pitch + self.layout.part * part + c.index * (2 * DEPTH), I8)
                e.store(e.zero(), to)
