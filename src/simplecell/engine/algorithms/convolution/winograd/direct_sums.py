"""The patches of a Winograd convolution that hold an outlier (see outliers.py), summed directly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simplecell.engine.algorithms.convolution.outliers import larger
from simplecell.engine.algorithms.convolution.pool_stage import Pool, pooled
from simplecell.engine.algorithms.convolution.rows import copy_row
from simplecell.engine.algorithms.convolution.winograd.schedule import Patches
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.emit import I8, Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile_store import Operands

NOTHING = 2.0**-20
"""A tap recovered as less than this share of its kernel's largest is zero: what is left of it is rounding. It matters
to infinities alone, which a zero makes NaN."""


@dataclass(frozen=True)
class WinogradDirect(Kernel):
    """dst = epilogue(Σ over taps and ic of src · weights) for the patches that are marked in `apart`, windows pooled if
    there is a `pool`.

    The taps are recovered from the transformed weights, a vector of output channels at a time (to some 2⁻²² of the
    largest tap of a kernel), so that nobody has to keep the weights as they were.
    """

    transform: Transform
    axes: str = "hw"
    epilogue: Epilogue = NO_EPILOGUE
    pool: Pool | None = None

    if_marked = ("apart", "marks")

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        addresses = ("dst", "src", "weights", "apart", "marks", "scratch", "scratch_stride")
        return (*addresses, *Patches.names(), "width", *self.epilogue.arguments)

    @property
    def name(self) -> str:
        size, pool = f"{self.axes}_{self.transform}", self.pool.name if self.pool is not None else ""
        return kernel_name("convolution_outliers", "winograd", "float32", size, self.epilogue.name, pool)

    def emit(self, e: Emitter) -> None:
        _Direct(e, self).emit()


class _Direct:
    def __init__(self, e: Emitter, kernel: WinogradDirect) -> None:
        self.e, self.k, self.t = e, kernel, kernel.transform
        self.dst, self.src, self.weights = e.pointer("dst"), e.pointer("src"), e.pointer("weights")
        self.id, self.ih, self.iw, self.ic = (e.index(a) for a in ("id", "ih", "iw", "ic"))
        self.od, self.oh, self.ow, self.oc = (e.index(a) for a in ("od", "oh", "ow", "oc"))
        self.patches_h, self.patches_w = e.index("patches_h"), e.index("patches_w")
        self.dst_pixel = e.index("dst_pixel")
        self.slices, self.width, self.chunk_blocks = (e.index(a) for a in ("slices", "width", "chunk_blocks"))
        self.pads = [e.index(f"pad_{axis}") for axis in "dhw"]
        self.shifts = [e.index(f"shift_{axis}") for axis in "dhw"]
        self.scratch = e.scratch()
        t = self.t
        self.rows, self.out_rows = (t.points, t.outputs) if "h" in kernel.axes else (1, 1)
        self.columns, self.out_columns = (t.points, t.outputs) if "w" in kernel.axes else (1, 1)
        self.operands = Operands.of(e, kernel.epilogue)
        self.sums = e.stack(self.out_rows * self.out_columns * e.lanes)

    def emit(self) -> None:
        e = self.e
        apart = e.pointer("apart")
        first, last = e.my_share(e.index("n") * self.od * self.patches_h * self.patches_w)
        with e.loop(last, start=first, name="patch") as patch:
            marked = e.b.icmp_unsigned("!=", e.load(apart, patch.index, lanes=1, element=I8), I8(0))
            with e.when(marked):
                column, rest = patch.index % self.patches_w, patch.index // self.patches_w
                plane = rest // self.patches_h
                self._patch(plane, rest % self.patches_h * self.out_rows, column * self.out_columns)

    def _patch(self, plane: Index, y: Index, x: Index) -> None:
        """All output channels of the patch whose first output lies at row y and column x of a plane (of all images)."""
        e = self.e
        self._copy(plane, y, x)
        blocks = e.index("chunks") * self.chunk_blocks
        with e.loop(blocks, name="block") as block:
            left = (self.oc - block.index * self.width).minimum(self.width)
            with e.loop(left, step=e.lanes, name="channel") as v:
                self._sum(block.index, v.index)
                self._store(plane, y, x, block.index * self.width + v.index)

    def _copy(self, plane: Index, y: Index, x: Index) -> None:
        """The patch's inputs → scratch `[slice][row][column][ic]`, with zeros where they lie outside the picture."""
        e = self.e
        with e.loop(self.slices, name="slice") as d, e.loop(self.rows, name="row") as r:
            iz, iy, ix = (
                at - pad + d.index * shift
                for at, pad, shift in zip((plane % self.od, y + r.index, x), self.pads, self.shifts)
            )
            line = (plane // self.od * self.id + iz) * self.ih + iy
            to = e.at(self.scratch, (d.index * self.rows + r.index) * self.columns * self.ic)
            inside = (iz >= 0, iz < self.id, iy >= 0, iy < self.ih)
            from_ = e.at(self.src, line * self.iw * self.ic)
            copy_row(e, to, from_, ix, e.const(self.columns), self.iw, self.ic, self.ic, inside)

    def _sum(self, block: Index, channel: Index) -> None:
        """The sums of one vector of output channels, `channel` of a block, in `sums`."""
        e, taps = self.e, self.t.taps
        down, along = (taps if size > 1 else 1 for size in (self.rows, self.columns))
        depth = self.slices * self.ic
        point = self.chunk_blocks * depth * self.width
        chunk = block // self.chunk_blocks * point * (self.rows * self.columns)
        weights = e.at(self.weights, chunk + block % self.chunk_blocks * depth * self.width + channel)
        for i in range(self.out_rows * self.out_columns):
            e.store(e.zero(), self.sums, i * e.lanes)
        with e.loop(self.slices, name="slice") as d, e.loop(self.ic, name="ic") as c:
            w = self._taps(e.at(weights, (d.index * self.ic + c.index) * self.width), point)
            inputs = e.at(self.scratch, d.index * (self.rows * self.columns) * self.ic + c.index)
            with e.loop(self.out_rows, name="out_row") as y:
                to = e.at(self.sums, y.index * self.out_columns * e.lanes)
                acc = [e.load(to, x * e.lanes) for x in range(self.out_columns)]
                for r in range(down):
                    line = e.at(inputs, (y.index + r) * self.columns * self.ic)
                    for s in range(self.columns):
                        value = e.broadcast(line, self.ic * s)
                        for x in range(max(0, s - along + 1), min(self.out_columns, s + 1)):
                            acc[x] = e.fma(value, w[r][s - x], acc[x])
                for x, value in enumerate(acc):
                    e.store(value, to, x * e.lanes)

    def _taps(self, weights: Value, point: Index) -> list[list[Value]]:
        """The taps, rows of them, from the weights at the points, which lie `point` values apart."""
        e = self.e
        u = [[e.load(weights, point * (r * self.columns + s)) for s in range(self.columns)] for r in range(self.rows)]
        if self.columns > 1:
            u = [self._recovered(row) for row in u]
        if self.rows > 1:
            u = [list(row) for row in zip(*(self._recovered(list(column)) for column in zip(*u)))]
        size = [[e.unary("fabs", w) for w in row] for row in u]
        largest = size[0][0]
        for value in (v for row in size for v in row):
            largest = larger(e, largest, value)
        least = e.fmul(largest, e.number(NOTHING))
        return [
            [e.b.select(e.b.fcmp_ordered("<", a, least), e.zero(), w) for a, w in zip(sizes, row)]
            for sizes, row in zip(size, u)
        ]

    def _recovered(self, values: list[Value]) -> list[Value]:
        """The taps of one dimension. At a pair ±p, sums hold even taps alone and differences odd ones alone."""
        e, pairs = self.e, range(len(self.t.pairs))
        plus = [e.fadd(values[1 + 2 * i], values[2 + 2 * i]) for i in pairs]
        minus = [e.fsub(values[1 + 2 * i], values[2 + 2 * i]) for i in pairs]
        found = []
        for k, row in enumerate(recovery(self.t)):
            result = None
            for factor, value in zip(row, (minus if k % 2 else [values[0], *plus, values[-1]])):
                if factor:
                    term = e.number(factor)
                    result = e.fmul(value, term) if result is None else e.fma(value, term, result)
            found.append(result)
        return found

    def _store(self, plane: Index, y: Index, x: Index, channel: Index) -> None:
        """The outputs of one vector of channels that lie inside the picture, or the windows that do."""
        e, pool = self.e, self.k.pool
        ph, pw = pool.size[1:] if pool is not None else (1, 1)
        stored_h, stored_w = self.oh // ph, self.ow // pw
        operand_pixel = self.dst_pixel if pool is None else self.oc
        pixel = ((plane * self.oh + y) * self.ow + x) * operand_pixel
        stored = ((plane * stored_h + y // ph) * stored_w + x // pw) * self.dst_pixel + channel
        rows = (stored_h - y // ph).minimum(self.out_rows // ph)
        columns = (stored_w - x // pw).minimum(self.out_columns // pw)
        mask = e.mask(self.oc - channel)
        with e.loop(rows, name="row") as r, e.loop(columns, name="column") as s:

            def finished(i: int, j: int) -> Value:
                yy, xx = r.index * ph + i, s.index * pw + j
                value = e.load(self.sums, (yy * self.out_columns + xx) * e.lanes)
                return self.operands.apply(e, value, pixel + (self.ow * yy + xx) * operand_pixel, channel, mask)

            window = [[finished(i, j) for j in range(pw)] for i in range(ph)]
            value = window[0][0] if pool is None else pooled(e, pool.function, window)
            e.store(value, self.dst, stored + (stored_w * r.index + s.index) * self.dst_pixel, mask=mask)


def recovery(t: Transform) -> list[list[float]]:
    """By tap, the factors that recover it from the weights at the points: for an even tap those of point 0, of the
    sums of the pairs, of infinity; for an odd tap those of the differences of the pairs.

    Of all such factors, the smallest: the pseudo-inverse of the transform of even taps, and of odd ones. (The last tap,
    infinity's, is an even one: all kernels that there are transforms for have an odd number of taps.)
    """
    g, pairs = t.weights_matrix(), range(len(t.pairs))
    sums = np.stack([g[0], *(g[1 + 2 * i] + g[2 + 2 * i] for i in pairs), g[-1]])
    differences = np.stack([g[1 + 2 * i] - g[2 + 2 * i] for i in pairs])
    rows: dict[int, list[float]] = {}
    for first, matrix in ((0, sums), (1, differences)):
        inverse = np.linalg.pinv(matrix[:, first::2])
        inverse[np.abs(inverse) < 1e-9 * np.abs(inverse).max()] = 0.0
        rows |= {first + 2 * i: [float(x) for x in row] for i, row in enumerate(inverse)}
    return [rows[k] for k in range(t.taps)]
