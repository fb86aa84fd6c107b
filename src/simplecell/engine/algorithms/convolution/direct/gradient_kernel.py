"""Gradient of a convolution for its weights, float32.

    diff_weights[tap, i, c] = sum over images and output positions of  src[position · stride + tap · dilation − low, i]
    · diff_dst[position, c]

For one tap this is a matrix product srcᵀ · diff_dst whose sum runs over pixels. A register tile of rows (input
channels) × vectors of output channels stays in registers over a band of pixels (some rows of an image, or some small
images):

    for each unit = (part of the images, group, block of panels, share of the taps), divided among the threads
        for each band of pixels                       its panel of diff_dst takes a third of L1
            for each panel of output channels in the block
                copy the band's panel of diff_dst to scratch, where its pixels are neighbours
                for each tap, for each tile of input channels
                    sum over the pixels of the band that this tap meets inside src

Padding costs nothing: each tap sums over the positions at which it meets a real element (`clip`), so there is no halo
and no test in the inner loop. Taps whose elements are neighbours in memory (kw × ic, where nothing pads a row) join
into one run of rows. Parts are fixed by the problem, never by the number of threads, and added in order by `SumParts`.
Depth, height and width are axes z, y and x; networks of fewer dimensions have ones in front.
"""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.direct.gradient_schedule import Extents, Halo, Shares
from simplecell.engine.algorithms.convolution.rows import copy_row, copy_run
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.matmul_tile import prefetch, products, resume, store_rows
from simplecell.engine.code.tile import Tile

PREFETCH_DISTANCE = 16
"""Pixels between the fetching of a pixel's channels into L1 and their use: some 200 cycles, the latency of L2 several
times over."""


@dataclass(frozen=True)
class GradientWeights(Kernel):
    """dst: `parts` × (taps, channels, oc), each the sum over its share of the images."""

    tile: Tile
    """rows × vectors"""
    segments: int = 1
    """runs of a tile's rows: they belong to taps below each other"""
    rest: int = 0
    """rows of the last tile of the `channels`, 0 if it is like the others"""
    ragged: bool = True
    """The columns of a group are no multiple of the tile's."""
    packed: bool = True
    """diff_dst goes through scratch."""
    halo: bool = False
    """So does src, a band with what the kernel reaches over, zeros where that lies outside. For one plane only."""
    sampled: bool = False
    """Only the pixels of src that a 1×1 kernel meets are copied, none of which is padding."""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (
            *("src", "diff_dst", "dst", *Extents.names(), *Shares.names()),
            *(("scratch", "scratch_stride") if self.packed or self.halo else ()),
            *(Halo.names() if self.halo else ()),
        )

    @property
    def name(self) -> str:
        return kernel_name(
            "convolution_gradient_weights",
            "direct",
            "float32",
            f"{self.tile}_s{self.segments}_r{self.rest}",
            "ragged" if self.ragged else "",
            "packed" if self.packed else "",
            "sampled" if self.sampled else "halo" if self.halo else "",
        )

    def emit(self, e: Emitter) -> None:
        _Emission(self, e).emit()


class _Axis:
    """The run-time arguments of one spatial axis."""

    def __init__(self, e: Emitter, axis: str, src: str) -> None:
        self.o, self.i, self.k, self.s, self.d, self.p, self.src = (
            e.index(a)
            for a in (f"o{axis}", f"i{axis}", f"taps_{axis}", f"stride_{axis}", f"dilation_{axis}", f"pad_{axis}", src)
        )

    def clip(self, tap: Index, start: Index, stop: Index) -> tuple[Index, Index]:
        """The output positions of [start, stop) whose input position under `tap` lies inside src."""
        shift = self.p - tap * self.d
        low = (shift.maximum(0) + self.s - 1) // self.s
        high = (shift + self.i - 1 + self.s).maximum(0) // self.s
        return low.maximum(start), high.minimum(stop)


