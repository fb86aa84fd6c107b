"""Packing the weights of a convolution for a matrix unit: tiles of 32 × 16 in bfloat16 parts."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.matrix.schedule import MatrixWeightsSchedule
from simplecell.engine.code.bfloat16 import split
from simplecell.engine.code.emit import I32, Emitter
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.matrix_unit import COLUMNS, DEPTH, TILE


@dataclass(frozen=True)
class MatrixWeights(Kernel):
    """src `(taps, ic, oc)` float32 → dst `[blocks of 32 oc][blocks of 32 ic][taps][parts][2 halves of the block of oc]`
    tiles, zeros where there is no channel.

    Row j of a tile pairs the input channels j and j + 16 of its block. Scaled: each weight times its output channel's
    `scale` (a normalization folded in).
    """

    parts: int
    scaled: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("dst", "src", *(("scale",) if self.scaled else ()), *MatrixWeightsSchedule.names())

    @property
    def name(self) -> str:
        return kernel_name(
            "convolution_pack_weights", "matrix", "float32", f"bf16x{self.parts}", "scaled" * self.scaled
        )

    def emit(self, e: Emitter) -> None:
        dst, src = e.pointer("dst"), e.pointer("src")
        scale = e.pointer("scale") if self.scaled else None
        taps, ic, oc = (e.index(a) for a in ("taps", "ic", "oc"))
        deep = (ic + DEPTH - 1) // DEPTH
        across = (oc + 2 * COLUMNS - 1) // (2 * COLUMNS)
        first, last = e.my_share(across * deep)
        words = TILE // 4  # in a tile
        with (
            e.loop(last, start=first, name="unit") as unit,
            e.loop(taps, name="tap") as tap,
            e.loop(2, name="half") as half,
        ):
            k, c = unit.index % deep, unit.index // deep * (2 * COLUMNS) + half.index * COLUMNS
            out = e.at(dst, ((unit.index * taps + tap.index) * (2 * self.parts) + half.index) * words)
            channels = e.mask(oc - c)
            factor = None if scale is None else e.load(scale, c, mask=channels)
            with e.loop(COLUMNS, name="pair") as j:
                rows = []
                for i in (k * DEPTH + j.index, k * DEPTH + j.index + COLUMNS):
                    mask = e.mask(e.select(i < ic, oc - c, 0))
                    row = e.load(src, (tap.index * ic + i) * oc + c, mask=mask)
                    rows.append(row if factor is None else e.fmul(row, factor))
                for part, value in enumerate(split(e, rows[0], rows[1], self.parts, finite=False)[0]):
                    e.store(value, e.at(out, part * (2 * words) + j.index * COLUMNS, I32))
