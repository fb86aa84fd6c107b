"""How the gradient for weights is cut into tiles, bands and parts, and the run-time arguments of its kernel."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.direct import costs
from simplecell.engine.algorithms.convolution.gradient_weights.costs import tile_cycles, tile_heights
from simplecell.engine.algorithms.convolution.problem import ConvolutionProblem
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.code.tile import Tile
from simplecell.engine.planning.algorithm import Schedule
from simplecell.engine.target import Target

# --- the kernel's arguments ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Extents(Schedule):
    """Positions, taps and channels; distances are in float32 values unless it says pixels."""

    n: int
    channels: int
    """rows of tiles for each tap that is left to the kernel's loops"""
    group_ic: int
    oc: int
    group_oc: int
    groups: int
    src_image: int
    """from one image of src to the next"""
    segment_dst: int
    """from the results of one run of a tile's rows to the next's"""
    od: int
    oh: int
    ow: int
    id: int
    ih: int
    iw: int
    taps_d: int
    """left to the kernel's loops"""
    taps_h: int
    taps_w: int
    stride_d: int
    """of the convolution, in pixels"""
    stride_h: int
    stride_w: int
    dilation_d: int
    dilation_h: int
    dilation_w: int
    pad_d: int
    pad_h: int
    pad_w: int
    src_plane: int
    src_row: int
    src_pixel: int


@dataclass(frozen=True)
class Shares(Schedule):
    """How much is done at a time, and what is divided among threads."""

    band_images: int
    band_rows: int
    band_pixels: int
    """of a row"""
    block: int
    """panels of output channels that share a band of src while it is in L2"""
    parts: int
    """of the images, each with a gradient of its own"""
    part_size: int
    splits: int
    """shares into which the taps × row tiles of a unit are divided"""


@dataclass(frozen=True)
class Halo(Schedule):
    """Of the copy of a band of src with what the kernel reaches over."""

    reach_h: int
    """rows that the kernel reaches over"""
    reach_w: int
    pitch: int
    """values from one pixel of the copy to the next"""
    halo_begin: int
    """in values from the begin of scratch"""


@dataclass(frozen=True)
class GradientSchedule(Schedule):
    """All run-time arguments but addresses."""

    extents: Extents
    shares: Shares
    halo: Halo | None = None


# --- tiles -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """How the taps and input channels become rows of register tiles: `channels` rows in a run, `segments` runs in a
    tile, and the taps that are left to the kernel's loops."""

    channels: int
    segments: int
    taps: tuple[int, int, int]
    what: str

    @property
    def loops(self) -> int:
        """Turns of the loops over taps."""
        return self.taps[0] * self.taps[1] * self.taps[2]


