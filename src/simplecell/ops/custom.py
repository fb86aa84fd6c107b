"""A value whose gradient is stated by the user instead of derived (Keras's `custom_gradient`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.ops.base import Op, Spec, apply


@dataclass(frozen=True, eq=False)
class CustomGradient(Op):
    """(*values, *arguments) → the first `count` inputs, unchanged. For differentiation, they depend on `arguments` by
    `rule(*diff_values)`, which gives one gradient (or None) per argument, and on nothing else."""

    rule: Callable[..., Any]
    count: int

    def output_spec(self, *inputs: Spec) -> Spec | tuple[Spec, ...]:
        return inputs[0] if self.count == 1 else inputs[: self.count]

    def reference(self, *arrays: np.ndarray) -> Any:
        return arrays[0] if self.count == 1 else arrays[: self.count]

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        stated = self.rule(*diff_outputs)
        stated = list(stated) if isinstance(stated, (list, tuple)) else [stated]
        if len(stated) != len(inputs) - self.count:
            raise ValueError(
                "A custom gradient must return one gradient per argument: the function has "
                f"{len(inputs) - self.count}, "
                f"its gradient returned {len(stated)}."
            )
        return [None] * self.count + stated


def custom_gradient(values: Sequence[Any], arguments: Sequence[Any], rule: Callable[..., Any]) -> Any:
    """`values` (a tuple of arrays or tensors, computed from `arguments`), with `rule` as their gradient."""
    return apply(CustomGradient(rule, len(values)), *values, *arguments)
