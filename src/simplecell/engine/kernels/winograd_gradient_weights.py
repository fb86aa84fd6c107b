"""Gradient of a convolution for its weights by Winograd's F(m, r), stride 1: the exact adjoint of the forward transform.

Forward, a tile is Aᵀ[(Bᵀ d B) ⊙ (G w Gᵀ)]A. So with V = Bᵀ d B and M = A · diff_dst · Aᵀ of every tile,

    dw = Gᵀ [ Σ over tiles of Vᵀ[point] · M[point] ] G

which sums at the points what direct summing does at every tap and pixel: F(4,3) multiplies 36 times where that does 144 times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.emit import F64, Emitter, Index, Value
from simplecell.engine.kernel import Kernel
from simplecell.engine.kernels.convolution_rows import copy_run, zero_run
from simplecell.engine.kernels.matmul_tile import products, resume, store_rows
from simplecell.engine.kernels.tile import Tile
from simplecell.engine.kernels.winograd_transforms import Transform


@dataclass(frozen=True)
class WinogradGradientWeights(Kernel):
    """dst: `parts` × (taps [, taps], ic, oc), each the sum over its share of the tiles.

    A unit is (part, block of `ic_block` input channels, block of `oc_block` output channels). It takes `tiles` tiles at a time:

    1. V[point][tile][ic_block] and M[point][tile][oc_block], transformed channels, a vector of them at a time;
    2. for each point U += Vᵀ · M on the register tile (rows: input channels);

    and transforms U back at the end. All of it lies in the thread's scratch, which stays in L2. Tiles that reach over an edge are first
    copied with zeros. Blocks are at least as wide as a vector, and the last of them is moved left over the one before. `ic_pitch` and
    `oc_pitch` are blocks rounded up to register tiles; what lies between is never used.
    """

    transform: Transform
    tile: Tile
    dimensions: int = 2

    arguments = tuple(
        "dst src diff_dst scratch scratch_stride n ih iw ic oh ow oc pad_h pad_w tiles_h tiles_w "
        "parts part_size tiles ic_block oc_block ic_pitch oc_pitch m_begin u_begin patch".split()
    )

    @property
    def name(self) -> str:
        return f"winograd_gradient_weights_f32_{self.dimensions}d_{self.transform}_{self.tile}"

    def emit(self, e: Emitter) -> None:
        _Emission(e, self).emit()


class _Emission:
    def __init__(self, e: Emitter, kernel: WinogradGradientWeights) -> None:
        self.e, self.k, self.t = e, kernel, kernel.transform
        self.dst, self.src, self.diff_dst = e.pointer("dst"), e.pointer("src"), e.pointer("diff_dst")
        self.ih, self.iw, self.ic, self.oh, self.ow, self.oc = (e.index(a) for a in ("ih", "iw", "ic", "oh", "ow", "oc"))
        self.pad_h, self.pad_w, self.tiles_h, self.tiles_w = (e.index(a) for a in ("pad_h", "pad_w", "tiles_h", "tiles_w"))
        self.ic_block, self.oc_block, self.ic_pitch, self.oc_pitch = (e.index(a) for a in ("ic_block", "oc_block", "ic_pitch", "oc_pitch"))
        self.tiles = e.index("tiles")
        self.v = e.at(e.pointer("scratch"), e.thread * (e.index("scratch_stride") // 4))
        self.m, self.u, self.patch = (e.at(self.v, e.index(a)) for a in ("m_begin", "u_begin", "patch"))
        two = kernel.dimensions == 2
        self.rows, self.out_rows = (self.t.points, self.t.outputs) if two else (1, 1)
        self.points = self.rows * self.t.points

    def emit(self) -> None:
        e = self.e
        parts = e.index("parts")
        all_tiles = e.index("n") * self.tiles_h * self.tiles_w
        ic_blocks, oc_blocks = (self.ic + self.ic_block - 1) // self.ic_block, (self.oc + self.oc_block - 1) // self.oc_block
        first, last = e.my_share(parts * ic_blocks * oc_blocks)
        with e.loop(last, start=first, name="unit") as unit:
            part, rest = unit.index % parts, unit.index // parts
            i = (rest % ic_blocks * self.ic_block).minimum(self.ic - self.ic_block)
            o = (rest // ic_blocks * self.oc_block).minimum(self.oc - self.oc_block)
            begin, end = all_tiles * part // parts, all_tiles * (part + 1) // parts
            with e.loop(end, start=begin, step=self.tiles, name="block") as block:
                count = (end - block.index).minimum(self.tiles)
                self._inputs(block.index, count, i)
                self._gradients(block.index, count, o)
                self._products(count, block.index.equals(begin))
            self._finish(e.at(self.dst, part * e.index("part_size") + i * self.oc + o))

    def _place(self, tile: Index) -> tuple[Index, Index, Index]:
        """Image, and first output row and column of a tile."""
        column, rest = tile % self.tiles_w, tile // self.tiles_w
        return rest // self.tiles_h, rest % self.tiles_h * self.out_rows, column * self.t.outputs

    def _inputs(self, begin: Index, count: Index, channel: Index) -> None:
        """V of `count` tiles."""
        e, t = self.e, self.t
        with e.loop(count, name="tile") as tile:
            image, y, x = self._place(begin + tile.index)
            source = _Picture(self.src, self.ih, self.iw, self.ic, channel, self.ic_block)
            window, row, pixel = self._window(source, image, y - self.pad_h, x - self.pad_w, self.rows, t.points)
            out = e.at(self.v, tile.index * self.ic_pitch)
            with e.loop(self.ic_block, step=e.lanes, name="channel") as c:
                at = c.index.minimum(self.ic_block - e.lanes)
                d = [[e.load(window, row * r + pixel * s + at) for s in range(t.points)] for r in range(self.rows)]
                self._store_points(_both(d, lambda values: t.src(e, values), self.rows > 1), out, self.tiles * self.ic_pitch, at)

    def _gradients(self, begin: Index, count: Index, channel: Index) -> None:
        """M of `count` tiles."""
        e, t = self.e, self.t
        with e.loop(count, name="tile") as tile:
            image, y, x = self._place(begin + tile.index)
            source = _Picture(self.diff_dst, self.oh, self.ow, self.oc, channel, self.oc_block)
            window, row, pixel = self._window(source, image, y, x, self.out_rows, t.outputs)
            out = e.at(self.m, tile.index * self.oc_pitch)
            with e.loop(self.oc_block, step=e.lanes, name="channel") as c:
                at = c.index.minimum(self.oc_block - e.lanes)
                d = [[e.load(window, row * r + pixel * s + at) for s in range(t.outputs)] for r in range(self.out_rows)]
                self._store_points(_both(d, lambda values: evaluated(e, t, values), self.rows > 1), out, self.tiles * self.oc_pitch, at)

    def _store_points(self, values: list[list[Value]], out: Value, point: Index, at: Index) -> None:
        for i, line in enumerate(values):
            for j, value in enumerate(line):
                self.e.store(value, out, point * (i * self.t.points + j) + at)

    def _window(self, p: _Picture, image: Index, y: Index, x: Index, rows: int, columns: int) -> tuple[Value, Index, Index]:
        """The address of a window of a picture, and the elements from row to row and pixel to pixel: in place, or a copy with zeros
        where it reaches over an edge."""
        e, b = self.e, self.e.b
        inside = b.and_(b.and_(y >= 0, y + rows <= p.height), b.and_(x >= 0, x + columns <= p.width))
        base = e.at(p.at, ((image * p.height + y) * p.width + x) * p.channels + p.channel)
        with e.when(b.not_(inside)), e.loop(rows, name="row") as r, e.loop(columns, name="column") as s:
            to = e.at(self.patch, (r.index * columns + s.index) * p.count)
            iy, ix = y + r.index, x + s.index
            exists = b.and_(b.and_(iy >= 0, iy < p.height), b.and_(ix >= 0, ix < p.width))
            with e.otherwise_when(exists) as (yes, no):
                with yes:
                    copy_run(e, to, e.at(base, (r.index * p.width + s.index) * p.channels), p.count)
                with no:
                    zero_run(e, to, p.count)
        pixel = e.select(inside, p.channels, p.count)
        return b.select(inside, base, self.patch), e.select(inside, p.width * p.channels, p.count * columns), pixel

    def _products(self, count: Index, begin: Value) -> None:
        """U[point] += V[point]ᵀ · M[point], or = where there is nothing yet."""
        e, tile = self.e, self.k.tile
        width = tile.vectors * e.lanes
        with e.loop(self.points, name="point") as p:
            v, m = e.at(self.v, p.index * self.tiles * self.ic_pitch), e.at(self.m, p.index * self.tiles * self.oc_pitch)
            u = e.at(self.u, p.index * self.ic_pitch * self.oc_pitch)
            with e.loop(self.oc_pitch, step=width, name="panel") as o, e.loop(self.ic_pitch, step=tile.pixels, name="rows") as i:
                at = e.at(u, i.index * self.oc_pitch + o.index)
                acc = resume(e, tile, begin, at, self.oc_pitch)
                acc = products(e, tile, acc, [e.at(v, i.index)], e.const(1), self.ic_pitch, e.at(m, o.index), self.oc_pitch, count)
                store_rows(e, tile, acc, at, self.oc_pitch)

    def _finish(self, dst: Value) -> None:
        """dst = Gᵀ U G, in float64: the few operations cost nothing, and the sums keep their accuracy."""
        e, t = self.e, self.t
        g = t.weights_matrix().T
        point = self.ic_pitch * self.oc_pitch
        with e.loop(self.ic_block, name="ic") as i, e.loop(self.oc_block, step=e.lanes, name="oc") as o:
            at = o.index.minimum(self.oc_block - e.lanes)

            def load(index: int) -> Value:
                value = e.load(self.u, point * index + i.index * self.oc_pitch + at)  # noqa: B023
                return e.b.fpext(value, e.vector(element=F64))

            u = [[load(r * t.points + s) for s in range(t.points)] for r in range(self.rows)]
            out = _both(u, lambda values: [_dot(e, row, values) for row in g], self.rows > 1)
            for r, line in enumerate(out):
                for s, value in enumerate(line):
                    offset = ((self.ic * (r * t.taps + s)) + i.index) * self.oc + at
                    e.store(e.b.fptrunc(value, e.vector()), dst, offset)


@dataclass(frozen=True)
class _Picture:
    """A picture of `height` × `width` pixels of `channels`, of which `count` from `channel` on are read."""

    at: Value
    height: Index
    width: Index
    channels: Index
    channel: Index
    count: Index


def _both(d: list[list[Value]], transform: Callable[[Sequence[Value]], list[Value]], columns_too: bool) -> list[list[Value]]:
    """The one-dimensional transform of all columns, then of all rows."""
    if columns_too:
        columns = [transform([line[s] for line in d]) for s in range(len(d[0]))]
        d = [list(line) for line in zip(*columns)]
    return [transform(line) for line in d]


def evaluated(e: Emitter, t: Transform, y: Sequence[Value]) -> list[Value]:
    """A·y, the adjoint of `Transform.dst`: the polynomial with coefficients y at the points; at a pair, its even part ± its odd part."""
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
