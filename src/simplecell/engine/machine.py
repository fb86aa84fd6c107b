"""Kernels → addresses of machine code: compiled once per process, kept on disk for the next one."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from simplecell.engine import cache
from simplecell.engine.emit import Emitter
from simplecell.engine.kernel import Kernel
from simplecell.engine.target import Target

_lock = threading.RLock()
_machines: dict[Target, Machine] = {}


def machine(target: Target) -> Machine:
    """The process's one Machine for a target."""
    with _lock:
        if target not in _machines:
            _machines[target] = Machine(target)
        return _machines[target]


def module_of(kernel: Kernel, target: Target) -> ir.Module:
    """The kernel's LLVM module, before LLVM has seen it."""
    module = ir.Module(kernel.name, context=ir.Context())
    e = Emitter(module, target, kernel.name, kernel.arguments)
    kernel.emit(e)
    e.done()
    return module


class Machine:
    """LLVM, set up for one target."""

    def __init__(self, target: Target) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.target = target
        self._machine = llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu, features=target.features, opt=3, jit=True)
        backing = llvm.parse_assembly("")
        backing.triple = target.triple
        self._engine = llvm.create_mcjit_compiler(backing, self._machine)
        self._addresses: dict[Kernel, int] = {}
        self._named: dict[str, Kernel] = {}
        self.compiled: dict[str, float] = {}
        """seconds that each kernel compiled in this process took (none for those from the disk)"""

    def addresses(self, kernels: Iterable[Kernel]) -> dict[Kernel, int]:
        """The address of each kernel's function."""
        wanted = list(dict.fromkeys(kernels))
        with _lock:
            new = [k for k in wanted if k not in self._addresses]
            for kernel in new:
                other = self._named.setdefault(kernel.name, kernel)
                if other != kernel:
                    raise AssertionError(f"two kernels share the name {kernel.name}: {other} and {kernel}")
                self._engine.add_object_file(llvm.ObjectFileRef.from_data(self._object_code(kernel)))
            if new:
                self._engine.finalize_object()
                for kernel in new:
                    self._addresses[kernel] = self._engine.get_function_address(kernel.name)
            return {k: self._addresses[k] for k in wanted}

    def _object_code(self, kernel: Kernel) -> bytes:
        identity = f"{llvm.llvm_version_info}|{self.target}|{cache.sources_digest()}|{kernel!r}"
        key = hashlib.sha256(identity.encode()).hexdigest()[:40]
        code = cache.read(key)
        if code is None:
            start = time.perf_counter()
            code = self._machine.emit_object(self.optimized(kernel))
            self.compiled[kernel.name] = time.perf_counter() - start
            cache.write(key, code)
        return code

    def functions(self, make: Callable[[Target], ir.Module], *names: str) -> list[int]:
        """Addresses of the functions of a module that is no kernel (the runner)."""
        with _lock:
            module = make(self.target)
            key = hashlib.sha256(f"{llvm.llvm_version_info}|{self.target}|{cache.sources_digest()}|{module.name}".encode()).hexdigest()[:40]
            code = cache.read(key)
            if code is None:
                code = self._machine.emit_object(self._passes(module))
                cache.write(key, code)
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            self._engine.finalize_object()
            return [self._engine.get_function_address(n) for n in names]

    def optimized(self, kernel: Kernel) -> Any:
        """The kernel's module after LLVM's passes."""
        return self._passes(module_of(kernel, self.target))

    def _passes(self, module: ir.Module) -> Any:
        """Emitters vectorise, unroll and hoist by themselves, and the code generator cleans up after them once more: of LLVM's standard
        pipeline, 40% of the time to compile, these passes make the difference (ResNet-50 cold: 2.8 s with all of it, 1.6 s with
        these; the same speed when run)."""
        module.triple = self.target.triple
        module.data_layout = str(self._machine.target_data)
        parsed = llvm.parse_assembly(str(module))
        builder = llvm.create_pass_builder(self._machine, llvm.create_pipeline_tuning_options(speed_level=2))
        passes = llvm.create_new_function_pass_manager()
        passes.add_simplify_cfg_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
        for function in parsed.functions:
            if not function.is_declaration:
                passes.run(function, builder)
        return parsed

    def assembly(self, kernel: Kernel) -> str:
        """The kernel's assembly, to read."""
        return str(self._machine.emit_assembly(self.optimized(kernel)))
