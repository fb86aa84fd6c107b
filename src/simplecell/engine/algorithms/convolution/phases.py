"""The gradient of a strided convolution for src, along one axis: it falls into phases, windows without strides."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from simplecell.engine.algorithms.sliding import Axis
from simplecell.engine.code.rounding import ceil_div


class AxisPhase(NamedTuple):
    """Every stride-th output of the gradient."""

    first: int
    """output"""
    window: Axis
    """over diff_dst, without strides; no taps where none reaches the outputs"""
    tap: int
    """the first"""
    tap_stride: int
    """how far the next tap lies before it"""


def phases(a: Axis) -> list[AxisPhase]:
    """Those of a convolution's window. Output i gets tap k of position o where o · stride = i + pad − k · dilation."""
    found = []
    common = gcd(a.dilation, a.stride)
    for first in range(min(a.stride, a.size)):
        count = ceil_div(a.size - first, a.stride)
        taps = [k for k in range(a.taps) if (first + a.pad - k * a.dilation) % a.stride == 0]
        if not taps:
            found.append(AxisPhase(first, Axis(a.outputs, count, 0), 0, 0))
            continue
        # The last tap reads the first position.
        position = (first + a.pad - taps[-1] * a.dilation) // a.stride
        window = Axis(a.outputs, count, len(taps), 1, a.dilation // common, -position)
        found.append(AxisPhase(first, window, taps[-1], a.stride // common))
    return found
