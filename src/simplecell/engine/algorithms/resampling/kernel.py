"""Resizing, and its gradient: along every axis an output mixes a few neighbouring inputs.

dst[n, z, y, x, c] = Σ over taps a, b, k of  wd[z, a] · wh[y, b] · ww[x, k] · src[n, z₀[z] + a, y₀[y] + b, x₀[x] + k, c]

Where the taps start and what they weigh stands in tables, so that every method is one kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.resampling.schedule import ResizeSchedule
from simplecell.engine.code.emit import I64, Emitter, Index, Value
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.window import over_channels


@dataclass(frozen=True)
class ResizeKernel(Kernel):
    """`rows` × `columns` taps are unrolled; (0, 0) means that their numbers come at run time, as those of the depth
    always do.

    Tables: `start_d`, `start_h`, `start_w` (int64, one per output), `weights_d`, `weights_h`, `weights_w` (float32,
    outputs × taps). With `copy` there is one tap of weight 1 and nothing is multiplied.
    """

    rows: int
    columns: int
    copy: bool = False
    planes: bool = False
    ragged: bool = True

    arguments = (
        "src",
        "dst",
        *ResizeSchedule.names(),
        *(f"{what}_{x}" for what in ("start", "weights") for x in "dhw"),
    )

    @property
    def name(self) -> str:
        algorithm = "copy" if self.copy else "unrolled" if self.rows else "loop"
        taps = f"{self.rows}x{self.columns}" if self.rows else ""
        return kernel_name(f"resize{3 if self.planes else 2}d", algorithm, "float32", taps, "ragged" * self.ragged)

    def emit(self, e: Emitter) -> None:
        src, dst = e.pointer("src"), e.pointer("dst")
        n, od, oh, ow, id_, ih, iw, channels, kd, kh, kw = (e.index(a) for a in ResizeSchedule.names())
        if not self.planes:
            od = id_ = kd = e.const(1)
        starts, weights = ({x: e.pointer(f"{what}_{x}") for x in "dhw"} for what in ("start", "weights"))

        def start(axis: str, output: Index) -> Index:
            return Index(e, e.load(starts[axis], output, lanes=1, element=I64))

        first, last = e.my_share(n * od * oh)
        with e.loop(last, first, name="row") as unit:
            plane = unit.index // oh
            y = unit.index - plane * oh
            image = plane // od if self.planes else plane
            z = plane - image * od if self.planes else e.const(0)
            z0 = image * id_ + start("d", z) if self.planes else image
            y0 = start("h", y)
            with e.loop(ow, name="pixel") as pixel:
                corner = e.at(src, ((z0 * ih + y0) * iw + start("w", pixel.index)) * channels)
                out = e.at(dst, (unit.index * ow + pixel.index) * channels)

                def weight(axis: str, output: Index, taps: Index, tap: Index | int) -> Value:
                    return e.load(weights[axis], output * taps + tap, lanes=1)

                def tap_weights(plane_tap: Index) -> list[tuple[Index, Value]]:
                    """Offset and weight of each unrolled tap."""
                    depth = weight("d", z, kd, plane_tap) if self.planes else None
                    found = []
                    for b in range(self.rows):
                        row = weight("h", y, e.const(self.rows), b)
                        row = row if depth is None else e.fmul(depth, row)
                        for k in range(self.columns):
                            both = e.fmul(row, weight("w", pixel.index, e.const(self.columns), k))
                            found.append((((plane_tap * ih + b) * iw + k) * channels, both))
                    return found

                flat = tap_weights(e.const(0)) if self.rows and not self.copy and not self.planes else []

                def vector(c: Index, lanes: int, mask: Value | None) -> None:
                    if self.copy:
                        e.store(e.load(corner, c, lanes, mask=mask), out, c, mask)
                        return
                    total = e.zero(lanes)
                    if flat:
                        for offset, w in flat:
                            total = e.fma(e.load(corner, offset + c, lanes, mask=mask), e.splat(w, lanes), total)
                        e.store(total, out, c, mask)
                        return
                    with e.loop(kd, carry=[total], name="kd") as a:
                        if self.rows:
                            (total,) = a.values
                            for offset, w in tap_weights(a.index):
                                total = e.fma(e.load(corner, offset + c, lanes, mask=mask), e.splat(w, lanes), total)
                            a.carry([total])
                        else:
                            with e.loop(kh, carry=a.values, name="kh") as b:
                                row = weight("h", y, kh, b.index)
                                row = e.fmul(weight("d", z, kd, a.index), row) if self.planes else row
                                with e.loop(kw, carry=[e.zero(lanes)], name="kw") as k:
                                    offset = ((a.index * ih + b.index) * iw + k.index) * channels
                                    w = e.splat(weight("w", pixel.index, kw, k.index), lanes)
                                    k.carry([e.fma(e.load(corner, offset + c, lanes, mask=mask), w, k.values[0])])
                                b.carry([e.fma(k.results[0], e.splat(row, lanes), b.values[0])])
                            a.carry(b.results)
                    e.store(a.results[0], out, c, mask)

                over_channels(e, e.const(0), channels, self.ragged, vector)
