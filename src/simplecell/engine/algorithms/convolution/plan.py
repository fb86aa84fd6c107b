"""What an algorithm makes of a convolution: its kernels with their arguments and sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from simplecell.engine.code.kernel import Kernel

K = TypeVar("K", bound=Kernel)


@dataclass(frozen=True)
class Apart:
    """What sums directly the tiles in which the plan's kernel has found an outlier (outliers.py)."""

    kernel: Kernel
    arguments: dict[str, Any]
    marks: int
    """bytes, one for each tile: `apart` of both kernels"""
    scratch_bytes: int
    packer: Kernel | None = None
    """brings the weights into this kernel's form; None: it reads the plan's packed ones, or `raw` ones as they are"""
    packing: dict[str, Any] = field(default_factory=dict)
    packed_bytes: int = 0
    raw: bool = False


@dataclass(frozen=True)
class ConvolutionPlan(Generic[K]):
    """Everything but addresses, which are the caller's to add."""

    kernel: K
    arguments: dict[str, Any]
    packer: Kernel
    """brings the weights into the kernel's form, when they change"""
    packing: dict[str, Any]
    """the packer's arguments"""
    packed_bytes: int
    scratch_bytes: int
    """of each thread"""
    apart: Apart | None = None
