"""Programs for 64-bit Arm, as far as another machine can tell: every kernel of a network compiles, and calls no
library."""

import re

import llvmlite.binding as llvm
import pytest

from simplecell.engine.algorithms.convolution.direct.kernel import ConvolutionDirect
from simplecell.engine.algorithms.convolution.fourier_channels.kernel import ConvolutionFourierChannels
from simplecell.engine.algorithms.convolution.fourier_channels.weights import FourierChannelsWeights
from simplecell.engine.algorithms.convolution.fourier_rows.kernel import ConvolutionFourierRows
from simplecell.engine.algorithms.convolution.fourier_rows.weights import FourierRowsWeights
from simplecell.engine.algorithms.convolution.pool_stage import Pool
from simplecell.engine.algorithms.convolution.winograd.kernel import WinogradForward
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.code.tile import Tile
from simplecell.engine.machine.machine import module_of
from simplecell.engine.plan import plan
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


def test_every_kernel_of_a_network_compiles_without_library_calls(machine):
    program = plan(network(), NEON, threads=2, precision="fast")
    assert not program.call_outs
    kernels = {s.kernel for s in (*program.prepare, *program.run)}
    assert len(kernels) >= 6
    fourier = (
        ConvolutionFourierRows((4, 8), 2, 2, 2, single=False),
        FourierRowsWeights(),
        ConvolutionFourierChannels((8, 8), 3, 2),
        FourierChannelsWeights(),
    )
    pool = Pool("max", (1, 2, 2))
    pooling = ConvolutionDirect(Tile(7, 3), copy=True, pool=pool), WinogradForward(Transform(4), Tile(6, 4), pool=pool)
    for kernel in (*kernels, *fourier, *pooling):
        module = module_of(kernel, NEON)
        module.triple, module.data_layout = NEON.triple, str(machine.target_data)
        parsed = llvm.parse_assembly(str(module))
        parsed.verify()
        assembly = machine.emit_assembly(parsed)
        assert not set(re.findall(r"\bbl\s+(\w+)", assembly)) - {"memcpy", "memset"}, kernel.name
        if "forward" in kernel.name and "conv" in kernel.name:
            assert re.search(r"\bfmla\s+v\d+\.4s", assembly), kernel.name
