"""Pointwise, depthwise, pointwise convolution in one step, in which what lies between them never leaves the caches.

A depthwise convolution is bound by memory, and in networks of separable convolutions it stands between two pointwise
ones with many channels in between (an inverted residual: narrow → wide → depthwise → narrow). Here a group of rows of
dst is made as follows. For one block of channels after the other, the first pointwise convolution writes a row into a
ring in scratch, as high as the window; then the depthwise convolution makes of the ring one row of the group, in
scratch too. When all blocks are done, the last pointwise convolution turns the group into rows of dst. A ring of one
block stays in the first-level cache, a group in the second. What lies outside the input are zeros in the ring, so that
no border needs code of its own. Without a first pointwise convolution there is no ring: a copy costs more than it
saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.rows import zero_run
from simplecell.engine.algorithms.convolution.separable.schedule import STAGES, Ring, SeparableSchedule
from simplecell.engine.algorithms.convolution.separable.weights import paired
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile import Tile, accumulate, zeros
from simplecell.engine.code.tile_store import Operands, store_tile
from simplecell.engine.code.window import Finish, RowTile, WindowColumns, inside_taps, over_channels, over_tiles

_ARGUMENTS = ("src", "dst", "depthwise", *SeparableSchedule.names(), "scratch", "scratch_stride")


@dataclass(frozen=True)
class Separable(Kernel):
    """`expand` and `project` are the tiles of the pointwise convolutions; either may be missing. Where there is an
    `expand`, `window` is a Ring, else the WindowColumns of the tiles that read from src. Weights of the pointwise ones
    are packed (`PackConvolutionWeights`, or `PackPairs` where `pairs`), those of the depthwise one are (kh, kw, 1,
    channels).

    Every thread takes neighbouring groups of rows and computes for itself the rows of the ring that its first row
    needs. The operands of the epilogues are the arguments `expand0, …`, `depthwise0, …`, `project0, …`; what is not
    stored to dst takes no `full` ones.

    scratch: with `expand` for each block a ring of kh · pitch pixels of the block's channels, then with `project` rows
    · ow · channels values.
    """

    expand: Tile | None
    window: Ring | WindowColumns
    project: Tile | None
    pairs: bool = False
    """the projection takes two steps of depth at a time (`paired`), and its tile holds all of oc"""
    ragged: bool = True
    """the channels between do not fill the last vector"""
    epilogues: tuple[Epilogue, Epilogue, Epilogue] = (NO_EPILOGUE, NO_EPILOGUE, NO_EPILOGUE)

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        packed = [*(["expand"] if self.expand else []), *(["project"] if self.project else [])]
        operands = [
            f"{stage}{i}" for stage, epilogue in zip(STAGES, self.epilogues) for i in range(len(epilogue.kinds))
        ]
        return (*_ARGUMENTS, *packed, *operands)

    @property
    def name(self) -> str:
        project = f"p{self.project or 0}" + ("pairs" if self.pairs else "")
        stages = (f"e{self.expand or 0}", str(self.window), project, "ragged" * self.ragged)
        epilogues = (x.name or "0" for x in self.epilogues)
        return kernel_name("convolution_forward", "separable", "float32", *stages, *epilogues)

    def emit(self, e: Emitter) -> None:
        _Separable(e, self).emit()


class _Separable:
    def __init__(self, e: Emitter, kernel: Separable) -> None:
        self.e, self.k = e, kernel
        self.src, self.dst, self.weights = e.pointer("src"), e.pointer("dst"), e.pointer("depthwise")
        self.n, self.ih, self.iw, self.oh, self.ow = (e.index(a) for a in ("n", "ih", "iw", "oh", "ow"))
        self.ic, self.channels, self.oc = (e.index(a) for a in ("ic", "channels", "oc"))
        self.kh, self.sh, self.ph, self.pw = (e.index(a) for a in ("kh", "sh", "ph", "pw"))
        self.rows, self.pitch = e.index("rows"), e.index("pitch")
        scratch = e.scratch()
        names = [
            [f"{stage}{i}" for i in range(len(epilogue.kinds))] for stage, epilogue in zip(STAGES, kernel.epilogues)
        ]
        self.operands = [_operands(e, epilogue, n) for epilogue, n in zip(kernel.epilogues, names)]
        if isinstance(kernel.window, Ring):
            self.rings, self.width = scratch, kernel.window.vectors * e.lanes
            self.blocks = (self.channels + self.width - 1) // self.width
            self.ring_row = self.pitch * self.width
            self.left, self.above = self.pw.maximum(0), self.ph.maximum(0)
            scratch = e.at(scratch, self.blocks * self.kh * self.ring_row)
        self.lines = scratch
        self.finish = Finish(e, kernel.epilogues[1], self.lines if kernel.project else self.dst, names[1])

    def emit(self) -> None:
        e = self.e
        groups = (self.oh + self.rows - 1) // self.rows
        first, last = e.my_share(self.n * groups)
        if self.k.expand is not None:
            self._zeros_beside()
        with e.loop(last, first, name="group") as group:
            image = group.index // groups
            y0 = (group.index - image * groups) * self.rows
            y1 = (y0 + self.rows).minimum(self.oh)
            if isinstance(self.k.window, Ring):
                afresh = e.b.or_(group.index.equals(first), y0.equals(0))
                with e.loop(self.blocks, name="block") as block:
                    ring = e.at(self.rings, block.index * self.kh * self.ring_row)
                    self._from_ring(self.k.window, ring, block.index * self.width, image, y0, y1, afresh)
            else:
                with e.loop(y1, y0, name="row") as y:
                    self._from_source(self.k.window, image, y.index, self._line(image, y.index, y0))
            self._project((image * self.oh + y0) * self.ow, (y1 - y0) * self.ow)

    def _line(self, image: Index, y: Index, y0: Index) -> Index:
        """Where the depthwise convolution's row y goes, in values from where `finish` stores."""
        line: Index = (y - y0 if self.k.project else image * self.oh + y) * self.ow * self.channels
        return line

    def _project(self, pixel: Index, pixels: Index) -> None:
        """The group in scratch → `pixels` pixels of dst from number `pixel` on."""
        e, tile, operands = self.e, self.k.project, self.operands[2]
        if tile is None:
            return
        weights = e.pointer("project")
        if self.k.pairs:
            paired(e, tile, self.lines, self.channels, pixels, weights, operands, self.dst, pixel)
            return
        width = tile.vectors * e.lanes
        with e.loop((self.oc + width - 1) // width, name="block") as block:
            c = block.index * width
            packed = e.at(weights, c * self.channels)
            pointwise(
                e, tile, self.lines, self.channels, pixels, packed, operands, self.dst, pixel, self.oc, c, self.oc
            )

    # --- with an expansion -------------------------------------------------------------------------------------------

    def _zeros_beside(self) -> None:
        """Zeros into the columns of all rings that lie beside the input; nothing else is ever written there."""
        e, end = self.e, self.left + self.iw
        with e.loop(self.blocks * self.kh, name="beside") as row:
            at = e.at(self.rings, row.index * self.ring_row)
            zero_run(e, at, self.left * self.width)
            zero_run(e, e.at(at, end * self.width), (self.pitch - end) * self.width)

    def _from_ring(
        self, window: Ring, ring: Value, c: Index, image: Index, y0: Index, y1: Index, afresh: Value
    ) -> None:
        """Rows y0 … y1 − 1 of the channels from c on. Row r of the input lies in slot (r + padding) mod kh of the
        ring."""
        e, kh = self.e, window.taps[0]
        known = (kh - self.sh).maximum(0)
        with e.loop(y1, y0, name="row") as y:
            top = y.index * self.sh - self.ph
            have = e.select(e.b.and_(afresh, y.index.equals(y0)), 0, known)
            with e.loop(top + kh, top + have, name="ring") as r:
                slot = e.at(ring, (r.index + self.above) % kh * self.ring_row + self.left * self.width)
                with e.otherwise_when(e.b.and_(r.index >= 0, r.index < self.ih)) as (inside, outside):
                    with inside:
                        self._expand(slot, e.at(self.src, (image * self.ih + r.index) * self.iw * self.ic), c)
                    with outside:
                        zero_run(e, slot, self.iw * self.width)
            self._slide(window, ring, (top + self.above) % kh, c, self._line(image, y.index, y0))

    def _expand(self, place: Value, src: Value, c: Index) -> None:
        """A row of src, expanded to the channels from c on."""
        e, tile = self.e, self.k.expand
        assert tile is not None
        packed, pitch = e.at(e.pointer("expand"), c * self.ic), e.const(self.width)
        pointwise(
            e,
            tile,
            src,
            self.ic,
            self.iw,
            packed,
            self.operands[0],
            e.at(place, 0 - c),
            e.const(0),
            pitch,
            c,
            self.channels,
        )

    def _slide(self, window: Ring, ring: Value, slot: Index, c0: Index, offset: Index) -> None:
        """One row of the depthwise convolution, whose window begins at a slot of the ring, to `offset` in what `finish`
        stores to."""
        e, (kh, kw), count, width = self.e, window.taps, window.pixels, self.width
        slots = [e.select(slot + i < kh, slot + i, slot + i - kh) for i in range(kh)]
        rows = [e.at(ring, s * self.ring_row + (self.left - self.pw) * width) for s in slots]
        stay = kh * kw + count + 2 <= e.target.registers  # the weights, in registers

        def channels(c: Index, lanes: int, mask: Value | None) -> None:
            def weights(i: int) -> list[Value]:
                return [e.load(self.weights, self.channels * (i * kw + k) + c, lanes, mask=mask) for k in range(kw)]

            kept = [weights(i) for i in range(kh)] if stay else []
            with e.loop(self.ow, step=count, name="pixels") as loop:
                x = loop.index.minimum(
                    self.ow - count
                )  # a ragged last tile computes some pixels again, to the same bits
                acc = [e.zero(lanes)] * count
                for i, row in enumerate(rows):
                    ws = kept[i] if stay else weights(i)
                    at = e.at(row, x * (window.stride * width) + (c - c0))
                    for j in range((count - 1) * window.stride + kw):
                        value = e.load(at, j * width, lanes)
                        for k in range(kw):
                            p, between = divmod(j - k, window.stride)
                            if between == 0 and 0 <= p < count:
                                acc[p] = e.fma(value, ws[k], acc[p])
                self.finish(acc, [offset + (x + p) * self.channels for p in range(count)], c, lanes, mask)

        over_channels(e, c0, (c0 + width).minimum(self.channels), self.k.ragged, channels)

    # --- without -----------------------------------------------------------------------------------------------------

    def _from_source(self, columns: WindowColumns, image: Index, y: Index, offset: Index) -> None:
        """Row y, of all channels."""
        e, channels, y0 = self.e, self.channels, y * self.sh - self.ph
        first, end = inside_taps(y0, e.const(1), self.kh, self.ih)
        top = e.at(self.src, ((image * self.ih + y0) * self.iw - self.pw) * channels)

        def tile(t: RowTile) -> None:
            at_tile = e.at(top, t.x * columns.stride * channels)

            def vector(c: Index, lanes: int, mask: Value | None) -> None:
                with e.loop(end, first, carry=[e.zero(lanes)] * t.pixels, name="kh") as tap:
                    at = e.at(at_tile, tap.index * self.iw * channels + c)
                    w = e.at(self.weights, tap.index * columns.taps * channels + c)
                    ws = [e.load(w, channels * k, lanes, mask=mask) for k in range(columns.taps)]
                    acc = list(tap.values)
                    for j, uses in t.columns:
                        x = e.load(at, channels * j, lanes, mask=mask)
                        for p, k in uses:
                            acc[p] = e.fma(x, ws[k], acc[p])
                    tap.carry(acc)
                self.finish(tap.results, [offset + (t.x + p) * channels for p in range(t.pixels)], c, lanes, mask)

            over_channels(e, e.const(0), channels, self.k.ragged, vector)

        over_tiles(e, columns, self.ow, tile)


def _operands(e: Emitter, epilogue: Epilogue, names: Sequence[str]) -> Operands:
    found = (e.broadcast(e.pointer(n)) if kind == "scalar" else e.pointer(n) for n, kind in zip(names, epilogue.kinds))
    return Operands(epilogue, tuple(found))


def pointwise(
    e: Emitter,
    tile: Tile,
    src: Value,
    ic: Index,
    pixels: Index,
    weights: Value,
    operands: Operands,
    dst: Value,
    place: Index,
    pitch: Index,
    c: Index,
    oc: Index,
) -> None:
    """`pixels` neighbouring pixels from `src` on (ic values each) → pixels from number `place` of `dst` on, `pitch`
    values apart: of the `oc` output channels those from c on that the tile holds.

    A ragged last tile is moved left over the one before: it computes some pixels again, to the same bits.
    """
    with e.loop(pixels, step=tile.pixels, name="pixels") as x:
        at = x.index.minimum(pixels - tile.pixels)
        acc = accumulate(e, tile, zeros(e, tile), e.at(src, at * ic), ic, weights, ic)
        store_tile(e, tile, acc, operands, dst, place + at, pitch, c, oc - c)
