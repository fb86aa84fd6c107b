"""What this machine is: the instruction sets that its CPU has, and its caches. A setting forces a lower one."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import replace
from functools import cache

from simplecell.engine.machine import cache as cache_on_disk
from simplecell.engine.target import Target
from simplecell.forks import compiling

SETTING = "SIMPLECELL_TARGET"
"""Environment variable: `amx`, `avx512`, `avx2`, `x86-64` or `neon`; unset means the best that this CPU has."""

_LEVELS = ("amx", "avx512", "avx2", "x86-64")
_X86_64 = ("x86_64", "amd64")


@cache
def host() -> Target:
    """The target that this process compiles for: the CPU's best, or what the setting SIMPLECELL_TARGET asks for."""
    return target(os.environ.get(SETTING) or None)


@cache
def target(name: str | None = None) -> Target:
    """A target by name, for this machine. Raises ValueError for a name that is unknown or that this CPU cannot run."""
    triple, cpu, features = this_cpu()
    flags = frozenset(f[1:] for f in features.split(",") if f.startswith("+"))
    machine = platform.machine().lower()
    if machine in ("aarch64", "arm64"):
        best = Target("neon", 4, 32, True, cpu, features, triple)
        return _chosen(name, {"neon": best}, "neon")
    if machine not in _X86_64:
        return _chosen(name, {"generic": Target("generic", 4, 16, False, cpu, features, triple)}, "generic")
    found: dict[str, Target] = {"x86-64": Target("x86-64", 4, 16, False, "x86-64", "", triple)}
    if flags >= {"avx2", "fma"}:
        found["avx2"] = replace(found["x86-64"], name="avx2", lanes=8, fma=True, cpu="x86-64-v3")
    if flags >= {"avx512f", "avx512vl", "avx512bw", "avx512dq"}:
        # LLVM halves the vectors on some CPUs to keep their clock up; a kernel made of multiplications wants them
        # whole.
        found["avx512"] = Target("avx512", 16, 32, True, cpu, features + ",-prefer-256-bit", triple)
        if name not in _LEVELS[1:] and flags >= {"amx-tile", "amx-bf16", "avx512bf16"} and _may_use_tiles():
            # LLVM divides 64-bit numbers by a branch to 32-bit ones; these CPUs do as well without, in a tenth less
            # time to compile.
            found["amx"] = replace(
                found["avx512"], name="amx", matrix=True, features=found["avx512"].features + ",-idivq-to-divl"
            )
    l1, l2 = _cache_sizes()
    found = {k: replace(t, l1=l1 or t.l1, l2=l2 or t.l2) for k, t in found.items()}
    return _chosen(name, found, next(level for level in _LEVELS if level in found))


@cache
def this_cpu() -> tuple[str, str, str]:
    """LLVM's triple, name and features (`+avx,-sse4a,…`) of this process's CPU: on x86-64 from the disk, where LLVM has
    told them before."""
    # Vendor, family, model and features. On Arm it names no model (and, emulated, another machine's); there LLVM links,
    # so it is loaded anyway.
    kernels_view = _file("/sys/devices/system/cpu/modalias") if platform.machine().lower() in _X86_64 else ""
    key = hashlib.sha256(
        f"cpu|{cache_on_disk.llvm_version()}|{platform.machine()}|{kernels_view}".encode()
    ).hexdigest()[:40]
    known = cache_on_disk.read(key) if kernels_view else None
    if known is not None:
        triple, name, features = known.decode().split("\n")
        return triple, name, features
    with compiling.lock:
        import llvmlite.binding as llvm

        found = llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    if kernels_view:
        cache_on_disk.write(key, "\n".join(found).encode())
    return found


def _may_use_tiles() -> bool:
    """Has Linux allowed this process AMX's registers? It gives them (8 KiB that it saves for each thread that uses
    them) to those who ask."""
    if platform.system() != "Linux":
        return False
    import ctypes

    arch_prctl, request, tile_data = 158, 0x1023, 18  # SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return bool(ctypes.CDLL(None).syscall(arch_prctl, request, tile_data) == 0)


def _file(path: str) -> str:
    """A file's text, or nothing."""
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return ""


def _chosen(name: str | None, found: dict[str, Target], best: str) -> Target:
    if name is None:
        return found[best]
    if name not in found:
        raise ValueError(
            f"{SETTING}: `{name}` is not among the instruction sets of this CPU ({', '.join(found)}). Unset it, or set "
            "one of these."
        )
    return found[name]


def _cache_sizes() -> tuple[int, int]:
    """L1 and L2 data cache of one core in bytes, from Linux's sysfs; 0 where that says nothing."""
    sizes = {"1": 0, "2": 0}
    for index in range(8):
        folder = f"/sys/devices/system/cpu/cpu0/cache/index{index}/"
        level, kind, size = (_file(folder + name) for name in ("level", "type", "size"))
        if not level:
            break
        if kind != "Instruction" and level in sizes and size.endswith("K"):
            sizes[level] = int(size[:-1]) * 1024
    return sizes["1"], sizes["2"]
