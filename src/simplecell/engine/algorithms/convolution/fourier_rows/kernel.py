"""Convolution with large kernels: Fourier transforms along the columns, direct sums along the rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import llvmlite.ir as ir

from simplecell.engine.algorithms.convolution.fourier_levels import FourierLevels, RowLevels
from simplecell.engine.algorithms.convolution.fourier_rows.schedule import FourierRowsSchedule
from simplecell.engine.algorithms.convolution.outliers import energy_after, too_large, total
from simplecell.engine.algorithms.convolution.rows import copy_row
from simplecell.engine.code.emit import I8, I32, I64, PTR, Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.fourier import ColumnTransforms
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.planar_store import PlanarStore


@dataclass(frozen=True)
class ConvolutionFourierRows(Kernel):
    """dst[n, h, w, oc] = epilogue(Σ over taps and ic of src · weights), stride 1, few channels, in blocks that overlap
    (overlap-save).

    A block is `size` = Π radices input rows, some columns wide, and gives `step` output rows. Its columns are
    transformed: then a kernel of kh × kw taps takes, for each frequency, one complex sum of kw taps along the row,
    where direct sums take kh · kw real ones. Vectors lie along rows from the first pass to the last, and nothing is
    ever transposed. Two blocks of an image at a time are the real and the imaginary part of one: weights are real, so
    that the parts do not mix but for rounding. (The error is a share of the largest values of both; a NaN reaches all
    of both.)

    1. The inputs of both blocks → scratch `[ic][row][part][column]`, with zeros outside the picture.
    2. All passes but the last, column by column; a column's vectors stay in L1.
    3. For each run of rows that the last pass splits: that pass, the sums along the row, the first pass back; all three
       in L1.
    4. The other passes back, column by column.
    5. The rows that do not wrap around → dst; and in `apart`, a byte for each vector of outputs of a row, whether they
       are to be summed directly, since there is an outlier (see fourier_levels.py).

    A signal is an array of rows too: row r begins at `across` · r, and the taps of its kernel fill rows of `across` (=
    kw) as well.
    """

    radices: tuple[int, ...]
    vectors: int
    """of neighbouring columns in a tile of sums"""
    together: int
    """output channels in a tile of sums: they share inputs"""
    channels: int
    """oc, a multiple of `together`"""
    single: bool = True
    """one input channel"""
    groups: int = 1
    """Taps along a row are added in groups a vector apart, which share their unaligned inputs: kw is a multiple of
    groups · lanes, and dilation 1."""
    epilogue: Epilogue = NO_EPILOGUE
    local: bool = False
    """Outputs are also summed directly where they are quiet beside the others of their columns."""

    outputs = ("dst", "apart")

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *(RowLevels.names() if self.local else ()), *self.epilogue.arguments)

    @property
    def size(self) -> int:
        return prod(self.radices)

    @property
    def name(self) -> str:
        shape = f"{'x'.join(map(str, self.radices))}_{self.vectors}v_{self.channels}c{self.together}"
        groups = f"{self.groups}g" if self.groups > 1 else ""
        options = (shape, groups, "single" * self.single, "local" * self.local, self.epilogue.name)
        return kernel_name("convolution_forward", "fourier_rows", "float32", *options)

    def emit(self, e: Emitter) -> None:
        _FourierRows(e, self).emit()


_ADDRESSES = ("dst", "src", "weights", "twiddles", "apart", "scratch", "scratch_stride")
_ARGUMENTS = (*_ADDRESSES, *FourierRowsSchedule.names())


class _FourierRows:
    def __init__(self, e: Emitter, kernel: ConvolutionFourierRows) -> None:
        self.e, self.k = e, kernel
        self.run = kernel.radices[-1]
        self.src, self.weights = e.pointer("src"), e.pointer("weights")
        self.out = PlanarStore(e, kernel.channels, kernel.epilogue)
        self.n, self.ih, self.iw, self.oh, self.ow = (e.index(a) for a in ("n", "ih", "iw", "oh", "ow"))
        self.ic = e.const(1) if kernel.single else e.index("ic")
        self.pad_h, self.pad_w, self.down, self.across = (e.index(a) for a in ("pad_h", "pad_w", "down", "across"))
        self.rows, self.step, self.columns = (e.index(a) for a in ("rows", "step", "columns"))
        self.kw, self.dilation, self.reach, self.pitch = (e.index(a) for a in ("kw", "dilation_w", "reach", "pitch"))
        self.row = self.pitch * 2
        self.plane = self.row * kernel.size
        self.transforms = ColumnTransforms(e, kernel.radices, e.pointer("twiddles"), self.row, self.pitch)
        self.scratch = e.scratch()
        self.sums_in, self.sums_out = (e.at(self.scratch, e.index(a)) for a in ("sums_in", "sums_out"))
        self.apart, self.cells = e.pointer("apart"), e.index("cells")
        self.row_blocks = (self.rows + (self.step - 1)) // self.step
        self.column_blocks = (
            self.ow.minimum(e.select(self.across > 0, self.across, self.ow)) + (self.columns - 1)
        ) // self.columns
        self.blocks = self.row_blocks * self.column_blocks  # of one image

    def emit(self) -> None:
        e, k = self.e, self.k
        levels = FourierLevels(e, self.scratch, k.size, self) if k.local else None
        pairs = (self.blocks + 1) // 2
        first, last = e.my_share(self.n * pairs)
        with e.loop(last, start=first, name="unit") as unit:
            image, block = unit.index // pairs, unit.index % pairs * 2
            with e.loop(2, name="part") as part:
                self._copy(image, block + part.index, part.index)
            if levels is not None:
                levels.measure()
            with e.loop(self.ic, name="plane") as plane, e.loop(self.reach, step=e.lanes, name="column") as x:
                self.transforms.forward(e.at(self.scratch, plane.index * self.plane + x.index))
            with e.loop(k.size // self.run, name="run") as r:
                self._frequencies(r.index * self.run)
            with e.loop(k.channels, name="plane") as plane, e.loop(self.columns, step=e.lanes, name="column") as x:
                self.transforms.back(e.at(self.scratch, plane.index * self.plane + x.index))
            with e.loop(self.columns, step=e.lanes, name="column") as x:
                self._mark(image, block, x.index, levels)
            with e.loop(2, name="part") as part:
                self._store(image, block + part.index, part.index)

    def _mark(self, image: Index, block: Index, x: Index, levels: FourierLevels | None) -> None:
        """Which outputs of both blocks, in the vector of columns that begins at x, are to be summed directly?

        A value that is not finite, or so large that sums overflow, spoils whole columns of both blocks: their first
        rows tell.
        """
        e = self.e
        with e.loop(self.k.channels, carry=[e.zero()], name="plane") as plane:
            values = [e.load(self.scratch, plane.index * self.plane + self.pitch * part + x) for part in range(2)]
            plane.carry([energy_after(e, plane.values[0], values)])
        fits = e.b.not_(too_large(e, total(e, plane.results[0])))
        loud = levels.loud(x) if levels is not None else None
        with e.loop(2, name="part") as part:
            y0, x0 = self._place(block + part.index)
            count = e.select(block + part.index < self.blocks, self.step.minimum(self.rows - y0), 0)
            count = e.select(x0 + x < self.cells * e.lanes, count, 0)
            with e.loop(count, step=1 if levels is None else levels.group, name="row") as r:
                good = fits
                if levels is not None:
                    good = e.b.and_(good, e.b.not_(levels.quiet(part.index, r.index, x, loud)))
                mark = e.b.zext(e.b.not_(good), I8)
                with e.loop(1 if levels is None else (count - r.index).minimum(levels.group), name="mark") as i:
                    row = image * self.rows + y0 + r.index + i.index
                    e.store(mark, self.apart, row * self.cells + (x0 + x) // e.lanes)

    def _place(self, block: Index) -> tuple[Index, Index]:
        """First row and first column of a block's outputs."""
        return block // self.column_blocks * self.step, block % self.column_blocks * self.columns

    # --- 1 and 5: between pictures and scratch ---------------------------------------------------------------------

    def _copy(self, image: Index, block: Index, part: Index) -> None:
        e = self.e
        y0, x0 = self._place(block)
        with e.loop(self.k.size, name="input_row") as r, e.loop(self.ic, name="channel") as c:
            row = y0 + r.index
            y = row * self.down - self.pad_h
            x = x0 + row * self.across - self.pad_w
            source = e.at(self.src, (image * self.ih + y) * self.iw * self.ic + c.index)
            target = e.at(self.scratch, c.index * self.plane + r.index * self.row + part * self.pitch)
            inside = (block < self.blocks, y >= 0, y < self.ih)
            if self.k.single:
                copy_row(e, target, source, x, self.reach, self.iw, self.ic, self.ic, inside)
            else:
                self._gather_row(target, source, x, inside)

    def _gather_row(self, target: Value, source: Value, x: Index, inside: tuple[Value, ...]) -> None:
        """One channel of a row of pixels; zeros outside the picture."""
        e, b = self.e, self.e.b
        wide = ir.VectorType(I64, e.lanes)
        within = inside[0]
        for c in inside[1:]:
            within = b.and_(within, c)
        width = e.splat(e.select(within, self.iw, 0).ir)
        pointers = ir.VectorType(PTR, e.lanes)
        gather = e.intrinsic(
            f"llvm.masked.gather.v{e.lanes}f32.v{e.lanes}p0",
            e.vector(),
            [pointers, I32, ir.VectorType(ir.IntType(1), e.lanes), e.vector()],
        )
        start, step = e.splat(b.ptrtoint(source, I64)), e.splat((self.ic * 4).ir)
        with e.loop(self.reach, step=e.lanes, name="vector") as v:
            at = b.add(e.splat((x + v.index).ir), ir.Constant(wide, list(range(e.lanes))))
            mask = b.icmp_unsigned("<", at, width)  # negative columns are large
            addresses = b.inttoptr(b.add(b.mul(at, step), start), pointers)
            e.store(b.call(gather, [addresses, ir.Constant(I32, 4), mask, e.zero()]), target, v.index)

    def _store(self, image: Index, block: Index, part: Index) -> None:
        e, channels = self.e, self.k.channels
        y0, x0 = self._place(block)
        count = e.select(block < self.blocks, self.step.minimum(self.rows - y0), 0)
        with e.loop(count, name="row") as r:
            row = y0 + r.index
            x = x0 + row * self.across
            left = self.columns.minimum(self.ow - x)
            start = ((image * self.oh + row * self.down) * self.ow + x) * channels
            line = e.at(self.scratch, r.index * self.row + part * self.pitch)
            with e.loop(left, step=e.lanes, name="vector") as v:
                planes = [e.load(line, self.plane * c + v.index) for c in range(channels)]
                self.out.store(planes, start + v.index * channels, (left - v.index) * channels)

    # --- 3: frequencies --------------------------------------------------------------------------------------------

    def _frequencies(self, first: Index) -> None:
        """The last pass over one run of rows, the sums along them, the first pass back."""
        e, k, run = self.e, self.k, self.run
        rows = e.at(self.scratch, first * self.row)
        with e.loop(self.ic, name="channel") as c, e.loop(self.reach, step=e.lanes, name="column") as x:
            target = e.at(self.sums_in, c.index * run * self.row + x.index)
            self.transforms.across(e.at(rows, c.index * self.plane + x.index), target, -1)
        with e.loop(k.channels, step=k.together, name="channels") as c:
            with e.loop(run, name="row") as q, e.loop(self.columns, step=k.vectors * e.lanes, name="tile") as x:
                self._sums(first + q.index, q.index * self.row + x.index, c.index)
            with e.loop(self.columns, step=e.lanes, name="column") as x:
                for i in range(k.together):
                    source = e.at(self.sums_out, self.row * run * i + x.index)
                    self.transforms.across(source, e.at(rows, (c.index + i) * self.plane + x.index), 1)

    def _sums(self, frequency: Index, at: Index, channel: Index) -> None:
        """One tile: sums over input channels and taps along the row, for `together` output channels from `channel`
        on."""
        e, k = self.e, self.k
        tap_step = self.ic * k.channels
        weights = e.at(self.weights, frequency * self.kw * tap_step * 2 + channel)
        carry: list[Value] = [e.zero()] * (2 * k.together * k.vectors)
        with e.loop(self.ic, carry=carry, name="ic", at_least_once=True) as ic:
            line = e.at(self.sums_in, ic.index * self.run * self.row + at)
            w = e.at(weights, ic.index * k.channels)
            if k.groups == 1:
                acc = self._taps(ic.values, line, w, self.kw)
            else:
                with e.loop(
                    self.kw, step=k.groups * e.lanes, carry=ic.values, name="group", at_least_once=True
                ) as group:
                    group.carry(
                        self._taps(
                            group.values, e.at(line, group.index), e.at(w, group.index * tap_step), e.const(e.lanes)
                        )
                    )
                acc = group.results
            ic.carry(acc)
        for c in range(k.together):
            for v in range(k.vectors):
                i = 2 * (c * k.vectors + v)
                target = e.at(self.sums_out, self.row * self.run * c + at + v * e.lanes)
                e.store(ic.results[i], target)
                e.store(ic.results[i + 1], target, self.pitch)

    def _taps(self, acc: list[Value], line: Value, weights: Value, count: Index) -> list[Value]:
        """The sums after `count` taps of each of the groups, which are a vector apart: a vector of inputs meets one tap
        of each group."""
        e, k = self.e, self.k
        tap_step = self.ic * k.channels
        imaginary = self.kw * tap_step
        with e.loop(count, carry=[*acc, line, weights], name="tap", at_least_once=True) as tap:
            *acc, line, w = tap.values
            factors = []
            for g in range(k.groups):
                at = e.at(w, tap_step * (g * e.lanes))
                factors.append([(e.broadcast(at, c), e.broadcast(e.at(at, imaginary), c)) for c in range(k.together)])
            for part, row in enumerate(
                (line, e.at(line, self.pitch))
            ):  # first all of one part: sums follow upon each other at a distance
                for j in range(k.vectors + k.groups - 1):
                    x = e.load(row, j * e.lanes)
                    for g in range(max(0, j - k.vectors + 1), min(k.groups, j + 1)):
                        for c, (wr, wi) in enumerate(factors[g]):
                            i = 2 * (c * k.vectors + j - g)
                            real, other = (wr, wi) if part == 0 else (e.b.fneg(wi), wr)
                            acc[i], acc[i + 1] = e.fma(x, real, acc[i]), e.fma(x, other, acc[i + 1])
            tap.carry([*acc, e.at(line, self.dilation), e.at(w, tap_step)])
        return list(tap.results[:-2])
