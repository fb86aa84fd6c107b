"""What an algorithm makes of a convolution: kernels with all that they are given but addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from simplecell.engine.code.kernel import Kernel
from simplecell.engine.planning.algorithm import K, Plan, Schedule


@dataclass(frozen=True)
class Packing:
    """What brings the weights into a kernel's form, when they change."""

    kernel: Kernel
    schedule: Schedule
    nbytes: int
    """of the packed weights"""
    tables: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)
    """constants that it reads, by the argument that takes their address"""
    title: str = "pack weights"
    scales: bool = False
    """Can its kernel multiply each output channel by a factor on the way (a field `scaled`, an argument `scale`)?"""


@dataclass(frozen=True)
class Apart:
    """What sums directly the patches in which the plan's kernel has found an outlier (outliers.py)."""

    kernel: Kernel
    schedule: Schedule
    marks: int
    """bytes, one for each patch: `apart` of both kernels"""
    scratch_bytes: int
    packing: Packing | None = None
    """brings the weights into this kernel's form; None: it reads the plan's packed ones, or `raw` ones as they are"""
    raw: bool = False


@dataclass(frozen=True)
class ConvolutionPlan(Plan[K]):
    """Everything but addresses, which steps.py adds."""

    packing: Packing | None = None
    """None: the kernel reads the weights as they are"""
    apart: Apart | None = None

    @property
    def weights(self) -> Packing:
        assert self.packing is not None
        return self.packing