class _Emission:
    def __init__(self, kernel: GradientWeights, e: Emitter) -> None:
        self.kernel, self.e = kernel, e
        self.src, self.diff_dst, self.dst = (e.pointer(p) for p in ("src", "diff_dst", "dst"))
        self.z, self.y, self.x = _Axis(e, "d", "src_plane"), _Axis(e, "h", "src_row"), _Axis(e, "w", "src_pixel")
        self.n, self.channels, self.oc = e.index("n"), e.index("channels"), e.index("oc")
        self.src_image = e.index("src_image")
        self.width = kernel.tile.vectors * e.lanes
        self.rows = kernel.tile.pixels // kernel.segments
        self.scratch = e.scratch() if kernel.packed or kernel.halo else None

    def emit(self) -> None:
        e = self.e
        parts, groups, splits, group_oc = (e.index(a) for a in ("parts", "groups", "splits", "group_oc"))
        self.panels, self.block, self.group_oc = (group_oc + (self.width - 1)) // self.width, e.index("block"), group_oc
        self.row_tiles = (self.channels + (self.rows - 1)) // self.rows
        blocks = (self.panels + self.block - 1) // self.block
        jobs = self.z.k * self.y.k * self.x.k * self.row_tiles
        first, last = e.my_share(parts * groups * blocks * splits)
        with e.loop(last, start=first, name="unit") as unit:
            split, rest = unit.index % splits, unit.index // splits
            block, rest = rest % blocks, rest // blocks
            group, part = rest % groups, rest // groups
            self.group, self.first_panel = group, block * self.block
            self.src_at = e.at(self.src, group * e.index("group_ic"))
            self.dst_at = e.at(self.dst, part * e.index("part_size"))
            self._bands(
                (self.n * part // parts, self.n * (part + 1) // parts),
                (jobs * split // splits, jobs * (split + 1) // splits),
            )

    def _bands(self, images: tuple[Index, Index], jobs: tuple[Index, Index]) -> None:
        e = self.e
        band_n, band_y, band_x = (e.index(a) for a in ("band_images", "band_rows", "band_pixels"))
        with e.loop(images[1], start=images[0], step=band_n, name="images") as n:
            n_range = (n.index, (n.index + band_n).minimum(images[1]))
            with e.loop(self.y.o, step=band_y, name="band_rows") as y:
                y_range = (y.index, (y.index + band_y).minimum(self.y.o))
                with e.loop(self.x.o, step=band_x, name="band_pixels") as x:
                    x_range = (x.index, (x.index + band_x).minimum(self.x.o))
                    begin = (n.index - images[0] + y.index + x.index).equals(0)
                    last_panel = (self.first_panel + self.block).minimum(self.panels)
                    self._place(n_range, y_range, x_range)
                    self.upcoming = self._upcoming(n.index, y_range, x_range, last_panel - self.first_panel)
                    with e.loop(last_panel, start=self.first_panel, name="panel") as panel:
                        channel = panel.index * self.width
                        self.channel = self.group * self.group_oc + channel
                        self.masks = None
                        if self.kernel.ragged:
                            self.masks = [
                                e.mask(self.group_oc - channel - v * e.lanes) for v in range(self.kernel.tile.vectors)
                            ]
                        self._pack(n_range, y_range, x_range)
                        self.following = self._following(n_range, y_range, x_range, panel.index, last_panel)
                        self.panel_job = (panel.index - self.first_panel) * (jobs[1] - jobs[0])
                        self._taps(n_range, y_range, x_range, jobs, begin)

    def _place(self, n_range: tuple[Index, Index], y_range: tuple[Index, Index], x_range: tuple[Index, Index]) -> None:
        """Where the tiles read src, as an address and the elements from one image, row and pixel to the next: in place,
        or a copy of what the band reads with zeros around it."""
        e, y, x = self.e, self.y, self.x
        self.pace = y.s, x.s
        if not self.kernel.halo:
            self.base, self.strides, self.origin = (
                self.src_at,
                (self.src_image, y.src, x.src),
                (e.const(0), e.const(0), e.const(0)),
            )
            return
        (n0, n1), (y0, y1), (x0, x1) = n_range, y_range, x_range
        pitch = e.index("pitch")
        rows, pixels = (y1 - y0 - 1) * y.s + e.index("reach_h") + 1, (x1 - x0 - 1) * x.s + e.index("reach_w") + 1
        copy = e.at(self.scratch, e.index("halo_begin"))
        if self.kernel.sampled:
            rows, pixels, self.pace = y1 - y0, x1 - x0, (e.const(1), e.const(1))
        with e.loop(n1, start=n0, name="halo_n") as n, e.loop(rows, name="halo_row") as r:
            iy = (y0 + r.index) * y.s if self.kernel.sampled else y0 * y.s - y.p + r.index
            source = e.at(self.src, n.index * self.src_image + iy * y.src)
            to = e.at(copy, ((n.index - n0) * rows + r.index) * pixels * pitch)
            if self.kernel.sampled:
                with e.loop(pixels, name="sample") as pixel:
                    copy_run(e, e.at(to, pixel.index * pitch), e.at(source, (x0 + pixel.index) * x.s * x.src), x.src)
            else:
                copy_row(e, to, source, x0 * x.s - x.p, pixels, x.i, x.src, pitch, (iy >= 0, iy < y.i))
        self.base = e.at(copy, self.group * e.index("group_ic"))
        self.strides, self.origin = (rows * pixels * pitch, pixels * pitch, pitch), (n0, y0, x0)

    def _diff(self, n: Index, z: Index, y: Index, x: Index) -> Value:
        """The address of diff_dst at a pixel, in this unit's panel."""
        return self.e.at(self.diff_dst, (((n * self.z.o + z) * self.y.o + y) * self.x.o + x) * self.oc + self.channel)

    def _pack(self, n_range: tuple[Index, Index], y_range: tuple[Index, Index], x_range: tuple[Index, Index]) -> None:
        if not self.kernel.packed:
            return
        e = self.e
        with e.loop(n_range[1], start=n_range[0], carry=[self.scratch], name="pack_n") as n:
            with e.loop(self.z.o, carry=n.values, name="pack_z") as z:
                with e.loop(y_range[1], start=y_range[0], carry=z.values, name="pack_y") as y:
                    start = self._diff(n.index, z.index, y.index, x_range[0])
                    with e.loop(x_range[1] - x_range[0], carry=[start, *y.values], name="pack_x") as x:
                        source, to = x.values
                        for v in range(self.kernel.tile.vectors):
                            e.store(
                                e.load(source, v * e.lanes, mask=self.masks[v] if self.masks else None), to, v * e.lanes
                            )
                        x.carry([e.at(source, self.oc), e.at(to, self.width)])
                    y.carry(x.results[1:])
                z.carry(y.results)
            n.carry(z.results)

    def _upcoming(
        self, n: Index, y_range: tuple[Index, Index], x_range: tuple[Index, Index], panels: Index
    ) -> tuple[Value, Index]:
        """Address and lines (for each panel) of what the next band needs of src and this one does not: what follows in
        memory."""
        e, (y0, y1), (x0, x1) = self.e, y_range, x_range
        row = (y1 - 1) * self.y.s + (self.y.k - 1) * self.y.d - self.y.p + 1
        full_rows = x1 - x0 >= self.x.o
        pixels = y0 * self.y.s * self.y.src + x1 * self.x.s * self.x.src
        floats = e.select(full_rows, (y1 - y0) * self.y.s * self.y.src, (x1 - x0) * self.x.s * self.x.src)
        address = e.at(self.src_at, n * self.src_image + e.select(full_rows, row * self.y.src, pixels))
        lines = (floats // 16 + panels - 1) // panels
        # Where strides skip rows most of what follows would be fetched in vain.
        return address, e.select(self.y.s > self.y.k, 0, lines)

    def _following(
        self,
        n_range: tuple[Index, Index],
        y_range: tuple[Index, Index],
        x_range: tuple[Index, Index],
        panel: Index,
        last: Index,
    ) -> tuple[Value, Index]:
        """Address and pixels of the panel of diff_dst that is copied next: the next one of this band, or the first of
        the next."""
        e = self.e
        pixels = (n_range[1] - n_range[0]) * (y_range[1] - y_range[0]) * (x_range[1] - x_range[0])
        here = self._diff(n_range[0], e.const(0), y_range[0], x_range[0])
        back = (self.first_panel - panel) * self.width
        return e.at(here, e.select(panel + 1 < last, self.width, pixels * self.oc + back)), pixels

    def _fetch(self, jobs: tuple[Index, Index], job: Index) -> None:
        """Each job fetches its share of what comes next into L2, which hides the latency of L3 and memory: rows of src
        for the next band (56×56×64: 139 → 156 GFLOP/s), pixels of diff_dst for the next panel."""
        e, (address, lines), (diff, pixels) = self.e, self.upcoming, self.following
        count, mine = jobs[1] - jobs[0], job - jobs[0]
        share = (lines + count - 1) // count
        first = (self.panel_job + mine) * share
        with e.loop(share, name="fetch") as line:
            prefetch(e, e.at(address, (first + line.index) * 16), 2)
        if self.kernel.packed:
            share = (pixels + count - 1) // count
            with e.loop(share, name="fetch_diff") as pixel:
                at = e.at(diff, (mine * share + pixel.index) * self.oc)
                for v in range(self.kernel.tile.vectors):
                    prefetch(e, e.at(at, v * e.lanes), 2)

    def _taps(
        self,
        n_range: tuple[Index, Index],
        y_range: tuple[Index, Index],
        x_range: tuple[Index, Index],
        jobs: tuple[Index, Index],
        begin: Value,
    ) -> None:
        """The jobs (tap, tile of rows) of a unit on one band and panel."""
        e, kernel, row_tiles = self.e, self.kernel, self.row_tiles
        with e.loop((jobs[1] + row_tiles - 1) // row_tiles, start=jobs[0] // row_tiles, name="tap") as tap:
            tap_x, rest = tap.index % self.x.k, tap.index // self.x.k
            tap_y, tap_z = rest % self.y.k, rest // self.y.k
            z = self.z.clip(tap_z, e.const(0), self.z.o)
            if kernel.halo:
                y, x = y_range, x_range
                src = e.at(self.base, tap_y * self.y.d * self.strides[1] + tap_x * self.x.d * self.strides[2])
            else:
                y, x = self.y.clip(tap_y, *y_range), self.x.clip(tap_x, *x_range)
                src = self.base
                for axis, t in ((self.z, tap_z), (self.y, tap_y), (self.x, tap_x)):
                    src = e.at(src, (t * axis.d - axis.p) * axis.src)
            pixels = _Pixels(n_range, z, y, x, y_range, x_range)
            dst = e.at(self.dst_at, tap.index * self.channels * self.kernel.segments * self.oc + self.channel)
            start, stop = (
                (jobs[0] - tap.index * row_tiles).maximum(0),
                (jobs[1] - tap.index * row_tiles).minimum(row_tiles),
            )
            equal = row_tiles - 1 if kernel.rest else row_tiles
            with e.loop(stop.minimum(equal), start=start, name="row_tile") as r:
                self._fetch(jobs, tap.index * row_tiles + r.index)
                self._tile(kernel.tile, r.index * self.rows, src, dst, pixels, begin)
            if kernel.rest:
                with e.when(stop > equal):
                    last_tile = Tile(kernel.rest * kernel.segments, kernel.tile.vectors)
                    self._tile(last_tile, equal * self.rows, src, dst, pixels, begin)

    def _tile(self, tile: Tile, row: Index, src: Value, dst: Value, pixels: _Pixels, begin: Value) -> None:
        e = self.e
        (image, down, right), origin = self.strides, self.origin
        segment_src, segment_dst = self.y.d * down, e.index("segment_dst")
        runs = [e.at(dst, row * self.oc + segment_dst * g) for g in range(self.kernel.segments)]
        run = Tile(tile.pixels // self.kernel.segments, tile.vectors)
        acc: list[Value] = []
        for at in runs:
            acc += resume(e, run, begin, at, self.oc, self.masks)
        b_step = e.const(self.width) if self.kernel.packed else self.oc
        a_step = self.pace[1] * right
        with e.loop(pixels.n[1], start=pixels.n[0], carry=acc, name="n") as n:
            with e.loop(pixels.z[1], start=pixels.z[0], carry=n.values, name="z") as z:
                with e.loop(pixels.y[1], start=pixels.y[0], carry=z.values, name="y") as y:
                    at = (n.index - origin[0]) * image + z.index * self.z.s * self.z.src
                    at = at + (y.index - origin[1]) * self.pace[0] * down + (pixels.x[0] - origin[2]) * a_step + row
                    a = [e.at(src, at + segment_src * g) for g in range(self.kernel.segments)]
                    b = self._operand(pixels, n.index, z.index, y.index)
                    masks = None if self.kernel.packed else self.masks
                    acc = products(
                        e,
                        tile,
                        y.values,
                        a,
                        e.const(1),
                        a_step,
                        b,
                        b_step,
                        pixels.x[1] - pixels.x[0],
                        masks,
                        ahead=PREFETCH_DISTANCE,
                    )
                    y.carry(acc)
                z.carry(y.results)
            n.carry(z.results)
        for g, at in enumerate(runs):
            store_rows(e, run, n.results[g * run.accumulators : (g + 1) * run.accumulators], at, self.oc, self.masks)

    def _operand(self, pixels: _Pixels, n: Index, z: Index, y: Index) -> Value:
        """The address of diff_dst, or of its copy, at the first pixel of a row."""
        if not self.kernel.packed:
            return self._diff(n, z, y, pixels.x[0])
        (y0, y1), (x0, x1) = pixels.band_y, pixels.band_x
        row = ((n - pixels.n[0]) * self.z.o + z) * (y1 - y0) + y - y0
        return self.e.at(self.scratch, (row * (x1 - x0) + pixels.x[0] - x0) * self.width)


@dataclass(frozen=True)
class _Pixels:
    """Half-open ranges: what one tap sums over, and the band around it."""

    n: tuple[Index, Index]
    z: tuple[Index, Index]
    y: tuple[Index, Index]
    x: tuple[Index, Index]
    band_y: tuple[Index, Index]
    band_x: tuple[Index, Index]
