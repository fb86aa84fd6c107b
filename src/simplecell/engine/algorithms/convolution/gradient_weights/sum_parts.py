"""The sum of the gradients that parts of the pixels gave."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.code.emit import Emitter
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class SumSchedule(Schedule):
    parts: int
    size: int
    """values in a part"""


@dataclass(frozen=True)
class SumParts(Kernel):
    """dst[j] = src[0][j] + src[1][j] + … in this order, j < size."""

    arguments = ("src", "dst", *SumSchedule.names())

    @property
    def name(self) -> str:
        return kernel_name("convolution_gradient_weights", "sum_parts", "float32")

    def emit(self, e: Emitter) -> None:
        src, dst, parts, size = e.pointer("src"), e.pointer("dst"), e.index("parts"), e.index("size")
        first, last = e.my_share((size + (e.lanes - 1)) // e.lanes)
        in_vectors = last.minimum(size // e.lanes)
        with e.loop(in_vectors, start=first, name="vector") as vector:
            at = vector.index * e.lanes
            with e.loop(parts, start=1, carry=[e.load(src, at)], name="part") as part:
                part.carry([e.fadd(part.values[0], e.load(src, part.index * size + at))])
            e.store(part.results[0], dst, at)
        with e.loop((last * e.lanes).minimum(size), start=in_vectors.maximum(first) * e.lanes, name="rest") as rest:
            with e.loop(parts, start=1, carry=[e.load(src, rest.index, lanes=1)], name="part") as part:
                part.carry([e.fadd(part.values[0], e.load(src, part.index * size + rest.index, lanes=1))])
            e.store(part.results[0], dst, rest.index)
