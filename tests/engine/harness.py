"""Running one kernel on buffers that end (or begin) at a page that must not be touched."""

from __future__ import annotations

import ctypes
import mmap
import struct
from typing import Any

import numpy as np

from simplecell.engine.code.kernel import Kernel
from simplecell.engine.host import target
from simplecell.engine.machine.machine import machine

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def available_targets() -> list[str]:
    """The instruction sets that this machine can run."""
    names = []
    for name in ("avx512", "avx2", "x86-64", "neon", "generic"):
        try:
            target(name)
        except ValueError:
            continue
        names.append(name)
    return names


def guarded(array: np.ndarray, end: bool = True) -> np.ndarray:
    """A copy of `array` whose last byte (or first, if not `end`) lies at the edge of a page that crashes when
    touched."""
    body = -(-max(array.nbytes, 1) // PAGE) * PAGE
    memory = mmap.mmap(-1, body + 2 * PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for edge in (base, base + PAGE + body):
        if _libc.mprotect(edge, PAGE, 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE + (body - array.nbytes if end else 0)
    copy = np.frombuffer(memory, dtype=array.dtype, count=array.size, offset=offset).reshape(array.shape)
    copy[...] = array
    return copy  # the view keeps the mapping alive


def word(value: Any) -> int:
    """One 64-bit argument: an array's address, an integer, or a float32's bits."""
    if isinstance(value, np.ndarray):
        return int(value.ctypes.data)
    if isinstance(value, float):
        return int(struct.unpack("<I", struct.pack("<f", value))[0])
    return int(value)


def run(kernel: Kernel, threads: int = 1, on: str | None = None, backwards: bool = False, **arguments: Any) -> None:
    """Call the kernel once for each of `threads` shares, one after the other, or the last one first."""
    if set(arguments) != set(kernel.arguments):
        raise TypeError(f"{kernel.name} takes {kernel.arguments}, got {tuple(arguments)}")
    address = machine(target(on)).addresses([kernel])[kernel]
    words = np.array([word(arguments[a]) for a in kernel.arguments], np.int64)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address)
    for thread in reversed(range(threads)) if backwards else range(threads):
        function(words.ctypes.data, thread, threads)
