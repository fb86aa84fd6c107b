"""Our linker places what LLVM's places, refuses what it does not know, and spares warm processes LLVM's library."""

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
import pytest

from simplecell.engine import host as targets
from simplecell.engine.build import build
from simplecell.engine.host import host
from simplecell.engine.machine import cache, linker
from simplecell.engine.machine.compiler import Compiler
from simplecell.engine.machine.machine import Machine, machine
from simplecell.engine.run import runner
from tests.engine.networks import arrays_for, network

needs_linker = pytest.mark.skipif(not linker.supported(host()), reason="another platform: LLVM links")


@pytest.fixture
def compiler():
    return Compiler(host())


def table_module(name):
    """f(i) = table[i], whose address is a relocation against read-only data; g() = f(3)."""
    module = ir.Module(name, context=ir.Context())
    i64 = ir.IntType(64)
    table = ir.GlobalVariable(module, ir.ArrayType(i64, 300), "table")
    table.global_constant, table.linkage = True, "internal"
    table.initializer = ir.Constant(table.value_type, [7 * i + 1 for i in range(300)])
    f = ir.Function(module, ir.FunctionType(i64, [i64]), f"{name}_f")
    b = ir.IRBuilder(f.append_basic_block())
    b.ret(b.load(b.gep(table, [i64(0), f.args[0]])))
    g = ir.Function(module, ir.FunctionType(i64, []), f"{name}_g")
    b = ir.IRBuilder(g.append_basic_block())
    b.ret(b.call(f, [i64(3)]))
    return module


@needs_linker
def test_data_and_calls_are_found(compiler):
    found = linker.link([compiler.object_code(table_module("one")), compiler.object_code(table_module("two"))])
    assert set(found) == {"one_f", "one_g", "two_f", "two_g"}
    for name in ("one", "two"):
        f = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(found[f"{name}_f"])
        assert [f(i) for i in (0, 1, 299)] == [1, 8, 2094]
        assert ctypes.CFUNCTYPE(ctypes.c_int64)(found[f"{name}_g"])() == 22


@needs_linker
def test_a_function_of_the_c_library_is_found():
    compiler = Compiler(host())
    code = compiler.object_code(runner.module(host()))  # it yields to the system
    assert set(linker.link([code])) == {"run", "serve", "launch", "if_marked"}


@needs_linker
def test_what_it_does_not_know_is_refused(compiler):
    code = compiler.object_code(table_module("three"))
    for wrong in (b"", b"\x7fELF" + b"\0" * 60, code[:18] + b"\xb7" + code[19:]):
        with pytest.raises(linker.Unsupported):
            linker.link([wrong])
    module = ir.Module("writes", context=ir.Context())
    state = ir.GlobalVariable(module, ir.IntType(64), "state")
    state.initializer = ir.IntType(64)(1)
    b = ir.IRBuilder(ir.Function(module, ir.FunctionType(ir.IntType(64), []), "h").append_basic_block())
    b.ret(b.load(state))
    with pytest.raises(linker.Unsupported, match="written"):
        linker.link([compiler.object_code(module)])
    absent = ir.Module("absent", context=ir.Context())
    f = ir.Function(absent, ir.FunctionType(ir.VoidType(), []), "simplecell_no_such_function")
    b = ir.IRBuilder(ir.Function(absent, ir.FunctionType(ir.VoidType(), []), "calls").append_basic_block())
    b.call(f, [])
    b.ret_void()
    with pytest.raises(linker.Unsupported, match="simplecell_no_such_function"):
        linker.link([compiler.object_code(absent)])


def test_llvm_links_where_ours_does_not(monkeypatch):
    graph = network()
    x, *parameters = arrays_for(graph)

    def run():
        program = build(graph, threads=1)
        program.set_parameters(parameters)
        return program([x])[0]

    expected = run()
    monkeypatch.setattr("simplecell.engine.machine.machine._machines", {})
    monkeypatch.setattr(linker, "supported", lambda target: False)
    np.testing.assert_array_equal(run(), expected)


@needs_linker
def test_a_process_whose_kernels_are_on_disk_does_without_llvm(tmp_path):
    code = """
import sys, numpy as np
from simplecell.engine.build import build
from tests.engine.networks import arrays_for, network
graph = network()
x, *parameters = arrays_for(graph)
program = build(graph, threads=2)
program.set_parameters(parameters)
print(program([x])[0].tobytes().hex(), "llvmlite.binding" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), cache.SETTING: str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True
        ).stdout.split()
        for _ in range(2)
    )
    assert first[0] == second[0]
    assert first[1] == "True"
    if os.path.exists("/sys/devices/system/cpu/modalias"):
        assert second[1] == "False"


def test_the_disk_says_what_llvm_says(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.SETTING, str(tmp_path))
    cache.folder.cache_clear()
    try:
        found = []
        for _ in range(2):
            targets.this_cpu.cache_clear()
            found.append(targets.this_cpu())
    finally:
        cache.folder.cache_clear()
        targets.this_cpu.cache_clear()
    assert (
        found[0]
        == found[1]
        == (llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    )


def test_one_arm_cpu_is_not_taken_for_another(tmp_path, monkeypatch):
    """Two that share a folder of kernels: Linux tells the features of these CPUs, but not which they are."""
    monkeypatch.setenv(cache.SETTING, str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    cache.folder.cache_clear()
    try:
        for name in ("cortex-a72", "neoverse-n1"):
            targets.this_cpu.cache_clear()
            monkeypatch.setattr(llvm, "get_host_cpu_name", lambda name=name: name)
            assert targets.this_cpu()[1] == name
    finally:
        cache.folder.cache_clear()
        targets.this_cpu.cache_clear()


def test_several_python_threads_may_ask_for_the_same_kernels():
    kernels = [s.kernel for s in build(network(), threads=1).program.run if s.kernel]
    fresh = Machine(host())
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: fresh.addresses(kernels), range(8)))
    assert all(r == results[0] for r in results)
    assert set(results[0]) == set(machine(host()).addresses(kernels))
