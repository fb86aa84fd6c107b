"""Pointwise, depthwise, pointwise convolution in one step, row by row: what lies between them never reaches main memory.

A depthwise convolution is bound by memory, and in networks of separable convolutions it stands between two pointwise ones with many
channels in between (an inverted residual: narrow → wide → depthwise → narrow). Here the first pointwise convolution writes each
of its rows into a ring in scratch, as high as the window; as soon as the ring holds a row's window, the depthwise convolution makes one
row of it, and the last pointwise convolution turns that row into a row of dst. Ring and row stay in the second-level cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.emit import I8, Emitter, Index, Value
from simplecell.engine.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.kernel import Kernel
from simplecell.engine.kernels.tile import Tile, accumulate, zeros
from simplecell.engine.kernels.tile_store import Operands, store_tile
from simplecell.engine.kernels.window import Columns, Finish, inside_taps, over_channels, over_tiles
from simplecell.engine.kernels.window import Tile as Pixels

_ARGUMENTS = (
    "src dst depthwise "
    "n ih iw oh ow ic channels oc "  # ic: of src; channels: between; oc: of dst
    "kh sh ph pw "
    "scratch scratch_stride"
).split()


@dataclass(frozen=True)
class Separable(Kernel):
    """`expand` and `project` are the tiles of the pointwise convolutions; either may be missing. Weights of the pointwise ones are packed
    (`PackConvolutionWeights`), those of the depthwise one are (kh, kw, 1, channels).

    Every thread takes neighbouring rows of dst and computes for itself the rows of the ring that its first row needs. The operands of the
    epilogues are the arguments `expand0, …`, `depthwise0, …`, `project0, …`; what is not stored to dst takes no `full` ones.
    """

    expand: Tile | None
    columns: Columns
    project: Tile | None
    ragged: bool = True
    """the channels between do not fill the last vector"""
    epilogues: tuple[Epilogue, Epilogue, Epilogue] = (NO_EPILOGUE, NO_EPILOGUE, NO_EPILOGUE)

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        packed = [*(["expand"] if self.expand else []), *(["project"] if self.project else [])]
        operands = [f"{stage}{i}" for stage, epilogue in zip(STAGES, self.epilogues) for i in range(len(epilogue.kinds))]
        return (*_ARGUMENTS, *packed, *operands)

    @property
    def name(self) -> str:
        stages = [f"e{self.expand or 0}", str(self.columns), f"p{self.project or 0}", *(["ragged"] if self.ragged else [])]
        return "_".join(["separable_f32", *stages, *(x.name or "0" for x in self.epilogues)])

    def emit(self, e: Emitter) -> None:
        s = {a: e.index(a) for a in _ARGUMENTS if a not in ("src", "dst", "depthwise", "scratch", "scratch_stride")}
        src, dst = e.pointer("src"), e.pointer("dst")
        scratch = e.b.gep(e.pointer("scratch"), [(e.thread * e.index("scratch_stride")).ir], source_etype=I8)
        ring_row = s["iw"] * s["channels"]
        ring, line = scratch, e.at(scratch, s["kh"] * ring_row if self.expand else 0)
        names = [[f"{stage}{i}" for i in range(len(epilogue.kinds))] for stage, epilogue in zip(STAGES, self.epilogues)]
        operands = [_operands(e, epilogue, n) for epilogue, n in zip(self.epilogues, names)]
        finish = Finish(e, self.epilogues[1], line if self.project else dst, names[1])
        first, last = e.my_share(s["n"] * s["oh"])
        with e.loop(last, first, carry=[e.const(0).ir], name="row") as unit:
            image = unit.index // s["oh"]
            y = unit.index - image * s["oh"]
            y0 = y * s["sh"] - s["ph"]
            low, high = y0.maximum(0), (y0 + s["kh"]).minimum(s["ih"])
            if self.expand is not None:
                known = Index(e, unit.values[0])
                afresh = e.b.or_(unit.index.equals(first), y.equals(0))
                with e.loop(high, e.select(afresh, low, low.maximum(known)), name="ring") as r:
                    source = e.at(src, (image * s["ih"] + r.index) * s["iw"] * s["ic"])
                    place = r.index % s["kh"] * s["iw"]
                    pointwise_row(e, self.expand, source, s["ic"], s["iw"], e.pointer("expand"), operands[0], ring, place, s["channels"])
            unit.carry([high.ir])
            line_offset = e.const(0) if self.project else unit.index * s["ow"] * s["channels"]
            self._depthwise_row(e, s, ring, ring_row, src, image, y0, line_offset, finish)
            if self.project is not None:
                pixel = unit.index * s["ow"]
                pointwise_row(e, self.project, line, s["channels"], s["ow"], e.pointer("project"), operands[2], dst, pixel, s["oc"])

    def _depthwise_row(
        self, e: Emitter, s: dict[str, Index], ring: Value, ring_row: Index, src: Value, image: Index, y0: Index, offset: Index, finish: Finish
    ) -> None:
        """One row of the depthwise convolution, from the ring (or from src) to `offset` in what `finish` stores to."""
        channels, weights, kw = s["channels"], e.pointer("depthwise"), self.columns.taps
        taps = inside_taps(y0, e.const(1), s["kh"], s["ih"])

        start = (y0 + taps[0]) % s["kh"] if self.expand is not None else image * s["ih"] + y0

        def row_of_src(tap: Index) -> Value:
            if self.expand is None:
                return e.at(src, (start + tap) * ring_row)
            slot = start + tap - taps[0]
            return e.at(ring, e.select(slot < s["kh"], slot, slot - s["kh"]) * ring_row)

        def tile(t: Pixels) -> None:
            column = (t.x * self.columns.stride - s["pw"]) * channels

            def vector(c: Index, lanes: int, mask: Value | None) -> None:
                with e.loop(taps[1], taps[0], carry=[e.zero(lanes)] * t.pixels, name="kh") as loop:
                    at = e.at(row_of_src(loop.index), column + c)
                    w = e.at(weights, loop.index * kw * channels + c)
                    ws = [e.load(w, channels * k, lanes, mask=mask) for k in range(kw)]
                    acc = list(loop.values)
                    for j, uses in t.columns:
                        x = e.load(at, channels * j, lanes, mask=mask)
                        for p, k in uses:
                            acc[p] = e.fma(x, ws[k], acc[p])
                    loop.carry(acc)
                finish(loop.results, [offset + (t.x + p) * channels for p in range(t.pixels)], c, lanes, mask)

            over_channels(e, e.const(0), channels, self.ragged, vector)

        over_tiles(e, self.columns, s["ow"], tile)


STAGES = ("expand", "depthwise", "project")


def _operands(e: Emitter, epilogue: Epilogue, names: Sequence[str]) -> Operands:
    found = (e.broadcast(e.pointer(n)) if kind == "scalar" else e.pointer(n) for n, kind in zip(names, epilogue.kinds))
    return Operands(epilogue, tuple(found))


def pointwise_row(
    e: Emitter, tile: Tile, src: Value, ic: Index, pixels: Index, weights: Value, operands: Operands, dst: Value, place: Index, oc: Index
) -> None:
    """`pixels` neighbouring pixels from `src` on (ic values each) → pixels from number `place` of `dst` on (oc values each).

    A ragged last tile is moved left over the one before: it computes some pixels again, to the same bits.
    """
    width = tile.vectors * e.lanes
    with e.loop((oc + width - 1) // width, name="block") as block:
        c = block.index * width
        w = e.at(weights, c * ic)
        with e.loop(pixels, step=tile.pixels, name="pixels") as x:
            at = x.index.minimum(pixels - tile.pixels)
            acc = accumulate(e, tile, zeros(e, tile), e.at(src, at * ic), ic, w, ic)
            store_tile(e, tile, acc, operands, dst, place + at, oc, c, oc - c)
