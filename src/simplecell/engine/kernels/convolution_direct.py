"""Direct convolution on the register tile, in one, two and three dimensions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from simplecell.engine.emit import I8, Emitter, Index, Value
from simplecell.engine.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.kernel import Kernel
from simplecell.engine.kernels.convolution_rows import copy_row
from simplecell.engine.kernels.tile import Ahead, Tile, accumulate, zeros
from simplecell.engine.kernels.tile_store import Operands, fetch_operands, store_tile


@dataclass(frozen=True)
class ConvolutionDirect(Kernel):
    """dst[n, d, h, w, oc] = epilogue(Σ over taps and ic of src · weights).

    The loops, from the outermost: part of the output channels; image, depth, block of rows, block of columns (these five are divided
    among the threads); block of output channels; row; tile of pixels; taps; one contiguous run of input values.

    The sizes of the blocks are arguments. Weights that fit the L2 cache are read from there once for each block of rows, so a few
    rows will do; larger ones want blocks as large as the cache holds inputs, since they come from memory for each block.

    copy: the block's input rows are first copied into scratch, with the halo of zeros; its pixels may lie further apart there (`pitch`):
    14 pixels whose distance is a multiple of 4096 bytes all fall into one set of the L1 cache, which holds 8 or 12 lines.
    Without copy, all input that is read must exist (no padding).

    spread: pixels of dst lie apart (the outputs of one phase of a strided gradient): arguments SPREAD are values from one image, plane, row
    and pixel to the next.

    A ragged last tile is moved left over the one before: it computes some pixels again, to the same bits. So a row is never narrower than
    the tile, and dst must not be among the epilogue's operands.
    """

    tile: Tile
    epilogue: Epilogue = NO_EPILOGUE
    copy: bool = False
    spread: bool = False
    lines: int = 0
    """cache lines of the next block's weights to fetch in each step of depth, where weights come from beyond L2"""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *(_SCRATCH if self.copy else ()), *(SPREAD if self.spread else ()), *self.epilogue.arguments)

    @property
    def name(self) -> str:
        words = (
            "convolution_forward_f32",
            str(self.tile) + (f"p{self.lines}" if self.lines else ""),
            "copy" if self.copy else "",
            "spread" if self.spread else "",
            self.epilogue.name,
        )
        return "_".join(w for w in words if w)

    def emit(self, e: Emitter) -> None:
        t = self.tile
        width = t.vectors * e.lanes
        dst, weights = e.pointer("dst"), e.pointer("weights")
        oh, ow, od, oc, ic = (e.index(a) for a in ("oh", "ow", "od", "oc", "ic"))
        runs = [(e.index(f"taps{i}"), e.index(f"tap{i}")) for i in range(3)]
        run, pixel = e.index("run"), e.index("pixel")
        rows, columns, parts = e.index("rows"), e.index("columns"), e.index("parts")
        group_ic, group_oc, group_blocks, blocks = (e.index(a) for a in ("group_ic", "group_oc", "group_blocks", "blocks"))
        step_ahead = e.index("ahead")
        depth = runs[0][0] * runs[1][0] * runs[2][0] * run
        operands = Operands.of(e, self.epilogue)
        source = _Copied(e) if self.copy else _InPlace(e)

        row_blocks, column_blocks = (oh + rows - 1) // rows, (ow + columns - 1) // columns
        units = e.index("n") * od * row_blocks * column_blocks
        first, last = e.my_share(units * parts)
        with e.loop(last, start=first, name="unit") as unit:
            part, u = unit.index // units, unit.index % units
            x0, u = u % column_blocks * columns, u // column_blocks
            y0, plane = u % row_blocks * rows, u // row_blocks
            x1, y1 = (x0 + columns).minimum(ow), (y0 + rows).minimum(oh)
            x_base = x0.minimum(ow - t.pixels)  # where the ragged tile of a narrow last block begins
            base, row_stride = source.block(plane // od, plane % od, y0, y1, x_base, x1)
            with e.loop(blocks * (part + 1) // parts, start=blocks * part // parts, name="block") as block:
                group, c = block.index // group_blocks, block.index % group_blocks * width
                src_group, w_block = e.at(base, group * group_ic), e.at(weights, block.index * depth * width)
                following = e.at(w_block, depth * width)
                with e.loop(y1, start=y0, carry=[following], name="row") as row:
                    line = (plane * oh + row.index) * ow
                    src_row = e.at(src_group, (row.index - y0) * row_stride)
                    with e.loop(x1, start=x0, step=t.pixels, carry=row.values, name="tile") as x:
                        at = x.index.minimum(ow - t.pixels)
                        src = e.at(src_row, (at - x_base) * pixel)
                        if not self.spread:
                            fetch_operands(e, t, operands, line + at, oc, group * group_oc + c)
                        acc, far = _taps(e, t, src, pixel, w_block, runs, run, Ahead(self.lines, x.values[0], step_ahead))
                        channel, channels = group * group_oc + c, group_oc - c
                        if self.spread:
                            image, deep, down, step = (e.index(a) for a in SPREAD)
                            start = plane // od * image + plane % od * deep + row.index * down
                            store_tile(e, t, acc, operands, dst, at, step, channel, channels, start)
                        else:
                            store_tile(e, t, acc, operands, dst, line + at, oc, channel, channels)
                        x.carry([far])
                    row.carry(x.results)


_ARGUMENTS = (
    "dst src weights "
    "n od oh ow oc ic id ih iw "  # ic: values from one pixel of src to the next
    "stride_d stride_h stride_w "  # of the convolution, in pixels
    "taps0 tap0 taps1 tap1 taps2 tap2 "  # three nested loops over taps: how many, and values from one to the next, where the tile reads
    "run pixel "  # contiguous values per tap; values from one output pixel's input to the next's, where the tile reads
    "rows columns parts "  # output rows and columns (a multiple of the tile) in a block, parts of the output channels
    "ahead "  # values of weights to fetch in each step of depth; see `lines`
    "group_ic group_oc group_blocks blocks"  # channels in a group, blocks of output channels in a group and in all
).split()
_SCRATCH = "scratch scratch_stride pad_d pad_h pad_w kd kh kw dilation_d dilation_h dilation_w pitch row_stride plane_stride".split()

SPREAD = ("spread_image", "spread_plane", "spread_row", "spread_pixel")


def _taps(
    e: Emitter, tile: Tile, src: Value, pixel: Index, weights: Value, loops: list[tuple[Index, Index]], run: Index, ahead: Ahead
) -> tuple[list[Value], Value]:
    """The accumulators of one tile: three loops over taps around the contiguous run; and the address up to which was fetched."""
    (n0, s0), (n1, s1), (n2, s2) = loops
    width = tile.vectors * e.lanes
    with e.loop(n0, carry=[*zeros(e, tile), ahead.at, src, weights], name="tap0", at_least_once=True) as t0:
        *acc0, src0, w0 = t0.values
        with e.loop(n1, carry=[*acc0, src0, w0], name="tap1", at_least_once=True) as t1:
            *acc1, src1, w1 = t1.values
            with e.loop(n2, carry=[*acc1, src1, w1], name="tap2", at_least_once=True) as t2:
                *acc2, far, src2, w2 = t2.values
                acc = accumulate(e, tile, acc2, src2, pixel, w2, run, replace(ahead, at=far) if ahead.lines else None)
                t2.carry([*acc, *([] if ahead.lines else [far]), e.at(src2, s2), e.at(w2, run * width)])
            *acc1, _, w1 = t2.results
            t1.carry([*acc1, e.at(src1, s1), w1])
        *acc0, _, w0 = t1.results
        t0.carry([*acc0, e.at(src0, s0), w0])
    return list(t0.results[:-3]), t0.results[-3]


class _InPlace:
    """The tile reads the input where it lies."""

    def __init__(self, e: Emitter) -> None:
        self.e, self.src = e, e.pointer("src")
        self.extents = e.index("id"), e.index("ih"), e.index("iw"), e.index("ic")
        self.strides = e.index("stride_d"), e.index("stride_h"), e.index("stride_w")

    def block(self, n: Index, d: Index, y0: Index, y1: Index, x0: Index, x1: Index) -> tuple[Value, Index]:
        """The address of the input of output (n, d, y0, x0), and the values from there to the next output row's."""
        (depth, height, width, ic), (sd, sh, sw) = self.extents, self.strides
        pixels = ((n * depth + d * sd) * height + y0 * sh) * width + x0 * sw
        return self.e.at(self.src, pixels * ic), sh * width * ic


class _Copied:
    """The tile reads a copy in scratch: `kd` planes of the rows that the block reads, from the first pixel of its first column."""

    def __init__(self, e: Emitter) -> None:
        self.e, self.src = e, e.pointer("src")
        self.extents = e.index("id"), e.index("ih"), e.index("iw"), e.index("ic")
        self.strides = e.index("stride_d"), e.index("stride_h"), e.index("stride_w")
        self.pads = e.index("pad_d"), e.index("pad_h"), e.index("pad_w")
        self.kernel = e.index("kd"), e.index("kh"), e.index("kw")
        self.dilation = e.index("dilation_d"), e.index("dilation_h"), e.index("dilation_w")
        self.pitch, self.row_stride, self.plane_stride = e.index("pitch"), e.index("row_stride"), e.index("plane_stride")
        self.scratch = e.b.gep(e.pointer("scratch"), [(e.thread * e.index("scratch_stride")).ir], source_etype=I8)

    def block(self, n: Index, d: Index, y0: Index, y1: Index, x0: Index, x1: Index) -> tuple[Value, Index]:
        e = self.e
        (depth, height, width, ic), (sd, sh, sw) = self.extents, self.strides
        (pd, ph, pw), (kd, kh, kw), (dd, dh, dw) = self.pads, self.kernel, self.dilation
        first_row, row_count = y0 * sh - ph, (y1 - y0 - 1) * sh + (kh - 1) * dh + 1
        first_pixel, pixel_count = x0 * sw - pw, (x1 - x0 - 1) * sw + (kw - 1) * dw + 1
        with e.loop(kd, name="plane") as z, e.loop(row_count, name="input_row") as r:
            iz, iy = d * sd - pd + z.index * dd, first_row + r.index
            line = (n * depth + iz) * height + iy
            copy_row(
                e,
                e.at(self.scratch, z.index * self.plane_stride + r.index * self.row_stride),
                e.at(self.src, line * width * ic),
                first_pixel,
                pixel_count,
                width,
                ic,
                self.pitch,
                (iz >= 0, iz < depth, iy >= 0, iy < height),
            )
        return self.scratch, sh * self.row_stride