def row_choices(p: ConvolutionProblem, halo: bool) -> list[Rows]:
    """Every way to make rows of this problem's taps and channels; with a halo, padding does not keep taps apart."""
    kd, kh, kw = p.kernel
    found = [Rows(p.ic // p.groups, 1, p.kernel, "a row per input channel")]
    if kw > 1 and p.groups == 1 and p.dilation[2] == 1 and (halo or not (p.low[2] or p.high[2])):
        found.append(Rows(kw * p.ic, 1, (kd, kh, 1), "rows of kw × ic, which are neighbours"))
        if kh > 1 and (halo or not (p.low[1] or p.high[1])):
            found.append(Rows(kw * p.ic, kh, (kd, 1, 1), "a tile of all kh × kw × ic"))
    return found


def choose_tile(p: ConvolutionProblem, target: Target, halo: bool) -> tuple[Rows, Tile, float]:
    """The rows and the tile with the fewest cycles per pixel, and these."""
    oc_vectors = ceil_div(p.oc // p.groups, target.lanes)
    best: tuple[float, Rows, Tile] | None = None
    for rows in row_choices(p, halo):
        for vectors in range(1, min(4, oc_vectors) + 1):
            most = tile_heights(target, vectors)[0] // rows.segments
            for height in range(min(rows.channels, most), 0, -1):
                full, rest = divmod(rows.channels, height)
                cycles = full * tile_cycles(height * rows.segments, vectors)
                cycles += tile_cycles(rest * rows.segments, vectors) if rest else 0.0
                cost = ceil_div(oc_vectors, vectors) * (rows.loops * cycles + costs.COPIED_VECTOR * vectors)
                if best is None or cost < 0.99 * best[0]:
                    best = cost, rows, Tile(height * rows.segments, vectors)
    assert best is not None
    return best[1], best[2], best[0]


def crowded(p: ConvolutionProblem) -> bool:
    """Whether neighbouring pixels of src fall into so few sets of L1 that they drive each other out (where several taps
    read them they come from L2 anyhow)."""
    return p.taps == 1 and p.strides[2] * p.ic * 4 % 2048 == 0


def needs_halo(p: ConvolutionProblem) -> bool:
    """Whether to copy the band of src (see `costs.FEW_CHANNELS`)."""
    one_plane = p.kernel[0] == p.src[0] == p.dst[0] == 1
    return one_plane and (crowded(p) or (p.padded and p.ic < costs.FEW_CHANNELS))


# --- how the work is cut ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blocking:
    """Tiles, bands of pixels, and shares of the work."""

    rows: Rows
    tile: Tile
    halo: bool
    """The band of src is copied."""
    sampled: bool
    """Only the pixels that a 1×1 kernel meets are, none of which is padding."""
    packed: bool
    """The band's panel of diff_dst is copied, too."""
    band: tuple[int, int, int]
    """images, rows and pixels of a row"""
    block: int
    parts: int
    splits: int
    tiles: int
    """of weights"""
    pitch: int

    @staticmethod
    def of(p: ConvolutionProblem, target: Target, threads: int, halo: bool | None = None) -> Blocking:
        """halo: copy the band of src? None: where it pays, if it fits L2."""
        wanted = needs_halo(p) if halo is None else halo
        rows, tile, _ = choose_tile(p, target, wanted)
        width, oc = tile.vectors * target.lanes, p.oc // p.groups
        height = tile.pixels // rows.segments
        panels, jobs = ceil_div(oc, width), rows.loops * ceil_div(rows.channels, height)
        panel_weights = 4 * rows.loops * rows.channels * width

        band = bands(p.n, p.dst, width, panel_weights, 4 * p.ic * p.strides[1] * p.strides[2], target)
        parts = min(p.n, costs.MOST_PARTS) if p.groups * panels * jobs < costs.UNITS else 1
        # As many panels as keep their weights in L2 pass over a band of src while it is there; then the threads must
        # get equal shares.
        block = max(1, min(panels, target.l2 // 2 // panel_weights))
        if parts * p.groups * ceil_div(panels, block) < threads:
            block = max(1, panels * parts * p.groups // threads)
        units = parts * p.groups * ceil_div(panels, block)
        splits = 1 if units % threads == 0 or units >= 8 * threads else min(jobs, 4 * threads)
        joined = rows.channels > p.ic // p.groups
        pitch = p.ic if joined or not crowded(p) else p.ic + target.lanes
        sampled, packed = wanted and p.taps == 1 and not p.padded, jobs >= 4 and p.oc != width
        cut = Blocking(rows, tile, wanted, sampled, packed, band, block, parts, splits, panels * jobs, pitch)
        if wanted and cut.copy_bytes(p) > target.l2 // 2:
            return Blocking.of(p, target, threads, halo=False)
        return cut

    def _band(self, p: ConvolutionProblem) -> tuple[int, int, int]:
        """Images, rows and pixels of a row of the largest band."""
        images, rows, pixels = (min(b, size) for b, size in zip(self.band, (p.n, *p.dst[1:])))
        return images, rows, pixels

    def panel_bytes(self, p: ConvolutionProblem, lanes: int) -> int:
        """of the copy of a band's panel of diff_dst"""
        images, rows, pixels = self._band(p)
        return 4 * self.tile.vectors * lanes * images * p.dst[0] * rows * pixels if self.packed else 0

    def copy_bytes(self, p: ConvolutionProblem) -> int:
        """of the copy of a band of src"""
        if not self.halo:
            return 0
        (images, *band), (_, *reach) = self._band(p), _reach(p)
        if not self.sampled:
            band = [(size - 1) * s + r + 1 for size, s, r in zip(band, p.strides[1:], reach)]
        return 4 * images * band[0] * band[1] * self.pitch

    def scratch_bytes(self, p: ConvolutionProblem, lanes: int) -> int:
        """of one thread"""
        return self.panel_bytes(p, lanes) + self.copy_bytes(p)

    @property
    def reason(self) -> str:
        """The words for it."""
        copied = ", src copied with its halo" if self.halo else ""
        divided = f", too few to divide: {self.parts} partial sums" if self.parts > 1 else ""
        return f"{self.rows.what}{copied}; {self.tiles} tiles{divided}"


def _reach(p: ConvolutionProblem) -> list[int]:
    """What the kernel reaches over, in pixels, along each axis."""
    return [(k - 1) * d for k, d in zip(p.kernel, p.dilation)]


def bands(
    n: int, dst: tuple[int, int, int], width: int, weights_bytes: int, pixel_bytes: int, target: Target
) -> tuple[int, int, int]:
    """Images, rows and pixels of a row in a band.

    A band's panel of diff_dst takes a third of L1, beside the pixels of src that stream through it. Where the panel of
    weights does not stay in L2 beside src, a band is longer, so that the weights' coming and going is paid for; but its
    src, `pixel_bytes` for each pixel of diff_dst, has to stay (see `costs.STAYING`).
    """
    od, oh, ow = dst
    pixels = max(target.l1 // 3 // (4 * width), 16)
    if weights_bytes > target.l2 // 4:
        pixels *= 6
    elif weights_bytes > target.l2 // 16:
        pixels *= 2
    pixels = max(16, min(pixels, target.l2 // costs.STAYING // pixel_bytes))
    if ow * od >= pixels:
        return 1, 1, max(pixels // od, 16) if ow * od > 2 * pixels else ow
    rows = max(1, round(pixels / (ow * od)))
    if rows < oh:
        return 1, rows, ow
    return max(1, min(n, round(pixels / (ow * od * oh)))), oh, ow


# --- the schedule ----------------------------------------------------------------------------------------------------


def schedule(p: ConvolutionProblem, cut: Blocking, lanes: int) -> GradientSchedule:
    """The arguments that follow from the blocking."""
    (od, oh, ow), (id_, ih, iw), (taps_d, taps_h, taps_w) = p.dst, p.src, cut.rows.taps
    (sd, sh, sw), (dd, dh, dw), (pd, ph, pw) = p.strides, p.dilation, p.low
    (band_images, band_rows, band_pixels), (_, reach_h, reach_w) = cut.band, _reach(p)
    extents = Extents(
        n=p.n, channels=cut.rows.channels, group_ic=p.ic // p.groups, oc=p.oc, group_oc=p.oc // p.groups,
        groups=p.groups, src_image=id_ * ih * iw * p.ic, segment_dst=cut.rows.channels * p.oc,
        od=od, oh=oh, ow=ow, id=id_, ih=ih, iw=iw, taps_d=taps_d, taps_h=taps_h, taps_w=taps_w,
        stride_d=sd, stride_h=sh, stride_w=sw, dilation_d=dd, dilation_h=dh, dilation_w=dw,
        pad_d=pd, pad_h=ph, pad_w=pw, src_plane=ih * iw * p.ic, src_row=iw * p.ic, src_pixel=p.ic,
    )  # fmt: skip
    shares = Shares(
        band_images, band_rows, band_pixels, cut.block, cut.parts,
        part_size=p.taps * p.ic // p.groups * p.oc, splits=cut.splits,
    )  # fmt: skip
    halo = Halo(reach_h, reach_w, cut.pitch, cut.panel_bytes(p, lanes) // 4) if cut.halo else None
    return GradientSchedule(extents, shares, halo)
