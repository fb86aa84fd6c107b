"""Max and average pooling with everything known only at run time, one output after the other."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.pooling.combine import combine, reciprocal, start
from simplecell.engine.algorithms.sliding import Extents, Strides, WidthWindow, Window
from simplecell.engine.code.emit import Emitter, Index, Value
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.window import Finish, Slide, inside_taps, over_channels


@dataclass(frozen=True)
class PoolAny(Kernel):
    """Any window. What is padded is never read."""

    function: str
    planes: bool = False
    ragged: bool = True
    epilogue: Epilogue = NO_EPILOGUE

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        window = (*Extents.names(), *Window.names(), *WidthWindow.names(), *Strides.names())
        return ("src", "dst", *window, *self.epilogue.arguments)

    @property
    def name(self) -> str:
        what = f"{self.function}_pool{3 if self.planes else 2}d_forward"
        return kernel_name(what, "any", "float32", "ragged" * self.ragged, self.epilogue.name)

    def emit(self, e: Emitter) -> None:
        s = Slide(e, self.planes)
        finish = Finish(e, self.epilogue, s.dst)
        iw, kw, sw, dw = (e.index(a) for a in WidthWindow.names())
        with s.over_rows() as row, e.loop(s.ow, name="pixel") as pixel:
            x0 = pixel.index * sw - s.pw
            first, end = inside_taps(x0, dw, kw, iw)
            found = (row.rows[1] - row.rows[0]) * (row.planes[1] - row.planes[0]) * (end - first)
            scale = reciprocal(e, found) if self.function == "average" else None
            src = e.at(row.src, pixel.index * sw * s.src_pixel)

            def channels(c: Index, lanes: int, mask: Value | None) -> None:
                carry = [start(e, self.function, lanes)]
                with s.over_taps(row, carry) as (loop, plane, tap):
                    at = e.at(src, s.tap_offset(plane, tap) + c)
                    with e.loop(end, first, carry=loop.values, name="kw") as k:
                        v = e.load(at, k.index * dw * s.src_pixel, lanes, mask=mask)
                        k.carry([combine(e, self.function, k.values[0], v)])
                    loop.carry(k.results)
                value = carry[0] if scale is None else e.fmul(carry[0], e.splat(scale, lanes))
                finish([value], [row.offset + pixel.index * s.dst_pixel], c, lanes, mask)

            over_channels(e, *row.channels, self.ragged, channels)
