"""Which loop nest is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.algorithms.loops.costs import cost
from simplecell.engine.code.expression import Expression


@dataclass(frozen=True)
class LoopProblem:
    """Outputs = expression(inputs) over some axes, of which there are as few as can be."""

    expression: Expression
    extents: tuple[int, ...]
    """of the axes, the innermost one last; at least one"""
    strides: tuple[tuple[int, ...], ...]
    """for each axis those of the inputs, then those of the outputs, in elements"""
    elements: int
    """of the result"""
    nbytes: int
    """that must be moved at least"""

    @property
    def inputs(self) -> int:
        return len(self.expression.inputs)

    @property
    def flops(self) -> int:
        return self.elements * cost(self.expression)
