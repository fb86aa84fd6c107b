"""The pixels of a gradient that no tap reaches."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.direct.schedule import Spread
from simplecell.engine.algorithms.convolution.gradient_src.phases.schedule import Zeros
from simplecell.engine.code.emit import Emitter
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile_store import Operands


@dataclass(frozen=True)
class SpreadZeros(Kernel):
    """dst = epilogue(0) at the pixels of a phase: `images` × `planes` × `rows` × `pixels` of them, `channels` wide."""

    epilogue: Epilogue = NO_EPILOGUE

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("dst", *Zeros.names(), *Spread.names(), *self.epilogue.arguments)

    @property
    def name(self) -> str:
        return kernel_name("convolution_gradient_src", "zeros", "float32", self.epilogue.name)

    def emit(self, e: Emitter) -> None:
        dst, operands = e.pointer("dst"), Operands.of(e, self.epilogue)
        images, planes, rows, pixels, channels = (e.index(a) for a in Zeros.names())
        image, plane, row, next_pixel = (e.index(a) for a in Spread.names())
        in_vectors = channels // e.lanes * e.lanes
        first, last = e.my_share(images * planes * rows)
        with e.loop(last, start=first, name="row") as line:
            y, z, n = line.index % rows, line.index // rows % planes, line.index // rows // planes
            start = n * image + z * plane + y * row
            with e.loop(pixels, name="pixel") as pixel:
                at = start + pixel.index * next_pixel
                with e.loop(in_vectors, step=e.lanes, name="vector") as c:
                    e.store(operands.apply(e, e.zero(), at, c.index), dst, at + c.index)
                with e.when(in_vectors < channels):
                    mask = e.mask(channels - in_vectors)
                    e.store(operands.apply(e, e.zero(), at, in_vectors, mask), dst, at + in_vectors, mask=mask)
