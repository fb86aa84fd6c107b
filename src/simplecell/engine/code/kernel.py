"""A kernel: a frozen description that emits one LLVM function. Equal descriptions share one piece of machine code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from simplecell.engine.code.emit import Emitter
from simplecell.engine.target import Target


@dataclass(frozen=True)
class Kernel:
    """Base of all kernels. Fields are what is compiled in; everything in `arguments` is given at run time.

    The function computes this thread's share of the outputs; outputs are divided, sums are not, so the bits do not
    depend on the number of threads. A kernel that needs scratch memory names the arguments `scratch` and
    `scratch_stride`: the address of all threads' scratch, and the bytes of one thread's (`Emitter.scratch`).
    """

    arguments: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("dst",)
    """which of the arguments are addresses that the kernel writes; every other address is only read"""
    if_marked: ClassVar[tuple[str, str] | None] = None
    """Two of the arguments, an address and a number: the step is passed over unless one of so many bytes there is not
    zero. Such kernels are compiled when a step is first not passed over."""

    @property
    def name(self) -> str:
        """By the grammar of `kernel_name`. Two kernels of one name must be equal."""
        raise NotImplementedError

    def symbol(self, target: Target) -> str:
        """The function's name in machine code for a target: the kernel's, and the instruction set."""
        return f"{self.name}_{target.name.replace('-', '_')}"

    def emit(self, e: Emitter) -> None:
        """Write the body; `e.done()` is called by the caller."""
        raise NotImplementedError


def kernel_name(what: str, algorithm: str, dtype: str, *options: str) -> str:
    """A kernel's name. Its words are joined by underscores, in this order; what is empty is left out.

        what        what is computed: convolution_forward, convolution_pack_weights, matmul, reduce_sum
        algorithm   how, by its room: direct, winograd, copied, columns, rows
        dtype       of the results, short: f32, i8, u16, bool
        options     the register tile (14x2), then what else is compiled in (ragged, blocked), then the epilogue or
                    expression (relu_1a2b3c4d), then a digest where these words do not tell all

    In machine code, listings and profiles the instruction set follows (`Kernel.symbol`):
    `matmul_copied_f32_14x2_ragged_avx512`.
    """
    return "_".join(word for word in (what, algorithm, short(dtype), *options) if word)


def short(dtype: str) -> str:
    """A dtype in names: `float32` is f32, `uint8` u8, `bool` itself."""
    bits = dtype.lstrip("abcdefghijklmnopqrstuvwxyz")
    return dtype[: 1 if bits else None] + bits


def digest(what: object) -> str:
    """Eight hexadecimal digits that differ where descriptions do."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:8]
