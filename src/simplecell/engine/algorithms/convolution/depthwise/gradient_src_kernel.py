"""The gradient of a strided depthwise convolution for its input, in one pass over the gradient's rows.

diff_src[n, i, j, c] = Σ over (o, r) with o · stride + r = i + pad, and likewise along the row, of diff_dst[n, o, ·, c]
· weights[r, ·, c]

So every stride-th row sees the same taps, and every stride-th pixel of a row does: a phase. Without strides there is
one phase, and `DepthwiseForward` with the window turned round computes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.depthwise.kernel import depthwise_name
from simplecell.engine.algorithms.convolution.depthwise.schedule import OnePassSchedule
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.window import Finish, RowTile, WindowColumns, over_channels, over_tiles

_ARGUMENTS = ("src", "weights", "dst", *OnePassSchedule.names())


@dataclass(frozen=True)
class Phase:
    """Every stride-th pixel of a row: a window without strides over diff_dst, whose tap t is column
    `tap − t · tap_stride` of the weights."""

    columns: WindowColumns
    pad: int
    tap: int
    tap_stride: int

    def __str__(self) -> str:
        return f"{self.columns}_{self.pad}_{self.tap}_{self.tap_stride}".replace("-", "m")


@dataclass(frozen=True)
class DepthwiseGradientSrcKernel(Kernel):
    """src is diff_dst (n, ih, iw, channels), dst is diff_src (n, oh, ow, channels); weights are (kh, kw, 1, channels).

    phases: one for each of the strides along the row; kh, sh, ph: the convolution's taps, stride and padding along the
    height, where there is no dilation. Units of work are rows of dst by blocks of channels.
    """

    phases: tuple[Phase, ...]
    kw: int
    ragged: bool = True
    epilogue: Epilogue = NO_EPILOGUE

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *self.epilogue.arguments)

    @property
    def name(self) -> str:
        parts = f"k{self.kw}", *map(str, self.phases)
        return depthwise_name("gradient_src", False, parts, 1, self.ragged, self.epilogue.name)

    def emit(self, e: Emitter) -> None:
        n, ih, iw, oh, ow, channels, block, strip, kh, sh, ph = (
            e.index(a) for a in ("n", "ih", "iw", "oh", "ow", "channels", "block", "strip", "kh", "sh", "ph")
        )
        src, weights, finish = e.pointer("src"), e.pointer("weights"), Finish(e, self.epilogue, e.pointer("dst"))
        blocks = (channels + block - 1) // block
        first, last = e.my_share(n * blocks * oh)
        with e.loop(last, first, name="row") as unit:
            rest = unit.index // oh
            y = unit.index - rest * oh
            image = rest // blocks
            c0 = (rest - image * blocks) * block
            # Tap `tap` + t · stride reads row `row` − t.
            row, tap = (y + ph) // sh, (y + ph) % sh
            taps = ((row - ih + 1).maximum(0), (((kh - tap).maximum(0) + sh - 1) // sh).minimum(row + 1))
            line, out = e.at(src, (image * ih + row) * iw * channels), (image * oh + y) * ow * channels
            end = (c0 + block).minimum(channels)
            with e.loop(end, c0, strip, name="strip") as part:
                mine = (part.index, (part.index + strip).minimum(end))
                for r, phase in enumerate(self.phases):
                    outputs = (ow - r + len(self.phases) - 1) // len(self.phases)

                    def tile(t: RowTile, r: int = r, phase: Phase = phase) -> None:
                        offset = out + (t.x * len(self.phases) + r) * channels

                        def vector(c: Index, lanes: int, mask: Value | None) -> None:
                            with e.loop(taps[1], taps[0], carry=[e.zero(lanes)] * t.pixels, name="kh") as loop:
                                at = e.at(line, (t.x - phase.pad - loop.index * iw) * channels + c)
                                w = e.at(weights, ((tap + loop.index * sh) * self.kw + phase.tap) * channels + c)
                                ws = [
                                    e.load(w, channels * (-phase.tap_stride * k), lanes, mask=mask)
                                    for k in range(phase.columns.taps)
                                ]
                                acc = list(loop.values)
                                for j, uses in t.columns:
                                    x = e.load(at, channels * j, lanes, mask=mask)
                                    for p, k in uses:
                                        acc[p] = e.fma(x, ws[k], acc[p])
                                loop.carry(acc)
                            pixels = [offset + channels * (p * len(self.phases)) for p in range(t.pixels)]
                            finish(loop.results, pixels, c, lanes, mask)

                        over_channels(e, *mine, self.ragged, vector)

                    over_tiles(e, phase.columns, outputs, tile)
