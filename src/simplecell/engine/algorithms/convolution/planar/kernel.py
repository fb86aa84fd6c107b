"""Convolution to few channels, vectorised over pixels: image filters, whose one or three output channels would leave
most lanes empty."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.convolution.planar.schedule import PlanarSchedule
from simplecell.engine.algorithms.convolution.rows import copy_row, zero_run
from simplecell.engine.code.emit import I8, I32, Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.planar_store import PlanarStore


@dataclass(frozen=True)
class ConvolutionPlanar(Kernel):
    """dst[n, d, h, w, oc] = epilogue(Σ over taps and ic of src · weights), stride 1, for `channels` = oc up to some
    eight.

    A tile is `vectors` vectors of neighbouring pixels of `rows` neighbouring rows, all channels of them: a vector of
    inputs, loaded once, meets the weights of every row and channel. Rows share inputs: weights are packed (see
    PlanarWeights) with zeros for the rows that a row of inputs does not reach; there the inputs are taken as zeros,
    too, lest a zero meet a NaN.

    `single` (one input channel): tiles that lie well inside read src in place. Tiles at the border, and all others,
    read a copy in scratch, one plane per input channel, with the halo of zeros. The channels of a pixel are shuffled
    together before the epilogue and the store.
    """

    vectors: int
    rows: int
    channels: int
    single: bool = True
    epilogue: Epilogue = NO_EPILOGUE
    marked: bool = False
    """Only the tiles that are marked in `apart` (see outliers.py): a byte for each, `cells` for a row. One row, one
    vector."""

    @property
    def if_marked(self) -> tuple[str, str] | None:  # type: ignore[override]
        return ("apart", "marks") if self.marked else None

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *(("apart", "marks", "cells") if self.marked else ()), *self.epilogue.arguments)

    @property
    def name(self) -> str:
        shape = f"{self.vectors}v_{self.rows}r_{self.channels}c"
        options = (shape, "single" * self.single, "marked" * self.marked, self.epilogue.name)
        return kernel_name("convolution_forward", "planar", "float32", *options)

    def emit(self, e: Emitter) -> None:
        _Planar(e, self).emit()


_ARGUMENTS = ("dst", "src", "weights", "scratch", "scratch_stride", *PlanarSchedule.names())


class _Planar:
    def __init__(self, e: Emitter, kernel: ConvolutionPlanar) -> None:
        self.e, self.k = e, kernel
        self.width = kernel.vectors * e.lanes
        self.src, self.weights = e.pointer("src"), e.pointer("weights")
        self.out = PlanarStore(e, kernel.channels, kernel.epilogue)
        self.scratch = e.scratch()
        self.id, self.ih, self.iw, self.ic, self.od, self.oh, self.ow = (
            e.index(a) for a in "id ih iw ic od oh ow".split()
        )
        self.kernel = [e.index(a) for a in ("kd", "kh", "kw")]
        self.dilation = [e.index(f"dilation_{a}") for a in "dhw"]
        self.pad = [e.index(f"pad_{a}") for a in "dhw"]
        self.segment = e.index("segment")
        self.read_rows = self.kernel[1] + (kernel.rows - 1)  # rows of inputs, `dilation` apart
        self.reach = (self.kernel[2] - 1) * self.dilation[2] + self.width

    def emit(self) -> None:
        e, k = self.e, self.k
        blocks = (self.oh + (k.rows - 1)) // k.rows
        first, last = e.my_share(e.index("n") * self.od * blocks)
        with e.loop(last, start=first, name="unit") as unit:
            y0 = (unit.index % blocks * k.rows).minimum(self.oh - k.rows)  # a ragged last block does some rows again
            plane = unit.index // blocks
            z, image = plane % self.od - self.pad[0], plane // self.od
            y = y0 - self.pad[1]
            row = plane * self.oh + y0
            with e.loop(self.ow, step=self.width, name="tile") as tile:
                with e.when(self._marked(row, tile.index)) if k.marked else contextlib.nullcontext():
                    self._tile(image * self.id, z, y, tile.index, row * self.ow + tile.index)

    def _marked(self, row: Index, x: Index) -> Value:
        e = self.e
        mark = e.load(e.pointer("apart"), row * e.index("cells") + x // self.width, lanes=1, element=I8)
        return e.b.icmp_unsigned("!=", mark, I8(0))

    def _tile(self, image: Index, z: Index, y: Index, x0: Index, pixel: Index) -> None:
        """Outputs from column x0; (z, y) is the first input's place, image the number of the image's first plane."""
        e = self.e
        x = x0 - self.pad[2]
        inside = self._inside(z, y, x)
        with e.when(e.b.not_(inside)):
            self._copy(image, z, y, x)
        in_place = e.at(self.src, (((image + z) * self.ih + y) * self.iw + x))
        base = e.b.select(inside, in_place, self.scratch)
        row = e.select(inside, self.dilation[1] * self.iw, self.ic * self.segment)
        plane = e.select(inside, self.dilation[0] * self.ih * self.iw, self.read_rows * self.ic * self.segment)
        self._store(self._sums(base, row, plane), pixel, x0)

    def _inside(self, z: Index, y: Index, x: Index) -> Value:
        """May the tile read src in place?"""
        e = self.e
        condition = e.b.and_(x >= 0, x + self.reach <= self.iw)
        if not self.k.single:
            return ir.Constant(ir.IntType(1), 0)
        for at, size, taps, dilation in (
            (z, self.id, self.kernel[0], self.dilation[0]),
            (y, self.ih, self.read_rows, self.dilation[1]),
        ):
            condition = e.b.and_(condition, e.b.and_(at >= 0, at + (taps - 1) * dilation < size))
        return condition

    def _copy(self, image: Index, z: Index, y: Index, x: Index) -> None:
        """The tile's inputs → scratch `[plane][row][ic][segment]`."""
        e = self.e
        with e.loop(self.kernel[0], name="plane") as kz, e.loop(self.read_rows, name="row") as ky:
            zz, yy = z + kz.index * self.dilation[0], y + ky.index * self.dilation[1]
            source = e.at(self.src, (((image + zz) * self.ih + yy) * self.iw) * self.ic)
            target = e.at(self.scratch, (kz.index * self.read_rows + ky.index) * self.ic * self.segment)
            inside = [zz >= 0, zz < self.id, yy >= 0, yy < self.ih]
            if self.k.single:
                copy_row(e, target, source, x, self.reach, self.iw, e.const(1), e.const(1), inside)
            else:
                self._take_apart(target, source, x, inside)

    def _take_apart(self, target: Value, source: Value, x: Index, inside: list[Value]) -> None:
        """A row of pixels → one plane per channel, zeros outside the picture."""
        e = self.e
        zero_run(e, target, self.ic * self.segment)
        within = inside[0]
        for c in inside[1:]:
            within = e.b.and_(within, c)
        low, high = x.maximum(0), (x + self.reach).minimum(self.iw)
        with e.when(within), e.loop(high, start=low, name="pixel") as p, e.loop(self.ic, name="channel") as c:
            e.store(e.load(source, p.index * self.ic + c.index, lanes=1), target, c.index * self.segment + p.index - x)

    def _sums(self, base: Value, row: Index, plane: Index) -> list[Value]:
        """Accumulators `[row][vector][channel]`."""
        e, k = self.e, self.k
        carry: list[Value] = [e.zero()] * (k.rows * k.vectors * k.channels) + [self.weights]
        with e.loop(self.kernel[0], carry=carry, name="kz", at_least_once=True) as kz:
            begin, values = e.at(base, kz.index * plane), kz.values
            if k.rows == 1:
                values = self._input_rows(e.const(0), self.read_rows, values, begin, row)
            else:  # the first and the last rows do not reach all rows of outputs
                all_from, all_to = e.const(k.rows - 1), self.kernel[1].maximum(k.rows - 1)
                for start, stop in ((e.const(0), all_from), (all_from, all_to), (all_to, self.read_rows)):
                    values = self._input_rows(start, stop, values, begin, row, some=start is not all_from)
            kz.carry(values)
        return list(kz.results[:-1])

    def _input_rows(
        self, start: Index, stop: Index, values: list[Value], begin: Value, row: Index, some: bool = False
    ) -> list[Value]:
        """Accumulators and the place in the weights, with the products of some rows of a plane of inputs. `some`: of
        each, only for the rows of outputs that it reaches."""
        e, k = self.e, self.k
        with e.loop(stop, start=start, carry=values, name="ky") as ky:
            reached = [self._reaches(ky.index - r) for r in range(k.rows)] if some else []
            with e.loop(self.ic, carry=ky.values, name="ic", at_least_once=True) as ic:
                line = e.at(begin, ky.index * row + ic.index * self.segment)
                with e.loop(self.kernel[2], carry=[*ic.values, line], name="kx", at_least_once=True) as kx:
                    *acc, weights, at = kx.values
                    x = [e.load(at, v * e.lanes) for v in range(k.vectors)]
                    for r in range(k.rows):
                        inputs = [self._where(reached[r], v) for v in x] if some else x
                        for c in range(k.channels):
                            w = e.broadcast(weights, r * k.channels + c)
                            for v in range(k.vectors):
                                i = (r * k.vectors + v) * k.channels + c
                                acc[i] = e.fma(inputs[v], w, acc[i])
                    kx.carry([*acc, e.at(weights, k.rows * k.channels), e.at(at, self.dilation[2])])
                ic.carry(kx.results[:-1])
            ky.carry(ic.results)
        return ky.results

    def _reaches(self, tap: Index) -> Value:
        """All bits of a vector's lanes, if there is such a row of taps; none if not."""
        b = self.e.b
        exists = b.and_(tap >= 0, tap < self.kernel[1])
        return self.e.splat(b.sext(exists, I32))

    def _where(self, bits: Value, vector: Value) -> Value:
        b = self.e.b
        return b.bitcast(b.and_(b.bitcast(vector, bits.type), bits), vector.type)

    def _store(self, acc: list[Value], pixel: Index, x0: Index) -> None:
        e, k = self.e, self.k
        for r in range(k.rows):
            for v in range(k.vectors):
                planes = acc[(r * k.vectors + v) * k.channels : (r * k.vectors + v + 1) * k.channels]
                at = x0 + v * e.lanes
                self.out.store(planes, (pixel + self.ow * r + v * e.lanes) * k.channels, (self.ow - at) * k.channels)
