"""What an emitter writes as a text that people can compare: names that do not depend on what stands before them."""

from __future__ import annotations

import re

from simplecell.engine.code.kernel import Kernel
from simplecell.engine.machine.machine import module_of
from simplecell.engine.target import Target

_VALUE = re.compile(r'%"(\.\d+)"')
_MADE = re.compile(r'  %"(\.\d+)" = ')
_EQUAL = re.compile(r"<(\w+ [^ ,>]+)(?:, \1)+>")


def listing(kernel: Kernel, target: Target) -> str:
    """The kernel's LLVM IR, before any of LLVM's passes; LLVM reads it as it would the emitter's own text.

    The function is called `@kernel`. A value without a name is called by its block and its place there (`%row.v3`), so
    that one instruction more changes the names in one block. A vector of equal constants is a `splat`.
    """
    text = str(module_of(kernel, target)).replace(kernel.symbol(target), "kernel")
    lines = [re.sub(r"(?<=\S) +", " ", line) for line in text.splitlines()]
    names: dict[str, str] = {}
    block, count = "", 0
    for line in lines:
        if line.endswith(":"):
            block, count = line[:-1], 0
        elif made := _MADE.match(line):
            names[made[1]], count = f"{block}.v{count}", count + 1

    def named(value: re.Match[str]) -> str:
        """Values that no instruction makes are parameters."""
        return "%" + names.get(value[1], f"p{value[1][1:]}")

    text = _VALUE.sub(named, "\n".join(lines))
    text = _EQUAL.sub(r"splat (\1)", text)
    return re.sub(r'(?<=[%@])"([\w.]+)"', r"\1", text).rstrip() + "\n"
