"""What the kernel of convolution on a matrix unit is given, loaded once, and the blocks of outputs that follow."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.code.emit import I8, Emitter, Index, Value
from simplecell.engine.code.matrix_unit import DEPTH


@dataclass(frozen=True)
class Area:
    """A block of outputs: its plane (of all images), first row and column, and extents."""

    plane: Index
    y0: Index
    x0: Index
    height: Index
    width: Index


class Layout:
    """The arguments, under the schedule's names, and where inputs and sums lie in scratch."""

    def __init__(self, e: Emitter, merged: bool) -> None:
        self.e = e
        self.dst, self.src, self.weights = e.pointer("dst"), e.pointer("src"), e.pointer("weights")
        self.od, self.oh, self.ow, self.oc, self.channels = (e.index(a) for a in ("od", "oh", "ow", "oc", "channels"))
        self.id, self.ih, self.iw, self.ic = (e.index(a) for a in ("id", "ih", "iw", "ic"))
        self.strides = [e.index(f"stride_{a}") for a in "dhw"]
        self.pads = [e.index(f"pad_{a}") for a in "dhw"]
        self.phases_h, self.phases_w, self.taps = e.index("phases_h"), e.index("phases_w"), e.index("taps")
        self.across, self.pitch, self.phase = e.index("across"), e.index("pitch"), e.index("phase")
        self.plane, self.part = e.index("plane"), e.index("part")
        self.tile_rows, self.per_row, self.ahead = e.index("tile_rows"), e.index("per_row"), e.index("ahead")
        self.rows, self.columns = e.index("rows"), e.index("columns")
        self.row_blocks, self.column_blocks = (
            (self.oh + self.rows - 1) // self.rows,
            (self.ow + self.columns - 1) // self.columns,
        )
        self.deep = e.const(1) if merged else (self.ic + DEPTH - 1) // DEPTH
        self.scratch = e.scratch()
        self.sums, self.places = (e.at(self.scratch, e.index(a), I8) for a in ("sums", "places"))

    def area(self, unit: Index) -> Area:
        x0, rest = unit % self.column_blocks * self.columns, unit // self.column_blocks
        y0, plane = rest % self.row_blocks * self.rows, rest // self.row_blocks
        return Area(plane, y0, x0, (self.oh - y0).minimum(self.rows), (self.ow - x0).minimum(self.columns))

    def first_input(self, area: Area) -> Value:
        """About where the inputs of a block begin that the block before has not read."""
        d, image = area.plane % self.od * self.strides[0], area.plane // self.od
        row = (image * self.id + d) * self.ih + area.y0 * self.strides[1]
        return self.e.at(self.src, (row * self.iw + area.x0 * self.strides[2]) * self.ic)
