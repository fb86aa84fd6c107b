"""One-hot rows."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.algorithms.shaping.indices import index_at, masked_vectors
from simplecell.engine.algorithms.shaping.one_hot.schedule import OneHotSchedule
from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, I64, Emitter
from simplecell.engine.code.kernel import Kernel, kernel_name, short


@dataclass(frozen=True)
class OneHotKernel(Kernel):
    """dst[j, :] = 1 at indices[j], 0 elsewhere."""

    arguments = ("indices", "dst", *OneHotSchedule.names())
    dtype: str
    index_dtype: str

    @property
    def name(self) -> str:
        return kernel_name("one_hot", "rows", self.dtype, short(self.index_dtype))

    def emit(self, e: Emitter) -> None:
        indices, dst = e.pointer("indices"), e.pointer("dst")
        count, depth = e.index("count"), e.index("depth")
        lane = ir.Constant(ir.VectorType(I64, e.lanes), list(range(e.lanes)))
        first, last = e.my_share(count)
        with e.loop(last, first, name="row") as loop:
            index = index_at(e, self.index_dtype, indices, loop.index)
            row = e.at(dst, loop.index * depth, ELEMENT[self.dtype])
            with masked_vectors(e, depth) as (at, mask):
                hit = e.b.icmp_signed("==", lane, e.splat((index - at).ir))
                elementwise.store(e, self.dtype, elementwise.cast(e, hit, "bool", self.dtype), row, at, mask)
