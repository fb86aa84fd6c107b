"""Transposes by square tiles: whole vectors are read along one axis, turned in registers, and written whole along the
other.

A loop that goes along the one axis touches a cache line per element of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.shaping.tiles.schedule import outer_names
from simplecell.engine.code.emit import ELEMENT, I32, Emitter, Value
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.units import units

STRIP = 16
"""Tiles in a unit of work."""


@dataclass(frozen=True)
class TransposeTiles(Kernel):
    """dst[…, a, b] = src[…, b, a] with src contiguous along a and dst along b, and `rank` outer axes. Its arguments are
    those of TransposeSchedule."""

    dtype: str
    rank: int = 0

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (
            "src",
            "dst",
            "rows",
            "columns",
            "src_row",
            "dst_row",
            *(n for axis in outer_names(self.rank) for n in axis),
        )

    @property
    def name(self) -> str:
        return kernel_name("transpose", "tiles", self.dtype, f"r{self.rank}")

    def emit(self, e: Emitter) -> None:
        element = ELEMENT[self.dtype]
        size = element.width // 8 if isinstance(element, ir.IntType) else 4 if self.dtype == "float32" else 8
        # A tile fills the vector registers' width, and half of their number on avx512: 16 × 16 float32.
        tile = min(e.lanes, e.target.vector_bytes // size)
        src, dst = e.pointer("src"), e.pointer("dst")
        rows, columns, src_row, dst_row = (e.index(a) for a in ("rows", "columns", "src_row", "dst_row"))
        outer_axes = outer_names(self.rank)
        extents = [*(e.index(extent) for extent, _, _ in outer_axes), (rows + (tile - 1)) // tile]
        strides = [(e.index(s), e.index(d)) for _, s, d in outer_axes]
        with units(e, columns, e.const(STRIP * tile), extents) as (start, stop, (*outer, strip)):
            row = strip * tile
            read, write = row * src_row, row
            for index, (s, d) in zip(outer, strides):
                read, write = read + index * s, write + index * d
            tall = e.mask(rows - row, tile)
            with e.loop(stop, start, tile, name="tile") as loop:
                wide = e.mask(columns - loop.index, tile)
                at, to = e.at(src, read + loop.index, element), e.at(dst, write + loop.index * dst_row, element)
                filled = e.b.and_(rows - row >= tile, columns - loop.index >= tile)

                def turn(full: bool, at: Value = at, to: Value = to, tall: Value = tall, wide: Value = wide) -> None:
                    def mask(lanes: Value, others: Value, k: int) -> Value | None:
                        return None if full else e.b.and_(lanes, e.splat(e.b.extract_element(others, I32(k)), tile))

                    vectors = [e.load(at, src_row * k, tile, element, mask(wide, tall, k)) for k in range(tile)]
                    for k, v in enumerate(turned(e, vectors)):
                        e.store(v, e.at(to, dst_row * k, element), 0, mask(tall, wide, k))

                if e.target.avx512:
                    turn(False)  # masks cost next to nothing there
                else:
                    with e.otherwise_when(filled) as (then, otherwise):
                        with then:
                            turn(True)
                        with otherwise:
                            turn(False)


def turned(e: Emitter, rows: list[Value]) -> list[Value]:
    """The columns of a square of as many vectors as they have lanes: at each stage blocks twice as large change
    places."""
    n = len(rows)
    block = 1
    while block < n:
        upper = [k if not k & block else n + k - block for k in range(n)]
        lower = [k + block if not k & block else n + k for k in range(n)]
        masks = [ir.Constant(ir.VectorType(I32, n), order) for order in (upper, lower)]
        for k in range(n):
            if not k & block:
                a, b = rows[k], rows[k + block]
                rows[k], rows[k + block] = (e.b.shuffle_vector(a, b, m) for m in masks)
        block *= 2
    return rows
