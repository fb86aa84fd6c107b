"""How the gradient of pooling is divided."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.sliding import Sliding
from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class PoolGradientSchedule(Schedule):
    """Extents of outputs (`o…`) and inputs (`i…`) of the pooling, taps, strides and padding before the first tap, along
    depth, height and width."""

    n: int
    od: int
    oh: int
    ow: int
    id: int
    ih: int
    iw: int
    channels: int
    block: int
    """channels in a unit of work"""
    kd: int
    kh: int
    kw: int
    sd: int
    sh: int
    sw: int
    pd: int
    ph: int
    pw: int

    @staticmethod
    def of(window: Sliding, block: int) -> PoolGradientSchedule:
        d, h, w = window.axes
        return PoolGradientSchedule(
            n=window.n, od=d.outputs, oh=h.outputs, ow=w.outputs, id=d.size, ih=h.size, iw=w.size,
            channels=window.oc, block=block, kd=d.taps, kh=h.taps, kw=w.taps,
            sd=d.stride, sh=h.stride, sw=w.stride, pd=d.pad, ph=h.pad, pw=w.pad,
        )  # fmt: skip
