"""The gradients of max and average pooling."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.pooling.combine import reciprocal
from simplecell.engine.algorithms.pooling.gradient.schedule import PoolGradientSchedule
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.window import inside_taps, over_channels


@dataclass(frozen=True)
class PoolGradient(Kernel):
    """dst (the gradient for src): every output hands its gradient to the first maximum of its window, or shares it
    evenly.

    Divided so that no two threads write one element: by rows of outputs (`by_rows`) where windows do not overlap along
    rows and planes, by images and blocks of channels elsewhere. What a unit writes is cleared just before the first
    window that touches it, so it is still in the cache.
    """

    function: str
    by_rows: bool
    ragged: bool = True

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        sources = ("src", "pooled") if self.function == "max" else ()
        return (*sources, "diff_dst", "dst", *PoolGradientSchedule.names())

    @property
    def name(self) -> str:
        algorithm = "rows" if self.by_rows else "images"
        return kernel_name(f"{self.function}_pool_gradient", algorithm, "float32", "ragged" * self.ragged)

    def emit(self, e: Emitter) -> None:
        g = {a: e.index(a) for a in PoolGradientSchedule.names()}
        blocks = (g["channels"] + g["block"] - 1) // g["block"]
        outputs = g["od"] * g["oh"]
        first, last = e.my_share(g["n"] * blocks * outputs if self.by_rows else g["n"] * blocks)
        with e.loop(last, first, name="unit") as unit:
            rest = unit.index // outputs if self.by_rows else unit.index
            image = rest // blocks
            c = (rest - image * blocks) * g["block"]
            channels = (c, (c + g["block"]).minimum(g["channels"]))
            if self.by_rows:
                self._row(e, g, image, unit.index - rest * outputs, channels)
            else:
                with e.loop(outputs, name="row") as row:
                    self._row(e, g, image, row.index, channels)

    def _row(self, e: Emitter, g: dict[str, Index], image: Index, row: Index, channels: tuple[Index, Index]) -> None:
        """One row of outputs: clear what it is the first to touch, and add."""
        z = row // g["oh"]
        y = row - z * g["oh"]
        z0, y0 = z * g["sd"] - g["pd"], y * g["sh"] - g["ph"]
        planes, rows = (inside_taps(a, e.const(1), g["k" + x], g["i" + x]) for a, x in ((z0, "d"), (y0, "h")))
        in_planes, in_rows = (_first_touched(e, g, i, x, self.by_rows) for i, x in ((z, "d"), (y, "h")))
        if not self.by_rows:
            # The first row of a plane of outputs clears all new planes; with a single plane, rows are cleared as they
            # come.
            flat, top = (g["id"] * g["od"]).equals(1), y.equals(0)
            in_planes = (in_planes[0], e.select(flat, 1, e.select(top, in_planes[1], in_planes[0])))
            in_planes = (e.select(flat, 0, in_planes[0]), in_planes[1])
            in_rows = (e.select(flat, in_rows[0], 0), e.select(flat, in_rows[1], g["ih"]))
        dst = e.at(e.pointer("dst"), image * g["id"] * g["ih"] * g["iw"] * g["channels"])
        with (
            e.loop(in_planes[1], in_planes[0], name="clear_plane") as p,
            e.loop(in_rows[1], in_rows[0], name="clear_row") as r,
        ):
            at = e.at(dst, (p.index * g["ih"] + r.index) * g["iw"] * g["channels"])
            with e.loop(g["iw"], name="clear") as x:
                over_channels(
                    e,
                    *channels,
                    self.ragged,
                    lambda c, lanes, mask: e.store(e.zero(lanes), at, x.index * g["channels"] + c, mask),
                )
        with e.loop(g["ow"], name="pixel") as pixel:
            x0 = pixel.index * g["sw"] - g["pw"]
            columns = inside_taps(x0, e.const(1), g["kw"], g["iw"])
            output = (((image * g["od"] + z) * g["oh"] + y) * g["ow"] + pixel.index) * g["channels"]
            input_ = (((image * g["id"] + z0) * g["ih"] + y0) * g["iw"] + x0) * g["channels"]
            taps = (planes, rows, columns)
            scale = None
            if self.function == "average":
                scale = reciprocal(e, (planes[1] - planes[0]) * (rows[1] - rows[0]) * (columns[1] - columns[0]))
            over_channels(
                e,
                *channels,
                self.ragged,
                lambda c, lanes, mask: self._spread(e, g, taps, input_, output, scale, c, lanes, mask),
            )

    def _spread(
        self,
        e: Emitter,
        g: dict[str, Index],
        taps: tuple[tuple[Index, Index], ...],
        input_: Index,
        output: Index,
        scale: Value | None,
        c: Index,
        lanes: int,
        mask: Value | None,
    ) -> None:
        """The gradient of one output, one vector of channels, to the window's elements."""
        diff, dst = e.pointer("diff_dst"), e.pointer("dst")
        left = e.load(diff, output + c, lanes, mask=mask)
        zero = e.zero(lanes)
        if scale is not None:
            left = e.fmul(left, e.splat(scale, lanes))
        best = e.load(e.pointer("pooled"), output + c, lanes, mask=mask) if self.function == "max" else None
        (d0, d1), (h0, h1), (w0, w1) = taps
        with e.loop(d1, d0, carry=[left], name="kd") as kd:
            with e.loop(h1, h0, carry=kd.values, name="kh") as kh:
                with e.loop(w1, w0, carry=kh.values, name="kw") as kw:
                    at = input_ + ((kd.index * g["ih"] + kh.index) * g["iw"] + kw.index) * g["channels"] + c
                    old, (given,) = e.load(dst, at, lanes, mask=mask), kw.values
                    if best is not None:
                        won = e.b.fcmp_ordered("==", e.load(e.pointer("src"), at, lanes, mask=mask), best)
                        kw.carry([e.b.select(won, zero, given)])
                        given = e.b.select(won, given, zero)
                    e.store(e.fadd(old, given), dst, at, mask)
                kh.carry(kw.results)
            kd.carry(kh.results)


def _first_touched(e: Emitter, g: dict[str, Index], output: Index, axis: str, owned: bool) -> tuple[Index, Index]:
    """Inputs along one axis that the windows at `output` are the first to touch; the last output takes the rest. With
    `owned`, windows do not overlap and the inputs between two windows belong to the window before them."""
    size, taps, stride, pad, outputs = g["i" + axis], g["k" + axis], g["s" + axis], g["p" + axis], g["o" + axis]
    begin = output * stride - pad
    start_, end = (begin, begin + stride) if owned else (begin - stride + taps, begin + taps)
    start_ = e.select(output.equals(0), 0, start_.maximum(0).minimum(size))
    return start_, e.select((output + 1).equals(outputs), size, end.minimum(size))
