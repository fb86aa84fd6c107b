"""An op that is a Python function on NumPy arrays: what has no machine code runs this way inside a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.ops.base import Op, Spec


@dataclass(frozen=True, eq=False)
class CallOut(Op):
    """`function(*arrays)` gives one array per entry of `specs` (a single array when `specs` is one Spec).

    `derivative(inputs, outputs, diff_outputs)`, if given, is the op's `gradient`.
    """

    function: Callable[..., Any]
    specs: Spec | tuple[Spec, ...]
    label: str = "callout"
    derivative: Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], Sequence[Any]] | None = None

    @property
    def name(self) -> str:
        return self.label

    def output_spec(self, *inputs: Spec) -> Spec | tuple[Spec, ...]:
        return self.specs

    def reference(self, *arrays: np.ndarray) -> Any:
        return self.function(*arrays)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        if self.derivative is None:
            return super().gradient(inputs, outputs, diff_outputs)
        return self.derivative(inputs, outputs, diff_outputs)
