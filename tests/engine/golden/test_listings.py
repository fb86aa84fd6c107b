"""LLVM IR that our emitters write, compared with texts in this folder: a change of code that changes machine code shows
here, for all to read.

If you meant the change, write the texts anew and look at what git says of them:

    python -m pytest tests/engine/golden --renew-golden
    git diff --stat tests/engine/golden

Nothing of this depends on the CPU: targets are values, and LLVM is only asked to read the texts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from simplecell.engine.algorithms.convolution.direct.kernel import ConvolutionDirect
from simplecell.engine.algorithms.convolution.winograd.kernel import WinogradForward
from simplecell.engine.algorithms.convolution.winograd.transforms import Transform
from simplecell.engine.algorithms.loops.nest import CONTIGUOUS
from simplecell.engine.algorithms.loops.rows.kernel import RowLoop
from simplecell.engine.code.expression import Epilogue, Expression, Instruction
from simplecell.engine.code.kernel import Kernel
from simplecell.engine.code.tile import Tile
from simplecell.engine.machine.machine import module_of
from simplecell.engine.target import Target
from tests.engine.golden.listing import listing
from tests.engine.targets import AVX2, AVX512, X86_64

FOLDER = Path(__file__).parent
SHOWN = 40
"""lines of a difference"""

BIAS_RELU = Epilogue(
    Expression(
        ("float32", "float32"),
        (Instruction("add", (0, 1), "float32"), Instruction("relu", (2,), "float32")),
        (3,),
    ),
    ("channel",),
)
EXP = Expression(("float32",), (Instruction("exp", (0,), "float32"),), (1,))

# The smallest tiles: larger ones repeat the same lines.
KERNELS: dict[str, Kernel] = {
    "direct_bias_relu": ConvolutionDirect(Tile(1, 1), BIAS_RELU),
    "winograd_4_3": WinogradForward(Transform(4), Tile(1, 1), axes="w"),
    "exp": RowLoop(EXP, (CONTIGUOUS,), (CONTIGUOUS,)),
}
CASES = [(name, target) for name in KERNELS for target in (AVX512, AVX2, X86_64)]
each_case = pytest.mark.parametrize(("name", "target"), CASES, ids=[f"{name}_{target.name}" for name, target in CASES])


def path_of(name: str, target: Target) -> Path:
    return FOLDER / f"{name}_{target.name}.ll"


@each_case
def test_emitters_write_what_they_wrote(name: str, target: Target, pytestconfig: pytest.Config) -> None:
    path, now = path_of(name, target), listing(KERNELS[name], target)
    if pytestconfig.getoption("--renew-golden"):
        path.write_text(now, encoding="utf-8")
        pytest.skip(f"{path.name} is written anew")
    before = path.read_text(encoding="utf-8")
    if now != before:
        difference = difflib.unified_diff(before.splitlines(), now.splitlines(), path.name, "now", lineterm="", n=1)
        pytest.fail(
            "\n".join(islice(difference, SHOWN))
            + f"\n… at most {SHOWN} lines are shown. If this is meant: python -m pytest tests/engine/golden "
            "--renew-golden",
            pytrace=False,
        )


def instructions(text: str) -> Iterator[str]:
    """As LLVM reads them, without names."""
    module = llvm.parse_assembly(text)
    module.verify()
    for function in module.functions:
        for block in function.blocks:
            for instruction in block.instructions:
                yield re.sub(r'%("[^"]+"|[\w.]+)', "%", str(instruction))


@each_case
def test_listings_say_what_emitters_write(name: str, target: Target) -> None:
    kernel = KERNELS[name]
    assert list(instructions(listing(kernel, target))) == list(instructions(str(module_of(kernel, target))))


def test_every_text_is_compared() -> None:
    assert {path.name for path in FOLDER.glob("*.ll")} == {path_of(*case).name for case in CASES}
