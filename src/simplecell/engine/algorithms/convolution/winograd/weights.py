"""Winograd's transform of the weights: done once, when they change."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.emit import F64, Emitter, Value
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class PackSchedule(Schedule):
    """Which taps a transform takes, and the sizes of chunks and blocks.

    Of the kernel's taps, numbered as they lie in src, slice s transforms those from s · slice_taps on that are
    `row_taps` (in two dimensions) and `column_taps` apart.
    """

    slices: int
    slice_taps: int
    row_taps: int
    column_taps: int
    ic: int
    oc: int
    chunks: int
    chunk_blocks: int
    """blocks in a chunk"""
    width: int
    """output channels in a block, a multiple of the vector"""


@dataclass(frozen=True)
class WinogradWeights(Kernel):
    """src `(…, ic, oc)` → dst `[chunk][point][block][slices · ic][width]`, zeros where there is no channel.

    They are computed in float64 and rounded once: so they add no more to the error than weights in float32 do anyway.
    """

    transform: Transform
    dimensions: int = 2
    scaled: bool = False
    """Each weight is multiplied by its output channel's `scale` first (a normalization folded in)."""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("dst", "src", *(("scale",) if self.scaled else ()), *PackSchedule.names())

    @property
    def name(self) -> str:
        size, scaled = f"{self.dimensions}d_{self.transform}", "scaled" if self.scaled else ""
        return kernel_name("convolution_pack_weights", "winograd", "float32", size, scaled)

    def emit(self, e: Emitter) -> None:
        dst, src = e.pointer("dst"), e.pointer("src")
        scale = e.pointer("scale") if self.scaled else None
        slices, slice_taps, row_taps, column_taps, ic, oc, chunks, chunk_blocks, width = (
            e.index(a) for a in PackSchedule.names()
        )
        taps, points, g = self.transform.taps, self.transform.points, self.transform.weights_matrix()
        first, last = e.my_share(chunks * chunk_blocks)
        with e.loop(last, start=first, name="block") as block:
            chunk, inner = block.index // chunk_blocks, block.index % chunk_blocks
            with e.loop(slices * ic, name="ic") as row, e.loop(width, step=e.lanes, name="vector") as v:
                channel = block.index * width + v.index
                slice_, i = row.index // ic, row.index % ic
                mask = e.mask(oc - channel)
                factor = None if scale is None else e.load(scale, channel, mask=mask)

                def tap(r: int, s: int) -> Value:
                    at = slice_ * slice_taps + row_taps * r + column_taps * s  # noqa: B023
                    value = e.load(src, (at * ic + i) * oc + channel, mask=mask)  # noqa: B023
                    value = value if factor is None else e.fmul(value, factor)  # noqa: B023
                    return e.b.fpext(value, e.vector(element=F64))

                if self.dimensions == 1:
                    out = _rows(e, g, [tap(0, s) for s in range(taps)])
                else:
                    columns = [_rows(e, g, [tap(r, s) for r in range(taps)]) for s in range(taps)]
                    out = [x for a in range(points) for x in _rows(e, g, [columns[s][a] for s in range(taps)])]
                for point, value in enumerate(out):
                    to = ((chunk * len(out) + point) * chunk_blocks + inner) * slices * ic + row.index
                    e.store(e.b.fptrunc(value, e.vector()), dst, to * width + v.index)


def _rows(e: Emitter, g: object, values: list[Value]) -> list[Value]:
    """g · values"""
    out = []
    for row in g:  # type: ignore[attr-defined]
        total = None
        for c, v in zip(row, values):
            if c:
                term = e.fmul(v, ir.Constant(v.type, [float(c)] * e.lanes))
                total = term if total is None else e.fadd(total, term)
        out.append(total)
    return out
