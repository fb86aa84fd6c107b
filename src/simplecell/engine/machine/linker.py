"""Object code → addresses, without LLVM: its library takes 60 MiB and 70 ms to load, and where all kernels are on disk
already nothing else needs it.

For ELF objects of x86-64 (Linux, FreeBSD) made with the code model for JITs, whose addresses are all whole 64-bit
words. Anything else is `Unsupported`, and LLVM's own linker does it (see `compiler`).
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from simplecell.engine.target import Target

_X86_64, _RELOCATABLE = 62, 1
_RELA, _NOBITS, _UNWIND = 4, 8, 0x70000001
_WRITE, _ALLOC = 1, 2
_ABS64 = 1  # the one kind of relocation: symbol + addend, 64 bits
_UNDEFINED, _RESERVED = 0, 0xFF00


class Unsupported(Exception):
    """The object (or the system) asks for more than this linker does."""


@dataclass(frozen=True)
class _Section:
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


def supported(target: Target) -> bool:
    """May objects for this target be linked here?"""
    return sys.platform.startswith(("linux", "freebsd")) and target.triple.startswith("x86_64")


def link(objects: Sequence[bytes]) -> dict[str, int]:
    """Put the objects into memory; the addresses of the functions that they define."""
    parsed = [_Object(data) for data in objects]
    size = 0
    for o in parsed:
        size = o.place(size)
    # Never unmapped, by no object's end: workers wait inside of this code until the process is gone.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    base = libc.mmap(None, max(size, 1), mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if base == ctypes.c_void_p(-1).value:
        raise MemoryError(f"mmap: error {ctypes.get_errno()}")
    image = bytearray(size)
    found: dict[str, int] = {}
    for o in parsed:
        o.write(image, base)
        found |= o.functions(base)
    ctypes.memmove(base, bytes(image), size)
    if libc.mprotect(base, max(size, 1), mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        raise Unsupported(f"mprotect: error {ctypes.get_errno()}")
    return found


class _Object:
    def __init__(self, data: bytes) -> None:
        if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", data, 16) != (_RELOCATABLE, _X86_64):
            raise Unsupported("not a relocatable ELF object of x86-64")
        self.data = data
        (table,) = struct.unpack_from("<Q", data, 40)
        size, count = struct.unpack_from("<HH", data, 58)
        self.sections = [_Section(*struct.unpack_from("<4xIQ8xQQIIQ8x", data, table + i * size)) for i in range(count)]
        self.places: dict[int, int] = {}

    def place(self, start: int) -> int:
        """Choose where each section goes, from `start` on; where the next object may begin."""
        for i, s in enumerate(self.sections):
            if not s.flags & _ALLOC or s.kind == _UNWIND:  # nothing unwinds through kernels
                continue
            if s.flags & _WRITE or s.kind == _NOBITS:
                raise Unsupported("a section to be written to")
            start = -(-start // max(s.alignment, 1)) * max(s.alignment, 1)
            self.places[i] = start
            start += s.size
        return start

    def write(self, image: bytearray, base: int) -> None:
        """Copy the sections into what will lie at `base`, with the addresses that they mention."""
        for i, at in self.places.items():
            s = self.sections[i]
            image[at : at + s.size] = self.data[s.offset : s.offset + s.size]
        for s in self.sections:
            if s.kind != _RELA or s.info not in self.places:
                continue
            for at in range(s.offset, s.offset + s.size, 24):
                where, kind, symbol, addend = struct.unpack_from("<QIIq", self.data, at)
                if kind != _ABS64:
                    raise Unsupported(f"relocation {kind}")
                struct.pack_into("<Q", image, self.places[s.info] + where, self._symbol(s.link, symbol, base) + addend)

    def _symbol(self, table: int, index: int, base: int) -> int:
        """The address that a symbol stands for."""
        name, section, value = self._entry(table, index)
        if section == _UNDEFINED:
            try:
                return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0
            except AttributeError:
                raise Unsupported(f"{name} is not in this process") from None
        if section not in self.places:
            raise Unsupported("a symbol outside of what is loaded")
        return base + self.places[section] + value

    def _entry(self, table: int, index: int) -> tuple[str, int, int]:
        """Name, section and value of a symbol."""
        symbols = self.sections[table]
        name, section, value = struct.unpack_from("<I2xHQ8x", self.data, symbols.offset + 24 * index)
        start = self.sections[symbols.link].offset + name
        return self.data[start : self.data.index(b"\0", start)].decode(), section, value

    def functions(self, base: int) -> dict[str, int]:
        """Names and addresses of the global functions."""
        found = {}
        for i, s in enumerate(self.sections):
            if s.kind != 2:  # the table of symbols
                continue
            for index in range(s.size // 24):
                info = self.data[s.offset + 24 * index + 4]
                name, section, _ = self._entry(i, index)
                if info == 0x12 and section in self.places:  # global, function
                    found[name] = self._symbol(i, index, base)
        return found
