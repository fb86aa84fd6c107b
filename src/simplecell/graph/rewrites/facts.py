"""What rules ask about tensors: how often used, known, uniform, derived from parameters alone, never negative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from simplecell.graph.tensor import Constant, Placeholder, Tensor
from simplecell.ops.base import Op
from simplecell.ops.callout import CallOut

Rule = Callable[[Any, Sequence[Tensor], "Facts"], "Tensor | None"]
OpType = TypeVar("OpType", bound=Op)


@dataclass
class Facts:
    """What is known about the tensors of a graph that is being rewritten."""

    uses: dict[Tensor, int] = field(default_factory=dict)
    _static: dict[Tensor, bool] = field(default_factory=dict)

    def used_once(self, t: Tensor) -> bool:
        """Does nothing but the op at hand need it? (A tensor that a rule has just made is used by its maker alone.)"""
        return self.uses.get(t, 1) <= 1

    def static(self, t: Tensor) -> bool:
        """Does it depend on parameters and constants alone? Then it is computed when they change, not at each call."""
        stack = [t]
        while stack:
            top = stack[-1]
            if top in self._static:
                stack.pop()
                continue
            op = top.node.op
            if isinstance(op, (Placeholder, CallOut)):
                self._static[top] = isinstance(op, Placeholder) and op.role == "parameter"
                continue
            missing = [i for i in top.node.inputs if i not in self._static]
            if missing:
                stack.extend(missing)
            else:
                self._static[top] = all(self._static[i] for i in top.node.inputs)
        return self._static[t]


def produced_by(t: Tensor, kind: type[OpType]) -> OpType | None:
    """The op that made it, if of this kind."""
    return t.node.op if isinstance(t.node.op, kind) else None


def known(t: Tensor) -> np.ndarray | None:
    """Its value, if it is a constant."""
    return t.node.op.value if isinstance(t.node.op, Constant) else None


def uniform(t: Tensor) -> Any:
    """The one value that all its elements have (a Python number), if that is seen at once; else None."""
    value = known(t)
    if value is None or value.size == 0 or value.dtype.kind not in "biufc":
        return None
    first = value[(0,) * value.ndim]
    stored_once = value.size == 1 or not any(value.strides)
    return first.item() if stored_once or (value.size <= 64 and bool((value == first).all())) else None


def is_uniform(t: Tensor, number: float) -> bool:
    value = uniform(t)
    return value is not None and bool(value == number)


def per_channel(t: Tensor, shape: tuple[int, ...]) -> bool:
    """Does it broadcast to `shape` along the last axis alone (or as one number)?"""
    padded = (1,) * (len(shape) - len(t.shape)) + t.shape
    return not padded or len(padded) == len(shape) and all(n == 1 for n in padded[:-1]) and padded[-1] in (1, shape[-1])


_NON_NEGATIVE = ("relu", "absolute", "square", "exp", "exp2", "sigmoid", "softplus", "sqrt", "rsqrt")
_KEEPING = (
    "Reshape",
    "Transpose",
    "Slice",
    "Reverse",
    "BroadcastTo",
    "MaxPool",
    "AveragePool",
    "Concatenate",
    "StopGradient",
)


def non_negative(t: Tensor, depth: int = 12) -> bool:
    """Is no element below 0, whatever the inputs are? (False where that is not easily seen.)"""
    op, inputs = t.node.op, t.node.inputs
    if depth == 0:
        return False
    value = uniform(t)
    if value is not None and not isinstance(value, complex):
        return bool(value >= 0)
    function = getattr(op, "function", "")
    if function in _NON_NEGATIVE:
        return True
    if function == "maximum":
        return any(non_negative(i, depth - 1) for i in inputs)
    if function in ("minimum", "add", "multiply") or type(op).__name__ in _KEEPING:
        return bool(inputs) and all(non_negative(i, depth - 1) for i in inputs)
    return False
