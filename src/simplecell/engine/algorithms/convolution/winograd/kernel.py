"""Convolution with few multiplications: Winograd's F(m, r) along rows, columns or both, stride 1; the kernel's other
taps summed directly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simplecell.engine.algorithms.convolution.outliers import energy_after, mark_finite, mark_local, sum_of
from simplecell.engine.algorithms.convolution.pool_stage import Pool, pooled
from simplecell.engine.algorithms.convolution.rows import copy_row, zero_run
from simplecell.engine.algorithms.convolution.winograd.schedule import Blocks, Patches
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.emit import I8, Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.rounding import ceil_div
from simplecell.engine.code.tile import Ahead, Strided, Tile, accumulate, next_weights, opaque_address, zeros
from simplecell.engine.code.tile_store import INLINE, Operands


@dataclass(frozen=True)
class WinogradForward(Kernel):
    """A block of `block` patches (of all images, so that small maps fill it) at a time, all in the thread's scratch,
    which stays in L2:

    1. V[point][patch][slices · ic]: the patches' inputs transformed, vectorised over channels, in each of the places
       (`slices`, `shift_*` apart) that the kernel's other taps look at: the planes of a volume, the rows above and
       below. To the products, these are more channels. A patch that reaches over the edge is first copied with zeros.
    2. for each chunk of output channels, for each point: M[point][patch][oc] = V[point] · U[point], one small matrix
       product on the register tile, whose pixels are patches;
    3. outputs = transform of M, epilogue, windows pooled if there is a `pool`, store; what lies outside the picture is
       not stored.

    The work is divided over blocks of patches and `parts` of the chunks; a part transforms the block's inputs for
    itself. In `apart` it marks (a byte for each patch) those that hold an outlier (see outliers.py): `WinogradDirect`
    sums them again.
    There are at least as many input and output channels as a vector has lanes: the last vector of channels is moved
    left over the one before.
    """

    transform: Transform
    tile: Tile
    epilogue: Epilogue = NO_EPILOGUE
    axes: str = "hw"
    """along which the transform goes: `hw`, `h` or `w`"""
    lines: int = 1
    """cache lines of the next point's weights to fetch in each turn of the loop over depth"""
    unroll: int = 1
    """steps of depth in a turn of that loop; slices · ic must be a multiple"""
    pool: Pool | None = None
    """whose windows make up patches; patches begin inside of what is pooled"""
    local: bool = False
    """Outliers are relative to the other pixels of their patch."""

    outputs = ("dst", "apart")

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        addresses = ("dst", "src", "weights", "apart", "scratch", "scratch_stride")
        return (*addresses, *Patches.names(), *Blocks.names(), *self.epilogue.arguments)

    @property
    def name(self) -> str:
        return kernel_name(
            "convolution_forward", "winograd", "float32",
            str(self.tile) + (f"p{self.lines}" if self.lines > 1 else ""),
            f"u{self.unroll}" if self.unroll > 1 else "",
            f"{self.axes}_{self.transform}",
            "local" * self.local,
            self.epilogue.name,
            self.pool.name if self.pool is not None else "",
        )  # fmt: skip

    def emit(self, e: Emitter) -> None:
        _Winograd(e, self).emit()


PREFETCH_DISTANCE = 4
"""Steps of depth ahead of which weights are fetched into L1 (166 → 177 GFLOP/s in the products, together with the order
of their loops)."""


