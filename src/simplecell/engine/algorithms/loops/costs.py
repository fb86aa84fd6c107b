"""What the instructions of expressions cost."""

from __future__ import annotations

from simplecell.engine.code.expression import Expression
from simplecell.engine.code.functions import FUNCTIONS

FUNCTION = 25
"""instructions of a function of functions/, roughly"""
HEAVY = {"power": 60, "remainder": 60, "floor_divide": 60, "arctan2": 50}
LONG = 24
"""Expressions that cost more are written out but once."""


def cost(expression: Expression) -> int:
    """Instructions per element, roughly."""
    return sum(
        FUNCTION if i.function in FUNCTIONS else HEAVY.get(i.function, 1)
        for i in expression.instructions
        if i.function != "constant"
    )
