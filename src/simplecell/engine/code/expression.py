"""Element-wise programs: the body of fused loops, the prologue of reductions, the epilogue of convolution and matmul.

An Expression is a frozen list of instructions on values. Values are numbered: first the inputs, then one per
instruction. `relu(a + b)` is

    Expression(("float32", "float32"), (Instruction("add", (0, 1), "float32"), Instruction("relu", (2,), "float32")),
    (3,))

Function names are those of `ops.elementwise` (Unary, Binary), `select`, `cast`, `constant`, and a few that fusion makes
of common patterns (`relu` is maximum with zero).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """One operation on earlier values; `dtype` is the result's. A `constant` has a `number` and no operands."""

    function: str
    operands: tuple[int, ...]
    dtype: str
    number: float | int | bool | None = None

    def __post_init__(self) -> None:
        if self.number != self.number:  # a NaN equals nothing but its own object, and equal instructions must be equal
            object.__setattr__(self, "number", math.nan)

    def __str__(self) -> str:
        return (
            f"{self.function}({','.join(map(str, self.operands))})"
            if self.number is None
            else f"{self.number}:{self.dtype}"
        )


@dataclass(frozen=True)
class Expression:
    """`inputs` are dtypes; `outputs` are value numbers (several are allowed)."""

    inputs: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]

    def dtype(self, value: int) -> str:
        """The dtype of a value by number."""
        return self.inputs[value] if value < len(self.inputs) else self.instructions[value - len(self.inputs)].dtype

    @staticmethod
    def identity(dtype: str = "float32") -> Expression:
        return Expression((dtype,), (), (0,))

    @property
    def words(self) -> str:
        """For kernel names: the first functions; empty where nothing is computed."""
        return "_".join([i.function for i in self.instructions if i.function != "constant"][:3])

    def __str__(self) -> str:
        return (
            f"({','.join(self.inputs)}) {' '.join(map(str, self.instructions))} -> {','.join(map(str, self.outputs))}"
        )


@dataclass(frozen=True)
class Epilogue:
    """What happens to an accumulator before it is stored. The expression's input 0 is the accumulator (one value per
    output channel lane); input i + 1 is read according to `kinds[i]` from the address in run-time argument `e{i}`:

    - `channel`: a vector indexed by output channel;
    - `full`: a dense tensor of the output's own shape;
    - `scalar`: one value.
    """

    expression: Expression
    kinds: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        return tuple(f"e{i}" for i in range(len(self.kinds)))

    @property
    def name(self) -> str:
        """For kernel names: the operations if they are few, else a digest."""
        if not self.expression.instructions:
            return ""
        words = [i.function for i in self.expression.instructions if i.function != "constant"]
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return "_".join(words[:4]) + "_" + digest


NO_EPILOGUE = Epilogue(Expression.identity())
