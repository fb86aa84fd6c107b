"""Class labels that do not exist are an error, not a silent zero.

Machine code cannot raise. Labels that follow from a step's data by a little arithmetic (`ignore_class` puts a 0 in the
place of those that it leaves out) are computed and looked at before the program runs; others, which follow from what
the model computes, by a call-out inside of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simplecell.graph.graph import Graph, evaluate, topological
from simplecell.graph.tensor import Constant, Placeholder, Tensor
from simplecell.keras_backend.conversion import constant
from simplecell.keras_backend.tracing import current_trace
from simplecell.ops.base import apply
from simplecell.ops.callout import CallOut
from simplecell.ops.elementwise import Binary, Cast, Select, StopGradient, Unary
from simplecell.ops.shaping import BroadcastTo, Concatenate, Reshape, Reverse, Slice, Transpose

_LITTLE = (
    Constant,
    Placeholder,
    Binary,
    Cast,
    Select,
    StopGradient,
    Unary,
    BroadcastTo,
    Concatenate,
    Reshape,
    Reverse,
    Slice,
    Transpose,
)
"""Ops that are computed twice, here and in the program, sooner than a program is stopped for a look at their result."""


@dataclass(frozen=True, eq=False)
class LabelCheck:
    """Labels must lie in [0, `classes`). `graph` computes them from the data at `sources` (see StepProgram)."""

    classes: int
    graph: Graph | None = None

    @property
    def sources(self) -> tuple[Tensor, ...]:
        return () if self.graph is None else self.graph.inputs

    def __call__(self, *data: np.ndarray) -> None:
        """Look at the labels that follow from `data`; without a graph, at `data` itself."""
        with np.errstate(all="ignore"):
            (labels,) = data if self.graph is None else evaluate(self.graph, data)
        if labels.size == 0:
            return
        low, high = labels.min(), labels.max()
        if not (0 <= low and high < self.classes):  # NaN too
            raise ValueError(
                f"A label lies outside of [0, {self.classes}): the model has {self.classes} outputs, and labels from "
                f"{low} to {high} came. "
                "Number the classes from 0, or give the last layer one output per class (`ignore_class` leaves one "
                "label out)."
            )


def checked_labels(target: Any, classes: int) -> Any:
    """`target`, known to hold existing labels: looked at now if its values are known, else at each run of the program
    that is being traced."""
    known = constant(target)
    if known is not None:
        LabelCheck(classes)(known)
        return target
    scope = current_trace()
    if scope is None or not isinstance(target, Tensor):
        return target  # only shapes are wanted
    given = target
    while isinstance(
        given.node.op, (Cast, Reshape)
    ):  # as they came: a cast to int32 could make a label of what is none
        given = given.node.inputs[0]
    nodes = topological([given])
    sources = [node.outputs[0] for node in nodes if isinstance(node.op, Placeholder)]
    if all(isinstance(node.op, _LITTLE) for node in nodes) and scope.data.issuperset(sources):
        scope.checks.append(LabelCheck(classes, Graph.of(sources, [given])))
        return target

    def look(labels: np.ndarray) -> np.ndarray:
        LabelCheck(classes)(labels)
        return labels

    return apply(CallOut(look, target.spec, "check_labels", lambda inputs, outputs, diff_outputs: [None]), target)
