"""The gradient of a depthwise convolution for its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.depthwise.kernel import depthwise_name, inside, load_channels
from simplecell.engine.algorithms.sliding import Extents, Strides, Window
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.window import Slide, over_channels


@dataclass(frozen=True)
class DepthwiseGradientWeightsKernel(Kernel):
    """diff_weights[r, k, o] = Σ over n, y, x of src[n, y·s − p + r·d, x·s − p + k·d, o // multiplier] · diff_dst[n, y,
    x, o].

    Divided by blocks of channels. `taps` columns of the window at a time (they divide kw) in `taps × split`
    accumulators over a row of outputs: `split` neighbouring pixels add into sums of their own, which hides the latency
    of a multiplication, and reading a column serves all its taps. The row's sums are added to memory, so rounding
    errors grow with the rows, not with the pixels.
    """

    taps: int
    split: int
    stride: int
    dilation: int
    planes: bool = False
    multiplier: int = 1
    ragged: bool = True

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return _ARGUMENTS

    @property
    def name(self) -> str:
        part = f"w{self.taps}s{self.stride}d{self.dilation}_{self.split}"
        return depthwise_name("gradient_weights", self.planes, [part], self.multiplier, self.ragged, "")

    def emit(self, e: Emitter) -> None:
        s = Slide(e, self.planes)  # STRIDES: src, and diff_dst under the name of dst
        diff, iw, kw = e.pointer("diff_dst"), e.index("iw"), e.index("kw")
        blocks = (s.channels + s.block - 1) // s.block
        first, last = e.my_share(blocks)
        with e.loop(last, first, name="block") as unit:
            c0 = unit.index * s.block
            channels = (c0, (c0 + s.block).minimum(s.channels))
            with e.loop(s.kd * s.kh * kw, name="clear") as tap:
                over_channels(
                    e,
                    *channels,
                    self.ragged,
                    lambda c, lanes, mask: e.store(e.zero(lanes), s.dst, tap.index * s.channels + c, mask),
                )
            with s.rows_of(e.const(0), s.n * s.od * s.oh, channels) as row, s.over_taps(row, []) as (_, plane, r):
                with e.loop(kw, step=self.taps, name="kw") as k:
                    src = e.at(row.src, s.tap_offset(plane, r) + k.index * self.dilation * s.src_pixel)
                    at = (plane * s.kh + r) * kw + k.index if self.planes else r * kw + k.index
                    shift = s.pw - k.index * self.dilation
                    low, high = inside(shift, iw, s.ow, e.const(self.stride), e.const((self.taps - 1) * self.dilation))
                    full = low + (high - low) // self.split * self.split

                    def row_of_sums(c: Index, lanes: int, mask: Value | None) -> None:
                        sums = self._sums(e, s, src, e.at(diff, row.offset), shift, iw, (low, full), c, lanes, mask)
                        for j, total in enumerate(sums):
                            place = (at + j) * s.channels + c
                            e.store(e.fadd(e.load(s.dst, place, lanes, mask=mask), total), s.dst, place, mask)

                    over_channels(e, *channels, self.ragged, row_of_sums)

    def _sums(
        self,
        e: Emitter,
        s: Slide,
        src: Value,
        diff: Value,
        shift: Index,
        iw: Index,
        full: tuple[Index, Index],
        c: Index,
        lanes: int,
        mask: Value | None,
    ) -> list[Value]:
        """The sums of one row of outputs for each of the taps."""
        low, end = full

        def column(pixel: Index, j: int) -> Value:
            return load_channels(
                e, src, (pixel * self.stride + j) * s.src_pixel, c, s.channels, self.multiplier, lanes, mask
            )

        with e.loop(end, low, self.split, carry=[e.zero(lanes)] * (self.taps * self.split), name="pixels") as loop:
            acc = list(loop.values)
            d = [e.load(diff, (loop.index + u) * s.dst_pixel + c, lanes, mask=mask) for u in range(self.split)]
            uses: dict[int, list[tuple[int, int]]] = {}
            for u in range(self.split):
                for j in range(self.taps):
                    uses.setdefault(u * self.stride + j * self.dilation, []).append((u, j))
            for at, pairs in sorted(uses.items()):
                x = column(loop.index, at)
                for u, j in pairs:
                    acc[j * self.split + u] = e.fma(x, d[u], acc[j * self.split + u])
            loop.carry(acc)
        sums = [_total(e, loop.results[j * self.split : (j + 1) * self.split]) for j in range(self.taps)]
        with e.loop(2, carry=sums, name="side") as side:
            left = side.index.equals(0)
            with e.loop(e.select(left, low, s.ow), e.select(left, 0, end), carry=side.values, name="pixel") as pixel:
                one = e.load(diff, pixel.index * s.dst_pixel + c, lanes, mask=mask)
                acc = []
                for j in range(self.taps):
                    position = pixel.index * self.stride + j * self.dilation - shift
                    valid = e.b.icmp_unsigned("<", position.ir, iw.ir)
                    x = load_channels(
                        e,
                        src,
                        e.select(valid, position + shift, shift) * s.src_pixel,
                        c,
                        s.channels,
                        self.multiplier,
                        lanes,
                        mask,
                    )
                    acc.append(e.b.select(valid, e.fma(x, one, pixel.values[j]), pixel.values[j]))
                pixel.carry(acc)
            side.carry(pixel.results)
        return list(side.results)


_ARGUMENTS = ("src", "diff_dst", "dst", *Extents.names(), *Window.names(), *Strides.names(), "iw", "kw")


def _total(e: Emitter, values: Sequence[Value]) -> Value:
    while len(values) > 1:
        values = [
            e.fadd(values[i], values[i + 1]) if i + 1 < len(values) else values[i] for i in range(0, len(values), 2)
        ]
    return values[0]
