"""Gradient of a convolution for its weights by Winograd's F(m, r), stride 1: the exact adjoint of the forward
transform.

Forward, a patch is Aᵀ[(Bᵀ d B) ⊙ (G w Gᵀ)]A. So with V = Bᵀ d B and M = A · diff_dst · Aᵀ of every patch,

    dw = Gᵀ [ Σ over patches of Vᵀ[point] · M[point] ] G

which sums at the points what direct summing does at every tap and pixel: F(4,3) multiplies 36 times where that does 144
times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.convolution.outliers import energy_after, larger, too_large, total
from simplecell.engine.algorithms.convolution.rows import copy_run, zero_run
from simplecell.engine.algorithms.convolution.winograd.gradient_schedule import GradientSchedule
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.emit import F32, F64, I8, Emitter, Index, Value
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.matmul_tile import products, resume, store_rows
from simplecell.engine.code.tile import Tile


@dataclass(frozen=True)
class WinogradGradientKernel(Kernel):
    """dst: `parts` × (taps [, taps], ic, oc), each the sum over its share of the patches.

    A unit is (part, block of `ic_block` input channels, block of `oc_block` output channels). It takes `patches` of
    them at a time:

    1. V[point][patch][ic_block] and M[point][patch][oc_block], transformed channels, a vector of them at a time;
    2. for each point U += Vᵀ · M on the register tile (rows: input channels);

    and transforms U back at the end. Tiles that hold an outlier (outliers.py; here, one that has `LOUD` times the
    energy of a typical patch of its block, or is not finite) count as zeros in that, and are summed directly. All of it
    lies in the thread's scratch, which stays in L2. Tiles that reach over an edge are first copied with zeros. Blocks
    are at least as wide as a vector, and the last of them is moved left over the one before, whose channels it does not
    store. `ic_pitch` and `oc_pitch` are blocks rounded up to register tiles; what lies between is never used.
    """

    transform: Transform
    tile: Tile
    dimensions: int = 2
    local: bool = False
    """Outliers are relative to the other patches, too."""

    arguments = ("dst", "src", "diff_dst", "scratch", "scratch_stride", *GradientSchedule.names())

    @property
    def name(self) -> str:
        size, local = f"{self.tile}_{self.dimensions}d_{self.transform}", "local" if self.local else ""
        return kernel_name("convolution_gradient_weights", "winograd", "float32", size, local)

    def emit(self, e: Emitter) -> None:
        _Emission(e, self).emit()


LOUD = 256.0
"""times the energy of a block's typical patch. (The inputs' energies are those of some transformed values,
in which an input counts between 0.6 and 50 times, and a typical patch 300 times its energy per input. With 64 and
less, gradients that pooling and the samples' losses make uneven were set apart: mnist_convnet's took a fifth more
time.)"""


class _Emission:
    def __init__(self, e: Emitter, kernel: WinogradGradientKernel) -> None:
        self.e, self.k, self.t = e, kernel, kernel.transform
        self.dst, self.src, self.diff_dst = e.pointer("dst"), e.pointer("src"), e.pointer("diff_dst")
        self.ih, self.iw, self.ic, self.oh, self.ow, self.oc = (
            e.index(a) for a in ("ih", "iw", "ic", "oh", "ow", "oc")
        )
        self.pad_h, self.pad_w, self.patches_h, self.patches_w = (
            e.index(a) for a in ("pad_h", "pad_w", "patches_h", "patches_w")
        )
        self.ic_block, self.oc_block, self.ic_pitch, self.oc_pitch = (
            e.index(a) for a in ("ic_block", "oc_block", "ic_pitch", "oc_pitch")
        )
        self.patches = e.index("patches")
        self.v = e.scratch()
        self.m, self.u, self.edge, self.energies, self.marks = (
            e.at(self.v, e.index(a)) for a in ("m_begin", "u_begin", "edge_begin", "energies", "marks")
        )
        two = kernel.dimensions == 2
        self.rows, self.out_rows = (self.t.points, self.t.outputs) if two else (1, 1)
        self.points = self.rows * self.t.points
        self.sums = e.stack(self.t.taps * (self.t.taps if two else 1) * e.lanes)

    def emit(self) -> None:
        e = self.e
        parts = e.index("parts")
        all_patches = e.index("n") * self.patches_h * self.patches_w
        ic_blocks, oc_blocks = (
            (self.ic + self.ic_block - 1) // self.ic_block,
            (self.oc + self.oc_block - 1) // self.oc_block,
        )
        first, last = e.my_share(parts * ic_blocks * oc_blocks)
        with e.loop(last, start=first, name="unit") as unit:
            part, rest = unit.index % parts, unit.index // parts
            own_i, own_o = rest % ic_blocks * self.ic_block, rest // ic_blocks * self.oc_block
            i, o = own_i.minimum(self.ic - self.ic_block), own_o.minimum(self.oc - self.oc_block)
            begin, end = all_patches * part // parts, all_patches * (part + 1) // parts
            with e.loop(end, start=begin, step=self.patches, carry=[I8(0)], name="block") as block:
                count = (end - block.index).minimum(self.patches)
                self._inputs(block.index, count, i)
                self._gradients(block.index, count, o)
                found = self._set_apart(count, e.at(self.marks, block.index - begin, I8))
                self._products(count, block.index.equals(begin))
                block.carry([e.b.or_(block.values[0], found)])
            some = e.b.icmp_unsigned("!=", block.results[0], I8(0))
            share = _Share(begin, end, i, o, own_i - i, own_o - o, some)
            self._finish(e.at(self.dst, part * e.index("part_size") + i * self.oc + o), share)

    def _place(self, patch: Index) -> tuple[Index, Index, Index]:
        """Image, and first output row and column of a patch."""
        column, rest = patch % self.patches_w, patch // self.patches_w
        return rest // self.patches_h, rest % self.patches_h * self.out_rows, column * self.t.outputs

    def _inputs(self, begin: Index, count: Index, channel: Index) -> None:
        """V of `count` patches."""
        e, t = self.e, self.t
        with e.loop(count, name="patch") as patch:
            image, y, x = self._place(begin + patch.index)
            source = _Picture(self.src, self.ih, self.iw, self.ic, channel, self.ic_block)
            window, row, pixel = self._window(source, image, y - self.pad_h, x - self.pad_w, self.rows, t.points)
            out = e.at(self.v, patch.index * self.ic_pitch)
            with e.loop(self.ic_block, step=e.lanes, name="channel") as c:
                at = c.index.minimum(self.ic_block - e.lanes)
                d = [[e.load(window, row * r + pixel * s + at) for s in range(t.points)] for r in range(self.rows)]
                self._store_points(
                    _both(d, lambda values: t.src(e, values), self.rows > 1), out, self.patches * self.ic_pitch, at
                )
            # The points 0 and infinity see the even and the odd inputs: each input is in one of these values.
            ends = sorted({r * t.points + s for r in {0, self.rows - 1} for s in (0, t.points - 1)})
            energy = self._energy(out, self.ic_block, self.patches * self.ic_pitch, ends)
            e.store(energy, self.energies, patch.index)

    def _gradients(self, begin: Index, count: Index, channel: Index) -> None:
        """M of `count` patches."""
        e, t = self.e, self.t
        with e.loop(count, name="patch") as patch:
            image, y, x = self._place(begin + patch.index)
            source = _Picture(self.diff_dst, self.oh, self.ow, self.oc, channel, self.oc_block)
            window, row, pixel = self._window(source, image, y, x, self.out_rows, t.outputs)
            out = e.at(self.m, patch.index * self.oc_pitch)
            with e.loop(self.oc_block, step=e.lanes, name="channel") as c:
                at = c.index.minimum(self.oc_block - e.lanes)
                d = [[e.load(window, row * r + pixel * s + at) for s in range(t.outputs)] for r in range(self.out_rows)]
                self._store_points(
                    _both(d, lambda values: evaluated(e, t, values), self.rows > 1),
                    out,
                    self.patches * self.oc_pitch,
                    at,
                )
            seen = self.points - 2 - (t.points if self.rows > 1 else 0)  # at -p, all are seen
            energy = self._energy(out, self.oc_block, self.patches * self.oc_pitch, [seen])
            e.store(energy, self.energies, self.patches + patch.index)

    def _energy(self, out: Value, channels: Index, point: Index, points: list[int]) -> Value:
        """The sum of squares of a patch's transformed values at some points. (In a loop of its own, lest the transform
        lose registers.)"""
        e = self.e
        with e.loop(channels, step=e.lanes, carry=[e.zero()], name="energy", at_least_once=True) as c:
            at = c.index.minimum(channels - e.lanes)
            c.carry([energy_after(e, c.values[0], [e.load(out, point * p + at) for p in points])])
        return total(e, c.results[0])

    def _set_apart(self, count: Index, marks: Value) -> Value:
        """Mark the patches of a block that hold an outlier, and make V and M zero there. 1 (a byte) if there is one."""
        e, b = self.e, self.e.b
        both = self.energies, e.at(self.energies, self.patches)
        limits = [self._loudest(count, energies) if self.k.local else None for energies in both]
        with e.loop(count, carry=[I8(0)], name="patch") as patch:
            apart = None
            for energies, limit in zip(both, limits):
                energy = e.load(energies, patch.index, lanes=1)
                found = too_large(e, energy)
                if limit is not None:
                    found = b.or_(found, b.fcmp_ordered(">", energy, limit))
                apart = found if apart is None else b.or_(apart, found)
            mark = b.zext(apart, I8)
            e.store(mark, e.at(marks, patch.index, I8))
            with e.when(apart), e.loop(self.points, name="point") as p:
                for begin, pitch in ((self.v, self.ic_pitch), (self.m, self.oc_pitch)):
                    zero_run(e, e.at(begin, (p.index * self.patches + patch.index) * pitch), pitch)
            patch.carry([b.or_(patch.values[0], mark)])
        return patch.results[0]

    def _store_points(self, values: list[list[Value]], out: Value, point: Index, at: Index) -> None:
        for i, line in enumerate(values):
            for j, value in enumerate(line):
                self.e.store(value, out, point * (i * self.t.points + j) + at)

    def _window(
        self, p: _Picture, image: Index, y: Index, x: Index, rows: int, columns: int
    ) -> tuple[Value, Index, Index]:
        """The address of a window of a picture, and the elements from row to row and pixel to pixel: in place, or a
        copy with zeros where it reaches over an edge."""
        e, b = self.e, self.e.b
        inside = b.and_(b.and_(y >= 0, y + rows <= p.height), b.and_(x >= 0, x + columns <= p.width))
        base = e.at(p.at, ((image * p.height + y) * p.width + x) * p.channels + p.channel)
        with e.when(b.not_(inside)), e.loop(rows, name="row") as r, e.loop(columns, name="column") as s:
            to = e.at(self.edge, (r.index * columns + s.index) * p.count)
            iy, ix = y + r.index, x + s.index
            exists = b.and_(b.and_(iy >= 0, iy < p.height), b.and_(ix >= 0, ix < p.width))
            with e.otherwise_when(exists) as (yes, no):
                with yes:
                    copy_run(e, to, e.at(base, (r.index * p.width + s.index) * p.channels), p.count)
                with no:
                    zero_run(e, to, p.count)
        pixel = e.select(inside, p.channels, p.count)
        return b.select(inside, base, self.edge), e.select(inside, p.width * p.channels, p.count * columns), pixel

    def _products(self, count: Index, begin: Value) -> None:
        """U[point] += V[point]ᵀ · M[point], or = where there is nothing yet."""
        e, tile = self.e, self.k.tile
        width = tile.vectors * e.lanes
        with e.loop(self.points, name="point") as p:
            v, m = (
                e.at(self.v, p.index * self.patches * self.ic_pitch),
                e.at(self.m, p.index * self.patches * self.oc_pitch),
            )
            u = e.at(self.u, p.index * self.ic_pitch * self.oc_pitch)
            with (
                e.loop(self.oc_pitch, step=width, name="panel") as o,
                e.loop(self.ic_pitch, step=tile.pixels, name="rows") as i,
            ):
                at = e.at(u, i.index * self.oc_pitch + o.index)
                acc = resume(e, tile, begin, at, self.oc_pitch)
                acc = products(
                    e, tile, acc, [e.at(v, i.index)], e.const(1), self.ic_pitch, e.at(m, o.index), self.oc_pitch, count
                )
                store_rows(e, tile, acc, at, self.oc_pitch)

    def _loudest(self, count: Index, energies: Value) -> Value:
        """What a patch's energy may be. The typical one is the fourth power of the mean fourth root, which a few
        outliers do not move much; patches of zeros do not count."""
        e, b = self.e, self.e.b
        with e.loop(count, carry=[F32(0.0), F32(0.0)], name="energy") as i:
            energy = e.load(energies, i.index, lanes=1)
            counts = b.and_(b.fcmp_ordered(">", energy, F32(0.0)), b.not_(too_large(e, energy)))
            root = e.unary("sqrt", e.unary("sqrt", energy))
            more = (root, F32(1.0))
            i.carry([e.fadd(v, b.select(counts, m, F32(0.0))) for v, m in zip(i.values, more)])
        roots, number = i.results
        mean = b.fdiv(roots, larger(e, number, F32(1.0)))
        square = e.fmul(mean, mean)
        return e.fmul(e.fmul(square, square), F32(LOUD))

    def _finish(self, dst: Value, share: _Share) -> None:
        """dst = Gᵀ U G, in float64: the few operations cost nothing, and the sums keep their accuracy. And what the
        patches that were set apart give."""
        e, t = self.e, self.t
        g = t.weights_matrix().T
        point = self.ic_pitch * self.oc_pitch
        with (
            e.loop(self.ic_block, start=share.others_ic, name="ic") as i,
            e.loop(self.oc_block, start=share.others_oc, step=e.lanes, name="oc") as o,
        ):
            at = o.index.minimum(self.oc_block - e.lanes)
            mine = e.b.not_(e.mask(share.others_oc - at))

            def load(index: int) -> Value:
                value = e.load(self.u, point * index + i.index * self.oc_pitch + at)  # noqa: B023
                return e.b.fpext(value, e.vector(element=F64))

            def store(value: Value, tap: Index | int) -> None:
                e.store(value, dst, (self.ic * tap + i.index) * self.oc + at, mask=mine)  # noqa: B023

            u = [[load(r * t.points + s) for s in range(t.points)] for r in range(self.rows)]
            out = _both(u, lambda values: [_dot(e, row, values) for row in g], self.rows > 1)
            out = [e.b.fptrunc(value, e.vector()) for line in out for value in line]
            with e.otherwise_when(share.some) as (yes, no):
                with yes:
                    for number, value in enumerate(out):
                        e.store(value, self.sums, number * e.lanes)
                    with e.loop(len(out), name="tap") as tap:
                        value = e.load(self.sums, tap.index * e.lanes)
                        store(self._direct(value, tap.index, i.index, at, share), tap.index)
                with no:
                    for number, value in enumerate(out):
                        store(value, number)

    def _direct(self, value: Value, tap: Index, ic: Index, oc: Index, share: _Share) -> Value:
        """`value`, and the products of a tap in the patches that were set apart, of one input channel and a vector of
        output channels of the share's blocks."""
        e, b, t = self.e, self.e.b, self.t
        down, along = (tap // t.taps, tap % t.taps) if self.rows > 1 else (0, tap)
        with e.loop(share.end, start=share.begin, carry=[value], name="patch") as patch:
            mark = e.load(self.marks, patch.index - share.begin, lanes=1, element=I8)
            image, y, x = self._place(patch.index)
            rows = (self.oh - y).minimum(self.out_rows)
            rows = e.select(b.icmp_unsigned("!=", mark, I8(0)), rows, 0)
            with e.loop(rows, carry=patch.values, name="row") as r:
                columns = (self.ow - x).minimum(t.outputs)
                with e.loop(columns, carry=r.values, name="column") as s:
                    oy, ox = y + r.index, x + s.index
                    iy, ix = oy - self.pad_h + down, ox - self.pad_w + along
                    inside = b.and_(b.and_(iy >= 0, iy < self.ih), b.and_(ix >= 0, ix < self.iw))
                    pixel = e.select(inside, (image * self.ih + iy) * self.iw + ix, 0)
                    src = e.broadcast(self.src, pixel * self.ic + share.ic + ic)
                    diff = e.load(self.diff_dst, ((image * self.oh + oy) * self.ow + ox) * self.oc + share.oc + oc)
                    s.carry([e.b.select(inside, e.fma(src, diff, s.values[0]), s.values[0])])
                r.carry(s.results)
            patch.carry(r.results)
        return patch.results[0]


@dataclass(frozen=True)
class _Share:
    """Of the work: patches from `begin` to `end`, channels from `ic` and `oc` on, of which the first ones are stored by
    the blocks before (a patch may be set apart here and not there); `some`: were patches set apart?"""

    begin: Index
    end: Index
    ic: Index
    oc: Index
    others_ic: Index
    others_oc: Index
    some: Value


@dataclass(frozen=True)
class _Picture:
    """A picture of `height` × `width` pixels of `channels`, of which `count` from `channel` on are read."""

    at: Value
    height: Index
    width: Index
    channels: Index
    channel: Index
    count: Index


def _both(
    d: list[list[Value]], transform: Callable[[Sequence[Value]], list[Value]], columns_too: bool
) -> list[list[Value]]:
    """The one-dimensional transform of all columns, then of all rows."""
    if columns_too:
        columns = [transform([line[s] for line in d]) for s in range(len(d[0]))]
        d = [list(line) for line in zip(*columns)]
    return [transform(line) for line in d]


def evaluated(e: Emitter, t: Transform, y: Sequence[Value]) -> list[Value]:
    """A·y, the adjoint of `Transform.dst`: the polynomial with coefficients y at the points; at a pair, its even part ±
    its odd part."""
    out = [y[0]]
    for p in t.pairs:
        even, odd = (_horner(e, float(p * p), y[k::2]) for k in (0, 1))
        odd = e.fmul(odd, e.number(float(p))) if p != 1 else odd
        out += [e.fadd(even, odd), e.fsub(even, odd)]
    return [*out, y[-1]]


def _horner(e: Emitter, x: float, coefficients: Sequence[Value]) -> Value:
    total = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = e.fadd(c, total) if x == 1 else e.fma(total, e.number(x), c)
    return total


def _dot(e: Emitter, row: Sequence[float], values: Sequence[Value]) -> Value:
    total: Value | None = None
    for c, v in zip(row, values):
        if c:
            term = e.fmul(v, ir.Constant(v.type, [float(c)] * e.lanes))
            total = term if total is None else e.fadd(total, term)
    return total