class _Winograd:
    def __init__(self, e: Emitter, kernel: WinogradForward) -> None:
        self.e, self.k, self.t = e, kernel, kernel.transform
        self.dst, self.src, self.weights = e.pointer("dst"), e.pointer("src"), e.pointer("weights")
        self.ih, self.iw, self.ic, self.oh, self.ow, self.oc = (
            e.index(a) for a in ("ih", "iw", "ic", "oh", "ow", "oc")
        )
        self.dst_pixel = e.index("dst_pixel")
        self.pad_h, self.pad_w, self.patches_h, self.patches_w = (
            e.index(a) for a in ("pad_h", "pad_w", "patches_h", "patches_w")
        )
        self.v_pixel, self.v_point = e.index("v_pixel"), e.index("v_point")
        self.m_pixel, self.m_point = e.index("m_pixel"), e.index("m_point")
        self.v = e.scratch()
        self.m, self.edge = e.at(self.v, e.index("m_begin")), e.at(self.v, e.index("edge_begin"))
        self.ahead, self.apart = e.index("ahead"), e.pointer("apart")
        self.id, self.od, self.slices, self.pad_d = (e.index(a) for a in ("id", "od", "slices", "pad_d"))
        self.shifts = [e.index(f"shift_{axis}") for axis in "dhw"]
        t, axes = self.t, kernel.axes
        self.rows, self.out_rows = (t.points, t.outputs) if "h" in axes else (1, 1)
        self.columns, self.out_columns = (t.points, t.outputs) if "w" in axes else (1, 1)
        self.points = self.rows * self.columns
        self.block_rows, self.block_columns = ceil_div(self.rows, 2), ceil_div(self.columns, 2)
        self.depth = self.slices * self.ic
        self.operands = Operands.of(e, kernel.epilogue)
        self.width = kernel.tile.vectors * e.lanes
        self.chunk_blocks = e.index("chunk_blocks")
        self.chunk = self.chunk_blocks * self.width
        self.buffer = e.stack(self.out_rows * self.out_columns * e.lanes)
        if kernel.local:
            self.blocks = e.stack(self.block_rows * self.block_columns * e.lanes)

    def emit(self) -> None:
        e = self.e
        block, parts, chunks = e.index("block"), e.index("parts"), e.index("chunks")
        patches = e.index("n") * self.od * self.patches_h * self.patches_w
        blocks = (patches + block - 1) // block
        first, last = e.my_share(blocks * parts)
        with e.loop(last, start=first, name="unit") as unit:
            part, begin = unit.index // blocks, unit.index % blocks * block
            count = (patches - begin).minimum(block)
            self._inputs(begin, count)
            with e.loop(chunks * (part + 1) // parts, start=chunks * part // parts, name="chunk") as chunk:
                chunk_weights = self.chunk * self.depth * self.points
                after = e.b.select((unit.index + 1).equals(last), next_weights(e, self.weights), self.weights)
                here = e.at(self.weights, chunk.index * chunk_weights)
                following = e.b.select(chunk.index + 1 < chunks, e.at(here, chunk_weights), after)
                self._products(here, count, following)
                self._outputs(begin, count, chunk.index * self.chunk)

    def _place(self, patch: Index) -> tuple[Index, Index, Index]:
        """Plane of dst (of all images), and first output row and column of a patch."""
        column, rest = patch % self.patches_w, patch // self.patches_w
        return rest // self.patches_h, rest % self.patches_h * self.out_rows, column * self.out_columns

    def _inputs(self, begin: Index, count: Index) -> None:
        e = self.e
        with e.loop(count, name="patch") as patch:
            energies = self._transform_inputs(patch.index, begin + patch.index)
            at = e.at(self.apart, begin + patch.index, I8)
            if self.k.local:
                mark_local(e, self.blocks, self.block_rows * self.block_columns, at)
            else:
                mark_finite(e, energies, at)
        # What is left of the last register tile multiplies zeros.
        in_tiles = (count + self.k.tile.pixels - 1) // self.k.tile.pixels * self.k.tile.pixels
        with e.loop(in_tiles, start=count, name="no_patch") as patch, e.loop(self.points, name="point") as p:
            zero_run(e, e.at(self.v, p.index * self.v_point + patch.index * self.v_pixel), self.depth)

    def _transform_inputs(self, number: Index, patch: Index) -> list[Value]:
        """V of a patch, which is number `number` in V; what tells whether all inputs are finite (see outliers.py)."""
        e, b = self.e, self.e.b
        if self.k.local:
            with e.loop(self.block_rows * self.block_columns, name="block") as block:
                e.store(e.zero(), self.blocks, block.index * e.lanes)
        with e.loop(self.slices, carry=[e.zero()] * 2, name="slice", at_least_once=True) as d:
            plane, y, x = self._place(patch)
            z, y, x = (
                start - pad + d.index * shift
                for start, pad, shift in zip((plane % self.od, y, x), (self.pad_d, self.pad_h, self.pad_w), self.shifts)
            )
            exists = b.and_(z >= 0, z < self.id)
            inside = b.and_(b.and_(y >= 0, y + self.rows <= self.ih), b.and_(x >= 0, x + self.columns <= self.iw))
            inside = b.and_(inside, exists)
            line = (plane // self.od * self.id + z) * self.ih + y
            with e.when(b.not_(inside)), e.loop(self.rows, name="row") as r:
                copy_row(
                    e,
                    e.at(self.edge, r.index * self.columns * self.ic),
                    e.at(self.src, (line + r.index) * self.iw * self.ic),
                    x,
                    e.const(self.columns),
                    self.iw,
                    self.ic,
                    self.ic,
                    (exists, y + r.index >= 0, y + r.index < self.ih),
                )
            base = b.select(inside, e.at(self.src, (line * self.iw + x) * self.ic), self.edge)
            row = e.select(inside, self.iw * self.ic, self.ic * self.columns)
            out = e.at(self.v, number * self.v_pixel + d.index * self.ic)
            pixel, point = Strided(e, self.ic, self.columns), Strided(e, self.v_point, self.columns)
            with e.loop(self.ic, step=e.lanes, name="channel", at_least_once=True) as c:
                at = c.index.minimum(self.ic - e.lanes)
                lines = [e.at(base, row * r + at) for r in range(self.rows)]
                values = self._both(
                    [[e.load(pixel.at(line, s)) for s in range(self.columns)] for line in lines], self.t.src
                )
                to = e.at(out, at)
                for i, group in enumerate(values):
                    to = opaque_address(e, e.at(to, self.v_point * self.columns)) if i else to
                    for s, value in enumerate(group):
                        e.store(value, point.at(to, s))
            if self.k.local:
                self._add_energies(base, row)
            else:
                d.carry(self._energies_of_ends(d.values, out))
        return d.results

    def _energies_of_ends(self, energies: list[Value], out: Value) -> list[Value]:
        """With those of a slice's V at the points 0 and infinity, which see the even and the odd inputs: each input is
        in one of these values. (In a loop of its own, lest the transform lose registers.)"""
        e = self.e
        ends = sorted({r * self.columns + s for r in {0, self.rows - 1} for s in {0, self.columns - 1}})
        with e.loop(self.ic, step=e.lanes, carry=energies, name="end", at_least_once=True) as c:
            at = e.at(out, c.index.minimum(self.ic - e.lanes))
            found = [e.load(at, self.v_point * point) for point in ends]
            c.carry([energy_after(e, energy, found[i::2]) for i, energy in enumerate(c.values)])
        return c.results

    def _add_energies(self, base: Value, row: Index) -> None:
        """Add to the energies of the patch's blocks of 2×2 pixels those of this slice. (In a loop of its own: the sums
        would not stay in registers beside the transform, and the inputs are in L1.)"""
        e = self.e
        pixel, columns = Strided(e, self.ic, self.columns), self.columns
        with e.loop(self.block_rows, name="block_row") as j:
            begin = e.at(base, row * j.index * 2)
            with e.loop(self.ic, step=e.lanes, carry=[e.zero()] * columns, name="energy", at_least_once=True) as c:
                at, found = c.index.minimum(self.ic - e.lanes), list(c.values)
                for r in range(min(self.rows, 2)):
                    line = e.at(begin, row * r + at)
                    found = [energy_after(e, v, [e.load(pixel.at(line, s))]) for s, v in enumerate(found)]
                c.carry(found)
            for column in range(self.block_columns):
                to = (j.index * self.block_columns + column) * e.lanes
                sums = c.results[2 * column : 2 * column + 2]
                e.store(sum_of(e, [e.load(self.blocks, to), *sums]), self.blocks, to)

    def _both(
        self, d: list[list[Value]], transform: Callable[[Emitter, Sequence[Value]], list[Value]]
    ) -> list[list[Value]]:
        """A one-dimensional transform of the columns, then of the rows, as far as the kernel extends along them."""
        if "h" in self.k.axes:
            d = [list(row) for row in zip(*(transform(self.e, column) for column in zip(*d)))]
        return [transform(self.e, row) for row in d] if "w" in self.k.axes else d

    def _products(self, weights: Value, count: Index, following: Value) -> None:
        """M of a chunk. following: the next chunk's weights.

        The register tile's inputs stay in L1 while all blocks of weights of a point pass by, which come from L2, where
        those of the next point are fetched to meanwhile.
        """
        e, tile = self.e, self.k.tile
        point_weights = self.chunk_blocks * self.depth * self.width
        with e.loop(self.points, name="point") as p:
            v, m, u = (
                e.at(self.v, p.index * self.v_point),
                e.at(self.m, p.index * self.m_point),
                e.at(weights, p.index * point_weights),
            )
            ahead_from = e.b.select((p.index + 1).equals(self.points), following, e.at(u, point_weights))
            with e.loop(count, step=tile.pixels, carry=[ahead_from], name="tiles") as x:
                here, out_tile = e.at(v, x.index * self.v_pixel), e.at(m, x.index * self.m_pixel)
                with e.loop(
                    self.chunk_blocks, carry=[*x.values, u, out_tile], name="block", at_least_once=True
                ) as block:
                    far, w, out = block.values
                    ahead = Ahead(self.k.lines, far, self.ahead)
                    acc = accumulate(
                        e,
                        tile,
                        zeros(e, tile),
                        here,
                        self.v_pixel,
                        w,
                        self.depth,
                        ahead,
                        near=PREFETCH_DISTANCE,
                        unroll=self.k.unroll,
                    )
                    block.carry([*acc[tile.accumulators :], e.at(w, self.depth * self.width), e.at(out, self.width)])
                    for q in range(tile.pixels):
                        for k in range(tile.vectors):
                            e.store(acc[q * tile.vectors + k], out, k * e.lanes)
                        out = e.at(out, self.m_pixel)
                x.carry(block.results[:1])

    def _outputs(self, begin: Index, count: Index, channel: Index) -> None:
        e, b, pool = self.e, self.e.b, self.k.pool
        ph, pw = pool.size[1:] if pool is not None else (1, 1)
        stored_h, stored_w = self.oh // ph, self.ow // pw
        most_rows, most_columns = self.out_rows // ph, self.out_columns // pw
        operand_pixel = self.dst_pixel if pool is None else self.oc  # `full` operands are dense, and so is dst then
        channels = (self.oc - channel).minimum(self.chunk)
        point = Strided(e, self.m_point, self.columns)
        with e.loop(count, name="patch") as patch:
            plane, y, x = self._place(begin + patch.index)
            pixel = ((plane * self.oh + y) * self.ow + x) * operand_pixel
            stored = ((plane * stored_h + y // ph) * stored_w + x // pw) * self.dst_pixel
            rows, columns = (stored_h - y // ph).minimum(most_rows), (stored_w - x // pw).minimum(most_columns)
            inside = b.and_(rows.equals(most_rows), columns.equals(most_columns))
            m = e.at(self.m, patch.index * self.m_pixel)
            with e.loop(channels, step=e.lanes, name="channel") as c:
                at = c.index.minimum(channels - e.lanes)
                d, here = [], e.at(m, at)
                for r in range(self.rows):
                    here = opaque_address(e, e.at(here, self.m_point * self.columns)) if r else here
                    d.append([e.load(point.at(here, s)) for s in range(self.columns)])
                y_values = self._both(d, self.t.dst)
                oc = channel + at

                def store(row: Index | int, column: Index | int, outputs: Callable[[Any, Any], Value]) -> None:
                    """One pixel of dst, of the patch's `outputs` at its window."""

                    def finished(r: Index | int, s: Index | int) -> Value:
                        return self.operands.apply(e, outputs(r, s), pixel + (self.ow * r + s) * operand_pixel, oc)  # noqa: B023

                    window = [[finished(row * ph + r, column * pw + s) for s in range(pw)] for r in range(ph)]
                    value = window[0][0] if pool is None else pooled(e, pool.function, window)
                    e.store(value, self.dst, stored + (stored_w * row + column) * self.dst_pixel + oc)  # noqa: B023

                def from_registers() -> None:
                    for r in range(most_rows):
                        for s in range(most_columns):
                            store(r, s, lambda r, s: y_values[r][s])  # noqa: B023

                def from_memory() -> None:
                    for i, value in enumerate(v for row in y_values for v in row):  # noqa: B023
                        e.store(value, self.buffer, i * e.lanes)
                    with e.loop(rows, name="out_row") as r, e.loop(columns, name="out_column") as s:  # noqa: B023
                        store(r.index, s.index, lambda r, s: e.load(self.buffer, (r * self.out_columns + s) * e.lanes))

                if len(self.k.epilogue.expression.instructions) > INLINE:
                    from_memory()
                else:
                    with e.otherwise_when(inside) as (yes, no):
                        with yes:
                            from_registers()
                        with no:
                            from_memory()
