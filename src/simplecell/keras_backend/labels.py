"""Class labels that do not exist are an error, not a silent zero: a program cannot raise, so its inputs are looked at before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.graph.tensor import Placeholder, Tensor
from simplecell.keras_backend.conversion import constant
from simplecell.ops.elementwise import Cast
from simplecell.ops.shaping import Reshape


@dataclass(frozen=True, eq=False)
class LabelCheck:
    """The labels that come in at `source` must lie in [0, `classes`)."""

    source: Tensor
    classes: int

    def __call__(self, labels: np.ndarray) -> None:
        if labels.size == 0:
            return
        low, high = labels.min(), labels.max()
        if not (0 <= low and high < self.classes):  # NaN too
            raise ValueError(
                f"A label lies outside of [0, {self.classes}): the model has {self.classes} outputs, and labels from {low} to {high} came. "
                "Number the classes from 0, or give the last layer one output per class (`ignore_class` leaves one label out)."
            )


def check_labels(target: Any, classes: int) -> None:
    """Check known labels now, and traced ones at each run if they come from the step's data unchanged."""
    from simplecell.keras_backend.tracing import current_trace

    known = constant(target)
    if known is not None:
        LabelCheck(target, classes)(known)
        return
    while isinstance(target, Tensor) and isinstance(target.node.op, (Cast, Reshape)):
        target = target.node.inputs[0]
    scope = current_trace()
    if scope is not None and isinstance(target, Tensor) and isinstance(target.node.op, Placeholder):
        scope.checks.append(LabelCheck(target, classes))
