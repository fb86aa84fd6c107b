"""Packing the weights of a convolution for the register tile: `[group][block][tap][ic][block of output channels]`."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.code.emit import Emitter
from simplecell.engine.code.kernel import Kernel, kernel_name
from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class PackSchedule(Schedule):
    """Sizes of the weights and of their blocks."""

    taps: int
    ic: int
    """of one group"""
    oc: int
    """of one group"""
    groups: int
    merged: int
    """groups that become one"""
    blocks: int
    """of output channels in a merged group"""
    width: int
    """output channels in a block, a multiple of the vector"""


@dataclass(frozen=True)
class PackConvolutionWeights(Kernel):
    """src `(taps, ic, groups · oc)` → dst `[groups / merged][blocks][taps][merged · ic][width]`, zeros where there is
    no channel.

    Groups of few channels are merged into one of `merged` times as many, block-diagonal: a group of 4 channels would
    leave 12 of 16 lanes empty, a merged one fills them (and multiplies with zeros instead). `blocks · width` covers the
    `merged · oc` output channels.
    """

    scaled: bool = False
    """Each weight is multiplied by its output channel's `scale` (a normalization folded in)."""

    @property
    def arguments(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("dst", "src", *(("scale",) if self.scaled else ()), *PackSchedule.names())

    @property
    def name(self) -> str:
        return kernel_name("convolution_pack_weights", "direct", "float32", "scaled" if self.scaled else "")

    def emit(self, e: Emitter) -> None:
        dst, src = e.pointer("dst"), e.pointer("src")
        scale = e.pointer("scale") if self.scaled else None
        taps, ic, oc, groups, merged, blocks, width = (e.index(a) for a in PackSchedule.names())
        all_oc = groups * oc
        first, last = e.my_share(groups // merged * blocks)
        with e.loop(last, start=first, name="block") as block:
            group, c0 = block.index // blocks, block.index % blocks * width
            out = e.at(dst, block.index * taps * merged * ic * width)
            with e.loop(taps, name="tap") as tap, e.loop(merged, name="member") as member, e.loop(ic, name="ic") as i:
                row = (tap.index * merged + member.index) * ic + i.index
                # the channels of the merged group that this input channel reaches
                low, high = member.index * oc, (member.index + 1) * oc
                # Lane c of the block is channel c0 + c of the merged group: it reads channel c0 + c - low of the
                # member's own weights, which lie at (group · merged + member) · oc = group · merged · oc + low.
                channels = group * merged * oc
                at = (tap.index * ic + i.index) * all_oc + channels
                with e.loop(width, step=e.lanes, name="vector") as v:
                    c = c0 + v.index
                    mask = e.b.and_(e.mask(high - c), e.b.not_(e.mask(low - c)))
                    value = e.load(src, at + c, mask=mask)
                    if scale is not None:
                        value = e.fmul(value, e.load(scale, channels + c, mask=mask))
                    e.store(value, out, row * width + v.index)
