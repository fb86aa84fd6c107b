"""Matrix product of float32: dst = epilogue(op(a) · op(b)), op transposing or not, over batches.

One register tile of rows × vectors of columns (see `tile`), the sum over k in its registers. Around it:

    for each unit = (batch, block of rows, panel of columns), divided among the threads
        for each block of k                      so that a panel of b stays in L2 (and its busiest part in L1)
            pack the panel of b, or read it where it lies
            for each tile of rows in the block   tall tiles, then tiles of four rows, then single rows

With one row it is a matrix-vector product at the bandwidth of b; with 14×2 tiles it runs at the multipliers' peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simplecell.engine.algorithms.products.matmul.schedule import MatMulSchedule
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.matmul_tile import pack_copied, pack_transposed, products, resume, store_rows
from simplecell.engine.code.tile import Tile, zeros
from simplecell.engine.code.tile_store import Operands, store_tile

Panels = Literal["direct", "copied", "transposed"]
"""How the kernel reads b: in place; copied panel by panel into scratch; or, b being `(n, k)`, transposed into
scratch."""


@dataclass(frozen=True)
class MatMul(Kernel):
    """dst[i, :] for i < m: rows of `n` float32, dense. Its arguments are those of MatMulSchedule.

    a: `(m, k)`, or `(k, m)` if `transpose_a`; b: `(k, n)`, or `(n, k)` for `panels="transposed"`. Panels that are
    copied or transposed lie in scratch, one at a time. `ragged`: n is not a multiple of the tile's columns. `blocked`:
    `k_block` is heeded.
    """

    tile: Tile
    transpose_a: bool = False
    panels: Panels = "direct"
    ragged: bool = True
    blocked: bool = False
    epilogue: Epilogue = NO_EPILOGUE

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        scratch = () if self.panels == "direct" else ("scratch", "scratch_stride")
        return ("a", "b", "dst", *MatMulSchedule.names(), *scratch, *self.epilogue.arguments)

    @property
    def name(self) -> str:
        options = ("ta" * self.transpose_a, "ragged" * self.ragged, "blocked" * self.blocked, self.epilogue.name)
        return kernel_name("matmul", self.panels, "float32", str(self.tile), *options)

    def emit(self, e: Emitter) -> None:
        a, b, dst = e.pointer("a"), e.pointer("b"), e.pointer("dst")
        m, n, k, ldb = e.index("m"), e.index("n"), e.index("k"), e.index("ldb")
        m_block, inner = e.index("m_block"), e.index("inner")
        width = self.tile.vectors * e.lanes
        operands = Operands.of(e, self.epilogue)
        panels, blocks = (n + (width - 1)) // width, (m + m_block - 1) // m_block
        first, last = e.my_share(e.index("outer") * inner * blocks * panels)
        panel_memory = None if self.panels == "direct" else e.scratch()
        with e.loop(last, start=first, name="unit") as unit:
            rest, column = unit.index // panels, unit.index % panels * width
            batch, row = rest // blocks, rest % blocks * m_block
            o, i = batch // inner, batch % inner
            a_at = e.at(a, o * e.index("a_outer") + i * e.index("a_inner"))
            b_at = e.at(b, o * e.index("b_outer") + i * e.index("b_inner"))
            rows = (row, (row + m_block).minimum(m))
            block = _Block(self, e, a_at, dst, batch * m, n, column, operands)
            if not self.blocked:
                block.emit(rows, self._panel(e, b_at, ldb, column, n, panel_memory, e.const(0), k), e.const(0), k, None)
            else:
                k_block = e.index("k_block")
                with e.loop(k, step=k_block, name="k_block", at_least_once=True) as at:
                    depth = (k - at.index).minimum(k_block)
                    panel = self._panel(e, b_at, ldb, column, n, panel_memory, at.index, depth)
                    block.emit(rows, panel, at.index, depth, at.index + depth >= k)

    def _panel(
        self, e: Emitter, b: Value, ldb: Index, column: Index, n: Index, memory: Value, k: Index, depth: Index
    ) -> tuple[Value, Index]:
        """The address of b's panel from row k on, and the elements from row to row."""
        masks = _masks(e, self, n - column)
        if self.panels == "direct":
            return e.at(b, k * ldb + column), ldb
        if self.panels == "copied":
            pack_copied(e, e.at(b, k * ldb + column), ldb, memory, self.tile.vectors, depth, masks)
        else:
            pack_transposed(e, e.at(b, column * ldb + k), ldb, n - column, memory, self.tile.vectors, depth)
        return memory, e.const(self.tile.vectors * e.lanes)


def _masks(e: Emitter, kernel: MatMul, columns: Index) -> list[Value] | None:
    return [e.mask(columns - v * e.lanes) for v in range(kernel.tile.vectors)] if kernel.ragged else None


@dataclass
class _Block:
    """The rows of one unit: tiles of falling height."""

    kernel: MatMul
    e: Emitter
    a: Value
    dst: Value
    origin: Index
    """the batch's first row in dst"""
    n: Index
    column: Index
    operands: Operands

    def emit(
        self, rows: tuple[Index, Index], panel: tuple[Value, Index], k: Index, depth: Index, last: Value | None
    ) -> None:
        """`last`: whether this block of k is the last one (None: there is only one)."""
        e, (row, end) = self.e, rows
        tall = self.kernel.tile
        heights = [h for h in (tall.pixels, 4, 1) if h == tall.pixels or h < tall.pixels]
        for height in heights:
            tile = Tile(height, tall.vectors)
            with e.loop(end - (height - 1), start=row, step=height, name=f"rows{height}") as at:
                self._tile(tile, at.index, panel, k, depth, last)
            row = row + (end - row) // height * height

    def _tile(
        self, tile: Tile, row: Index, panel: tuple[Value, Index], k: Index, depth: Index, last: Value | None
    ) -> None:
        e, n = self.e, self.n
        masks = _masks(e, self.kernel, n - self.column)
        dst = e.at(self.dst, (self.origin + row) * n + self.column)
        lda, one = e.index("lda"), e.const(1)
        if self.kernel.transpose_a:
            a, a_row, a_stride = e.at(self.a, k * lda + row), one, lda
        else:
            a, a_row, a_stride = e.at(self.a, row * lda + k), lda, one
        acc = zeros(e, tile) if last is None else resume(e, tile, k.equals(0), dst, n, masks)
        b_masks = masks if self.kernel.panels == "direct" else None
        acc = products(e, tile, acc, [a], a_row, a_stride, *panel, depth, b_masks)
        if last is None:
            self._finish(tile, acc, row)
        else:
            with e.otherwise_when(last) as (then, otherwise):
                with then:
                    self._finish(tile, acc, row)
                with otherwise:
                    store_rows(e, tile, acc, dst, n, masks)

    def _finish(self, tile: Tile, acc: list[Value], row: Index) -> None:
        store_tile(
            self.e, tile, acc, self.operands, self.dst, self.origin + row, self.n, self.column, self.n - self.column
        )
