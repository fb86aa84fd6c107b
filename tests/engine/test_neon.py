"""Programs for 64-bit Arm, as far as another machine can tell: every kernel of a network compiles, and calls no
library."""

import re

import llvmlite.binding as llvm
import pytest

from simplecell.engine.algorithms.convolution.table import ALGORITHMS
from simplecell.engine.machine.machine import module_of
from simplecell.engine.plan import plan
from simplecell.engine.planning.setting import Setting
from tests.engine.algorithms.convolution.cases import CASES, accepted, problem_of
from tests.engine.networks import network
from tests.engine.targets import NEON


@pytest.fixture(scope="module")
def machine():
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        return llvm.Target.from_triple(NEON.triple).create_target_machine(cpu=NEON.cpu, features=NEON.features, opt=3)
    except RuntimeError as missing:
        pytest.skip(f"this build of LLVM has no Arm target: {missing}")


def check(kernel, machine):
    """LLVM makes code for Arm of it, which calls no library."""
    module = module_of(kernel, NEON)
    module.triple, module.data_layout = NEON.triple, str(machine.target_data)
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    assembly = machine.emit_assembly(parsed)
    assert not set(re.findall(r"\bbl\s+(\w+)", assembly)) - {"memcpy", "memset"}, kernel.name
    if "forward" in kernel.name and "conv" in kernel.name:
        assert re.search(r"\bfmla\s+v\d+\.4s", assembly), kernel.name


def test_every_kernel_of_a_network(machine):
    program = plan(network(), NEON, threads=2, precision="fast")
    assert not program.call_outs
    kernels = {s.kernel for s in (*program.prepare, *program.run)}
    assert len(kernels) >= 6
    for kernel in kernels:
        check(kernel, machine)


def kernels_of(made):
    """What a convolution's plan runs: what packs, what convolves, what sums apart."""
    if made.packing is not None:
        yield made.packing.kernel
    yield made.kernel
    if made.apart is not None:
        yield made.apart.kernel
        if made.apart.packing is not None:
            yield made.apart.packing.kernel


THERE = [a for a in ALGORITHMS if any(accepted(a, case, NEON) for case in CASES.values())]


@pytest.mark.parametrize("algorithm", THERE, ids=lambda a: a.name)
def test_every_kernel_of_every_algorithm_of_convolution(algorithm, machine):
    """Of a case without a pool, and of one with, as they come first in the table of cases."""
    for pooled in (False, True):
        cases = (c for c in CASES.values() if bool(c.pool) == pooled and accepted(algorithm, c, NEON))
        if (case := next(cases, None)) is not None:
            setting = Setting(NEON, 1, accepted(algorithm, case, NEON)[-1])
            for kernel in kernels_of(algorithm.plan(problem_of(case)[2], setting, case.epilogue, case.oc)):
                check(kernel, machine)
