"""Max and average pooling by tiles of pixels. What is padded is never read: it cannot win a maximum and is not counted
in a mean.

A tile first combines each of its columns over the window's rows, in one accumulator per column, and then the columns
over each window: with 3×3 windows, 2 + 2 operations for an output instead of 8 where windows overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.pooling.combine import combine, reciprocal, start
from simplecell.engine.algorithms.sliding import Extents, Strides, Window
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.window import Finish, Row, RowTile, Slide, WindowColumns, over_channels, over_tiles


@dataclass(frozen=True)
class PoolColumns(Kernel):
    """Windows whose columns are unrolled."""

    function: str
    """`max` or `average`"""
    columns: WindowColumns
    planes: bool = False
    ragged: bool = True
    epilogue: Epilogue = NO_EPILOGUE

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("src", "dst", *Extents.names(), *Window.names(), *Strides.names(), *self.epilogue.arguments)

    @property
    def name(self) -> str:
        what = f"{self.function}_pool{3 if self.planes else 2}d_forward"
        return kernel_name(what, "columns", "float32", str(self.columns), "ragged" * self.ragged, self.epilogue.name)

    def emit(self, e: Emitter) -> None:
        s = Slide(e, self.planes)
        finish = Finish(e, self.epilogue, s.dst)

        def tile_of_row(row: Row, tile: RowTile) -> None:
            src_tile = e.at(row.src, tile.x * self.columns.stride * s.src_pixel)
            offset = row.offset + tile.x * s.dst_pixel
            scales: dict[int, Value] = {}
            if self.function == "average":
                found = (row.rows[1] - row.rows[0]) * (row.planes[1] - row.planes[0])
                for count in {tile.taps_of(p) for p in range(tile.pixels)}:
                    scales[count] = reciprocal(e, found * count)

            def channels(c: Index, lanes: int, mask: Value | None) -> None:
                carry = [start(e, self.function, lanes)] * len(tile.columns)
                with s.over_taps(row, carry) as (loop, plane, tap):
                    at = e.at(src_tile, s.tap_offset(plane, tap) + c)
                    values = [e.load(at, s.src_pixel * j, lanes, mask=mask) for j, _ in tile.columns]
                    loop.carry([combine(e, self.function, a, v) for a, v in zip(loop.values, values)])
                pixels: list[Value] = [None] * tile.pixels
                for (_, uses), v in zip(tile.columns, carry):
                    for p, _ in uses:
                        pixels[p] = v if pixels[p] is None else combine(e, self.function, pixels[p], v)
                if scales:
                    pixels = [e.fmul(v, e.splat(scales[tile.taps_of(p)], lanes)) for p, v in enumerate(pixels)]
                finish(pixels, [offset + s.dst_pixel * p for p in range(tile.pixels)], c, lanes, mask)

            over_channels(e, *row.channels, self.ragged, channels)

        with s.over_rows() as row:
            over_tiles(e, self.columns, s.ow, lambda tile: tile_of_row(row, tile))
