"""What the kernel of resizing is given."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class ResizeSchedule(Schedule):
    """Run-time arguments but addresses: extents of dst (`o…`) and src (`i…`), and taps (`k…`), along depth, height and
    width."""

    n: int
    od: int
    oh: int
    ow: int
    id: int
    ih: int
    iw: int
    channels: int
    kd: int
    kh: int
    kw: int
