"""Packing the weights of planar convolution, with zeros for the rows that an input does not reach."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.planar.schedule import PlanarWeightsSchedule
from simplecell.engine.code.emit import Emitter
from simplecell.engine.code.kernel import Kernel, kernel_name


@dataclass(frozen=True)
class PlanarWeights(Kernel):
    """src `(kd, kh, kw, ic, oc)` → dst `[kd][kh + rows - 1][ic][kw][rows][oc]`: the weight with which row y of the
    inputs reaches row r of the outputs, `src[kd, y - r]`, zero where it does not."""

    arguments = ("dst", "src", *PlanarWeightsSchedule.names())

    @property
    def name(self) -> str:
        return kernel_name("convolution_pack_weights", "planar", "float32")

    def emit(self, e: Emitter) -> None:
        dst, src = e.pointer("dst"), e.pointer("src")
        kd, kh, kw, ic, oc, rows = (e.index(a) for a in ("kd", "kh", "kw", "ic", "oc", "rows"))
        read_rows = kh + rows - 1
        first, last = e.my_share(kd * read_rows)
        with e.loop(last, start=first, name="line") as line:
            z, y = line.index // read_rows, line.index % read_rows
            out = e.at(dst, line.index * ic * kw * rows * oc)
            with (
                e.loop(ic, name="ic") as i,
                e.loop(kw, name="kx") as x,
                e.loop(rows, name="row") as r,
                e.loop(oc, name="oc") as c,
            ):
                ky = y - r.index
                at = ((i.index * kw + x.index) * rows + r.index) * oc + c.index
                with e.otherwise_when(e.b.and_(ky >= 0, ky < kh)) as (reaches, otherwise):
                    with reaches:
                        e.store(
                            e.load(src, (((z * kh + ky) * kw + x.index) * ic + i.index) * oc + c.index, lanes=1),
                            out,
                            at,
                        )
                    with otherwise:
                        e.store(e.zero(1), out, at)
