"""The Fourier transform of the weights along the columns of their kernels: done once, when they change."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.convolution.fourier_rows.schedule import FourierRowsWeightsSchedule
from simplecell.engine.code.emit import F64, I64, Emitter, Index
from simplecell.engine.code.kernel import Kernel, kernel_name


@dataclass(frozen=True)
class FourierRowsWeights(Kernel):
    """src: `values` numbers as rows of `line` (the last may be shorter), row p meeting input row p · `dilation`
    → dst `[size rows][real, imaginary][run]`, zeros behind a line: Σ over p of src[p] · exp(2πi·f·p·dilation / size) /
    size, where f is the row's entry in `order`.

    That is the conjugate of the transform (convolution layers correlate), with the inverse transform's scale.
    roots: exp(2πi·k / size) / size for k < size, in float64; sums are in float64 too, and rounded once. size is a power
        of two.
    """

    arguments = ("dst", "src", "roots", "order", *FourierRowsWeightsSchedule.names())

    @property
    def name(self) -> str:
        return kernel_name("convolution_transform_weights", "fourier_rows", "float32")

    def emit(self, e: Emitter) -> None:
        dst, src, roots, order = (e.pointer(a) for a in ("dst", "src", "roots", "order"))
        values, line, run, dilation, size = (e.index(a) for a in ("values", "line", "run", "dilation", "size"))
        first, last = e.my_share(size)
        with e.loop(last, start=first, name="frequency") as row:
            step = Index(e, e.load(order, row.index, lanes=1, element=I64)) * dilation
            out = e.at(dst, row.index * run * 2)
            with e.loop(run, step=e.lanes, name="vector") as v:
                nothing = e.zero(element=F64)
                with e.loop(
                    values, start=v.index, step=line, carry=[nothing, nothing, e.const(0).ir], name="tap"
                ) as tap:
                    real, imaginary, turn = tap.values
                    x = e.b.fpext(
                        e.load(src, tap.index, mask=e.mask((line - v.index).minimum(values - tap.index))),
                        e.vector(element=F64),
                    )
                    at = Index(e, turn) * 2
                    cosine, sine = (e.splat(e.load(roots, at + i, lanes=1, element=F64)) for i in range(2))
                    turned = e.b.and_((Index(e, turn) + step).ir, (size - 1).ir)
                    tap.carry([e.fma(x, cosine, real), e.fma(x, sine, imaginary), turned])
                mask = e.mask(run - v.index)
                for i, total in enumerate(tap.results[:2]):
                    e.store(e.b.fptrunc(total, e.vector()), out, run * i + v.index, mask=mask)
