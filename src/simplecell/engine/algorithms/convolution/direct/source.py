"""Where the tiles of a direct convolution read a block's input: in place, or a copy with a halo of zeros."""

from __future__ import annotations

from simplecell.engine.algorithms.convolution.rows import copy_row
from simplecell.engine.code.emit import Emitter, Index, Value


class InPlace:
    """The tile reads the input where it lies."""

    scratch: Value = None

    def __init__(self, e: Emitter) -> None:
        self.e, self.src = e, e.pointer("src")
        self.extents = e.index("id"), e.index("ih"), e.index("iw"), e.index("ic")
        self.strides = e.index("stride_d"), e.index("stride_h"), e.index("stride_w")

    def block(self, n: Index, d: Index, y0: Index, y1: Index, x0: Index, x1: Index) -> tuple[Value, Index]:
        """The address of the input of output (n, d, y0, x0), and the values from there to the next output row's."""
        (depth, height, width, ic), (sd, sh, sw) = self.extents, self.strides
        pixels = ((n * depth + d * sd) * height + y0 * sh) * width + x0 * sw
        return self.e.at(self.src, pixels * ic), sh * width * ic


class Copied:
    """The tile reads a copy in scratch: `kd` planes of the rows that the block reads, from the first pixel of its first
    column."""

    def __init__(self, e: Emitter) -> None:
        self.e, self.src = e, e.pointer("src")
        self.extents = e.index("id"), e.index("ih"), e.index("iw"), e.index("ic")
        self.strides = e.index("stride_d"), e.index("stride_h"), e.index("stride_w")
        self.pads = e.index("pad_d"), e.index("pad_h"), e.index("pad_w")
        self.kernel = e.index("kd"), e.index("kh"), e.index("kw")
        self.dilation = e.index("dilation_d"), e.index("dilation_h"), e.index("dilation_w")
        self.pitch, self.row_stride, self.plane_stride = (
            e.index("pitch"),
            e.index("row_stride"),
            e.index("plane_stride"),
        )
        self.scratch = e.scratch()

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
