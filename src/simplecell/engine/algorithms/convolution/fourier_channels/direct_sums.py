"""The outputs of a signal's convolution that are too quiet for a transform, or not finite (outliers.py), summed
directly."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.fourier_channels.schedule import SignalDirectSchedule
from simplecell.engine.algorithms.convolution.rows import copy_row
from simplecell.engine.code.emit import I8, Emitter, Index
from simplecell.engine.code.expression import NO_EPILOGUE, Epilogue
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.code.tile_store import Operands


@dataclass(frozen=True)
class SignalDirect(Kernel):
    """dst[n, x, oc] = epilogue(Σ over taps and ic of src · weights), for the marked groups of `together` outputs.

    Blocks of `step` outputs are divided into groups, which end with them. `apart` has a byte for each group, and that
    `copies` times: a group is marked if it is in one of them. weights: `(taps, ic, oc)`, as the layer has them.
    """

    together: int
    epilogue: Epilogue = NO_EPILOGUE

    if_marked = ("apart", "marks")

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*_ARGUMENTS, *self.epilogue.arguments)

    @property
    def name(self) -> str:
        return kernel_name(
            "convolution_outliers", "fourier_channels", "float32", str(self.together), self.epilogue.name
        )

    def emit(self, e: Emitter) -> None:
        _Direct(e, self).emit()


_ADDRESSES = ("dst", "src", "weights", "apart", "marks", "scratch", "scratch_stride")
_ARGUMENTS = (*_ADDRESSES, *SignalDirectSchedule.names())


class _Direct:
    def __init__(self, e: Emitter, kernel: SignalDirect) -> None:
        self.e, self.k = e, kernel
        self.dst, self.src, self.weights = e.pointer("dst"), e.pointer("src"), e.pointer("weights")
        self.length, self.ic, self.pad, self.stride = (e.index(a) for a in ("length", "ic", "pad", "stride"))
        self.rows, self.oc, self.pixel, self.taps = (e.index(a) for a in ("rows", "oc", "dst_pixel", "taps"))
        self.scratch = e.scratch()
        self.operands = Operands.of(e, kernel.epilogue)

    def emit(self) -> None:
        e, together = self.e, self.k.together
        step, groups, apart = e.index("step"), e.index("groups"), e.pointer("apart")
        all_groups = e.index("n") * groups
        of_a_block = (step + (together - 1)) // together
        first, last = e.my_share(all_groups)
        with e.loop(last, start=first, name="group") as group:
            with e.loop(e.index("copies"), carry=[I8(0)], name="copy", at_least_once=True) as copy:
                mark = e.load(apart, copy.index * all_groups + group.index, lanes=1, element=I8)
                copy.carry([e.b.or_(copy.values[0], mark)])
            with e.when(e.b.icmp_unsigned("!=", copy.results[0], I8(0))):
                image, at = group.index // groups, group.index % groups
                within = at % of_a_block * together
                x = at // of_a_block * step + within
                self._group(image, x, (step - within).minimum(self.rows - x).minimum(together))

    def _group(self, image: Index, x: Index, count: Index) -> None:
        """`count` outputs from x on."""
        e, together = self.e, self.k.together
        step = self.stride * self.ic
        reach = self.stride * (together - 1) + self.taps
        source = e.at(self.src, image * self.length * self.ic)
        copy_row(e, self.scratch, source, x * self.stride - self.pad, reach, self.length, self.ic, self.ic, ())
        with e.loop(self.oc, step=e.lanes, name="channel") as c:
            mask = e.mask(self.oc - c.index)
            with e.loop(self.taps * self.ic, carry=[e.zero()] * together, name="value", at_least_once=True) as v:
                w = e.load(self.weights, v.index * self.oc + c.index, mask=mask)
                v.carry([
                    e.fma(e.broadcast(self.scratch, v.index + step * i), w, acc) for i, acc in enumerate(v.values)
                ])  # fmt: skip
            for i, acc in enumerate(v.results):
                with e.when(count > i):
                    at = (image * self.rows + x + i) * self.pixel
                    value = self.operands.apply(e, acc, at, c.index, mask)
                    e.store(value, self.dst, at + c.index, mask=mask)
