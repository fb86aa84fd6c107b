"""How two partial results of a reduction become one."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from simplecell.engine.code import elementwise
from simplecell.engine.code.emit import ELEMENT, I8, I32, Emitter, Value

FUNCTIONS = ("sum", "max", "min", "prod", "any", "all")


@dataclass(frozen=True)
class Combine:
    """By one of FUNCTIONS. `dtype` is that of the values; a bool is held in a byte."""

    function: str
    dtype: str

    @property
    def _logical(self) -> str:
        return {"any": "or_", "max": "or_", "all": "and_", "min": "and_"}[self.function]

    @property
    def element(self) -> ir.Type:
        return ELEMENT[self.dtype]

    def identity(self) -> float | int:
        """What leaves the other operand as it is."""
        if self.function in ("any", "all") or self.dtype == "bool":
            return int(self.function in ("all", "min"))
        if self.function in ("sum", "prod"):
            one = int(self.function == "prod")
            return float(one) if self.dtype in elementwise.FLOATS else one
        if self.dtype in elementwise.FLOATS:
            return float("-inf") if self.function == "max" else float("inf")
        bits, signed = self.element.width, self.dtype in elementwise.SIGNED
        lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return lowest if self.function == "max" else highest

    def start(self, e: Emitter, lanes: int | None = None) -> Value:
        return e.number(self.identity(), lanes, self.element)

    def __call__(self, e: Emitter, a: Value, b: Value) -> Value:
        if self.dtype == "bool":
            return getattr(e.b, self._logical)(a, b)
        name = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}[self.function]
        return elementwise.BINARY[name][1](e, self.dtype, a, b)

    def value(self, e: Emitter, x: Value) -> Value:
        """An expression's result as it is accumulated."""
        if self.dtype != "bool":
            return x
        return e.b.zext(x, ir.VectorType(I8, x.type.count) if isinstance(x.type, ir.VectorType) else I8)

    def across(self, e: Emitter, v: Value) -> Value:
        """All lanes combined, halves first: one order for every run."""
        lanes = v.type.count
        while lanes > 1:
            half = lanes // 2
            parts = [
                e.b.shuffle_vector(v, v, ir.Constant(ir.VectorType(I32, half), list(range(first, first + half))))
                for first in (0, half)
            ]
            v, lanes = self(e, *parts), half
        return e.b.extract_element(v, I32(0))
