"""A kernel: a frozen description that emits one LLVM function. Equal descriptions share one piece of machine code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simplecell.engine.code.emit import Emitter


@dataclass(frozen=True)
class Kernel:
    """Base of all kernels. Fields are what is compiled in; everything in `arguments` is given at run time.

    The function computes this thread's share of the outputs; outputs are divided, sums are not, so the bits do not
    depend on the number of threads. A kernel that needs scratch memory names the argument `scratch`: the address of
    `scratch_bytes` per thread (the kernel adds `thread × scratch_stride`, also an argument, in bytes).
    """

    arguments: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("dst",)
    """which of the arguments are addresses that the kernel writes; every other address is only read"""
    if_marked: ClassVar[tuple[str, str] | None] = None
    """Two of the arguments, an address and a number: the step is passed over unless one of so many bytes there is not
    zero. Such kernels are compiled when a step is first not passed over."""

    @property
    def name(self) -> str:
        """What it does, on what, how: `conv2d_forward_f32_14x2`. Two kernels of one name must be equal."""
        raise NotImplementedError

    def emit(self, e: Emitter) -> None:
        """Write the body; `e.done()` is called by the caller."""
        raise NotImplementedError
