"""Running an Expression on arrays through the kernel that goes along rows."""

from __future__ import annotations

import numpy as np

from simplecell.engine.algorithms.loops.nest import CONTIGUOUS
from simplecell.engine.algorithms.loops.rows.kernel import RowLoop
from simplecell.engine.code.expression import Expression, Instruction
from tests.engine.harness import guarded, run


def call(function: str, *operands: str, result: str | None = None) -> Expression:
    """The expression of one function call on operands of these dtypes."""
    n = len(operands)
    return Expression(operands, (Instruction(function, tuple(range(n)), result or operands[-1]),), (n,))


def compute(expression: Expression, *arrays: np.ndarray, on: str | None = None, threads: int = 1) -> list[np.ndarray]:
    """The outputs for flat contiguous arrays, on guarded memory."""
    count = len(expression.outputs)
    kernel = RowLoop(expression, (CONTIGUOUS,) * len(arrays), (CONTIGUOUS,) * count)
    n = arrays[0].size
    results = [guarded(np.zeros(n, expression.dtype(v))) for v in expression.outputs]
    inputs = {f"i{k}": guarded(a) for k, a in enumerate(arrays)}
    run(kernel, threads, on, n=n, chunk=64, **inputs, **{f"o{k}": r for k, r in enumerate(results)})
    return results
