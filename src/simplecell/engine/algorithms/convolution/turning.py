"""Gradient of a convolution for its input: what it needs besides the kernels of convolution itself."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.direct.kernel import SPREAD
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.matmul_tile import transposed
from simplecell.engine.code.tile_store import Operands


@dataclass(frozen=True)
class TurnWeights(Kernel):
    """Weights as the convolution that computes the gradient takes them: turned round in space, inputs and outputs
    exchanged.

        dst[u, o, g · ic + i] = src[last − u · step, i, g · oc + o]

    for u < taps on each of three spatial axes; ic and oc count the channels of one of the `groups`; `kh` and `kw` are
    the rows and columns of taps in src. With strides, each phase takes every `step`-th tap (see the lowering).
    """

    arguments = (
        *("dst", "src", "ic", "oc", "groups", "kh", "kw"),
        *(f"{what}_{axis}" for axis in "zyx" for what in ("taps", "last", "step")),
    )

    @property
    def name(self) -> str:
        return "convolution_turn_weights_f32"

    def emit(self, e: Emitter) -> None:
        dst, src = e.pointer("dst"), e.pointer("src")
        ic, oc, groups, kh, kw = (e.index(a) for a in ("ic", "oc", "groups", "kh", "kw"))
        (nz, lz, sz), (ny, ly, sy), (nx, lx, sx) = (
            tuple(e.index(f"{what}_{a}") for what in ("taps", "last", "step")) for a in "zyx"
        )
        strips = (ic + (e.lanes - 1)) // e.lanes
        first, last = e.my_share(nz * ny * nx * groups * strips)
        with e.loop(last, start=first, name="strip") as unit:
            i, rest = unit.index % strips * e.lanes, unit.index // strips
            group, tap = rest % groups, rest // groups
            x, y, z = tap % nx, tap // nx % ny, tap // nx // ny
            from_tap = ((lz - z * sz) * kh + ly - y * sy) * kw + lx - x * sx
            source = e.at(src, (from_tap * ic + i) * (groups * oc) + group * oc)
            to = e.at(dst, tap * oc * (groups * ic) + group * ic + i)
            _transpose(e, source, groups * oc, to, groups * ic, (ic - i).minimum(e.lanes), oc)


def _transpose(e: Emitter, src: Value, src_row: Index, dst: Value, dst_row: Index, rows: Index, columns: Index) -> None:
    """dst[c, r] = src[r, c], r < rows ≤ lanes, c < columns: squares of a vector's side in registers, what is left value
    by value."""
    lanes = e.lanes
    squares = e.select(rows.equals(lanes), columns // lanes * lanes, 0)
    with e.loop(squares, step=lanes, name="square") as at:
        block = [e.load(src, src_row * r + at.index) for r in range(lanes)]
        for c, value in enumerate(transposed(e, block)):
            e.store(value, dst, (at.index + c) * dst_row)
    with e.loop(columns, start=squares, name="column") as column, e.loop(rows, name="row") as row:
        e.store(e.load(src, row.index * src_row + column.index, lanes=1), dst, column.index * dst_row + row.index)


@dataclass(frozen=True)
class SpreadZeros(Kernel):
    """dst = epilogue(0) at the pixels of a phase that no tap reaches: `images` × `planes` × `rows` × `pixels` of them,
    each with a stride in values, `channels` wide."""

    epilogue: Epilogue = NO_EPILOGUE

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("dst", "images", "planes", "rows", "pixels", "channels", *SPREAD, *self.epilogue.arguments)

    @property
    def name(self) -> str:
        return "_".join(w for w in ("spread_zeros_f32", self.epilogue.name) if w)

    def emit(self, e: Emitter) -> None:
        dst, operands = e.pointer("dst"), Operands.of(e, self.epilogue)
        images, planes, rows, pixels, channels = (e.index(a) for a in self.arguments[1:6])
        image, plane, row, step = (e.index(a) for a in SPREAD)
        whole = channels // e.lanes * e.lanes
        first, last = e.my_share(images * planes * rows)
        with e.loop(last, start=first, name="row") as line:
            y, z, n = line.index % rows, line.index // rows % planes, line.index // rows // planes
            start = n * image + z * plane + y * row
            with e.loop(pixels, name="pixel") as pixel:
                at = start + pixel.index * step
                with e.loop(whole, step=e.lanes, name="vector") as c:
                    e.store(operands.apply(e, e.zero(), at, c.index), dst, at + c.index)
                with e.when(whole < channels):
                    mask = e.mask(channels - whole)
                    e.store(operands.apply(e, e.zero(), at, whole, mask), dst, at + whole, mask=mask)
