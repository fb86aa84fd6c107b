"""What an algorithm makes of a convolution: its kernels with their arguments and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from simplecell.engine.kernel import Kernel

K = TypeVar("K", bound=Kernel)


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
