"""Kernels → addresses of machine code: compiled once per process, kept on disk for the next one, which then does
without LLVM."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import llvmlite.ir as ir

from simplecell.engine.code.emit import Emitter
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.machine import cache, linker
from simplecell.engine.machine.cache import llvm_version
from simplecell.engine.target import Target
from simplecell.forks import compiling

if TYPE_CHECKING:
    from simplecell.engine.machine.compiler import Compiler

_machines: dict[Target, Machine] = {}


def machine(target: Target) -> Machine:
    """The process's one Machine for a target."""
    with compiling.lock:
        if target not in _machines:
            _machines[target] = Machine(target)
        return _machines[target]


def module_of(kernel: Kernel, target: Target) -> ir.Module:
    """The kernel's LLVM module, before LLVM has seen it."""
    module = ir.Module(kernel.symbol(target), context=ir.Context())
    e = Emitter(module, target, kernel.symbol(target), kernel.arguments)
    kernel.emit(e)
    e.done()
    return module


class Machine:
    """What this process has of machine code for one target."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._addresses: dict[Kernel, int] = {}
        self._named: dict[str, Kernel] = {}
        self._identity = f"{llvm_version()}|{target}|{cache.sources_digest()}|"
        self.compiled: dict[str, float] = {}
        """seconds that each kernel compiled in this process took (none for those from the disk)"""

    @cached_property
    def _compiler(self) -> Compiler:
        from simplecell.engine.machine.compiler import Compiler  # LLVM's library, for whom the disk does not serve

        return Compiler(self.target)

    def addresses(self, kernels: Iterable[Kernel]) -> dict[Kernel, int]:
        """The address of each kernel's function."""
        wanted = list(dict.fromkeys(kernels))
        with compiling.lock:
            new = [k for k in wanted if k not in self._addresses]
            for kernel in new:
                other = self._named.setdefault(kernel.name, kernel)
                if other != kernel:
                    raise AssertionError(f"two kernels share the name {kernel.name}: {other} and {kernel}")
            if new:
                symbols = {k: k.symbol(self.target) for k in new}
                found = self._link([self._object_code(k) for k in new], list(symbols.values()))
                self._addresses |= {k: found[symbol] for k, symbol in symbols.items()}
            return {k: self._addresses[k] for k in wanted}

    def functions(self, name: str, make: Callable[[Target], ir.Module], *names: str) -> list[int]:
        """Addresses of the functions of a module that is no kernel (the runner)."""
        with compiling.lock:
            found = self._link([self._kept(name, lambda: make(self.target))], names)
            return [found[n] for n in names]

    def optimized(self, kernel: Kernel) -> Any:
        """The kernel's module after LLVM's passes."""
        with compiling.lock:
            return self._compiler.optimized(module_of(kernel, self.target))

    def assembly(self, kernel: Kernel) -> str:
        """The kernel's assembly, to read."""
        with compiling.lock:
            return self._compiler.assembly(module_of(kernel, self.target))

    def _object_code(self, kernel: Kernel) -> bytes:
        return self._kept(repr(kernel), lambda: module_of(kernel, self.target), kernel.name)

    def _kept(self, what: str, make: Callable[[], ir.Module], name: str = "") -> bytes:
        """The object code of a module, from the disk if it is there."""
        key = hashlib.sha256((self._identity + what).encode()).hexdigest()[:40]
        code = cache.read(key)
        if code is None:
            start = time.perf_counter()
            code = self._compiler.object_code(make())
            if name:
                self.compiled[name] = time.perf_counter() - start
            cache.write(key, code)
        return code

    def _link(self, objects: Sequence[bytes], names: Sequence[str]) -> Mapping[str, int]:
        if linker.supported(self.target):
            try:
                return linker.link(objects)
            except linker.Unsupported:
                pass
        return self._compiler.link(objects, names)
