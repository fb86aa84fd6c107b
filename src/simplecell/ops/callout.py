"""An op that is a Python function on NumPy arrays: what has no machine code runs this way inside a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.ops.base import Op, Spec


@dataclass(frozen=True, eq=False)
class CallOut(Op):
    """`function(*arrays)` gives one array per entry of `specs` (a single array when `specs` is one Spec)."""

    function: Callable[..., Any]
    specs: Spec | tuple[Spec, ...]
    label: str = "callout"

    @property
    def name(self) -> str:
        return self.label

    def output_spec(self, *inputs: Spec) -> Spec | tuple[Spec, ...]:
        return self.specs

    def reference(self, *arrays: np.ndarray) -> Any:
        return self.function(*arrays)
