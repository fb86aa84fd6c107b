"""What can be computed while the graph is made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simplecell.graph.rewrites.facts import Facts, known, uniform
from simplecell.graph.tensor import Constant, Tensor, as_tensor
from simplecell.ops import shaping
from simplecell.ops.base import Op, Spec
from simplecell.ops.callout import CallOut
from simplecell.ops.random import RandomBits, RandomNormal, RandomUniform
from simplecell.ops.shaping import BroadcastTo, Pad, Reshape, Slice, Transpose

LARGEST = (
    4096  # elements of a folded result: beyond it, the constant would cost more memory than computing it costs time
)


def constant_folding(op: Op, inputs: Sequence[Tensor], facts: Facts) -> Tensor | None:
    """An op on constants, if its result is small, or uniform."""
    if not inputs or isinstance(op, (CallOut, RandomBits, RandomUniform, RandomNormal)):
        return None
    if any(not isinstance(t.node.op, Constant) for t in inputs):
        return None
    values = [known(t) for t in inputs]
    spec = op.output_spec(*(t.spec for t in inputs))
    if not isinstance(spec, Spec):
        return None
    value = uniform(inputs[0])
    if value is not None and (
        isinstance(op, (Reshape, BroadcastTo, Slice, Transpose)) or (isinstance(op, Pad) and op.value == value)
    ):
        return as_tensor(shaping.full(spec.shape, value, spec.dtype))
    if spec.size > LARGEST:
        return None
    return as_tensor(np.ascontiguousarray(op.reference(*values)).reshape(spec.shape))  # type: ignore[arg-type]
