"""The Fourier transform of a signal's weights along their taps: done once, when they change."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.fourier_channels.schedule import FourierChannelsWeightsSchedule
from simplecell.engine.code.emit import F64, I64, Emitter, Index
from simplecell.engine.code.kernel import Kernel, kernel_name


@dataclass(frozen=True)
class FourierChannelsWeights(Kernel):
    """src: `values` × oc numbers as rows of `run` × oc → dst `[frequency][tile][run][real, imaginary][width]`: the
    transform of `FourierRowsWeights`, the first `half` output channels plus i times the others. `half` is a multiple of
    `width`."""

    arguments = ("dst", "src", "roots", "order", *FourierChannelsWeightsSchedule.names())

    @property
    def name(self) -> str:
        return kernel_name("convolution_transform_weights", "fourier_channels", "float32")

    def emit(self, e: Emitter) -> None:
        dst, src, roots, order = (e.pointer(a) for a in ("dst", "src", "roots", "order"))
        values, run, size, oc, half, width = (e.index(a) for a in ("values", "run", "size", "oc", "half", "width"))
        first, last = e.my_share(size)
        with (
            e.loop(last, start=first, name="frequency") as row,
            e.loop(run, name="value") as c,
            e.loop(half, step=e.lanes, name="column") as x,
        ):
            frequency = Index(e, e.load(order, row.index, lanes=1, element=I64))
            nothing = e.zero(element=F64)
            masks = [e.mask(oc - x.index), e.mask(oc - half - x.index)]
            with e.loop(values, start=c.index, step=run, carry=[nothing] * 4 + [e.const(0).ir], name="tap") as tap:
                *sums, turn = tap.values
                at = Index(e, turn) * 2
                cosine, sine = (e.splat(e.load(roots, at + i, lanes=1, element=F64)) for i in range(2))
                for i, mask in enumerate(masks):
                    w = e.b.fpext(e.load(src, tap.index * oc + half * i + x.index, mask=mask), e.vector(element=F64))
                    sums[2 * i], sums[2 * i + 1] = e.fma(w, cosine, sums[2 * i]), e.fma(w, sine, sums[2 * i + 1])
                tap.carry([*sums, e.b.and_((Index(e, turn) + frequency).ir, (size - 1).ir)])
            a, b, c_, d = tap.results[:4]
            tile, within = x.index // width, x.index % width
            at = ((row.index * half + tile * width) * run + c.index * width) * 2 + within
            e.store(e.b.fptrunc(e.fsub(a, d), e.vector()), dst, at)
            e.store(e.b.fptrunc(e.fadd(b, c_), e.vector()), dst, at + width)
