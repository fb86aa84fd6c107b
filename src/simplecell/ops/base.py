"""What an op is: a frozen value that knows its output's shape, its plain NumPy meaning and its gradient as other ops.

Everything else about an op (kernels, fusion, memory) belongs to the engine. Ops know nothing of graphs: a symbolic
operand says itself how an op is recorded on it (`Symbolic.trace`), so this folder depends on NumPy alone.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from simplecell.ops.dtypes import dtype_name, to_dtype


@dataclass(frozen=True)
class Spec:
    """Shape (in elements) and dtype (a NumPy dtype's name) of one array."""

    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * to_dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def spec_of(x: Any) -> Spec:
    """The Spec of an array or of a symbolic tensor."""
    spec = getattr(x, "spec", None)
    if isinstance(spec, Spec):
        return spec
    return Spec(tuple(x.shape), dtype_name(x.dtype))


class Op:
    """Base of all ops. Subclasses are frozen dataclasses of hashable fields, so two equal ops mean the same thing."""

    @property
    def name(self) -> str:
        """Name in listings, e.g. `convolution` or `add`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def output_spec(self, *inputs: Spec) -> Spec | tuple[Spec, ...]:
        """Specs of the output(s). Raises ValueError that names the argument, the rule, what came and what to do."""
        raise NotImplementedError(type(self).__name__)

    def reference(self, *arrays: np.ndarray) -> Any:
        """The op in readable NumPy: one array (or a tuple, when output_spec gives a tuple); keeps the inputs' dtype."""
        raise NotImplementedError(type(self).__name__)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        """For each input, the gradient as an expression of other ops (None: no gradient flows to it). Axes along which
        an input was broadcast are left in it: who asks sums over them, in one place for all ops.

        `diff_outputs` has one entry per output, in the outputs' dtype; an output that nothing depends on comes as None.
        """
        raise NotImplementedError(
            f"`{self.name}` has no gradient. Wrap its input in `keras.ops.stop_gradient` if none is wanted."
        )


class Symbolic(ABC):
    """A value that is not there yet. Applying an op to one records the op instead of computing it."""

    spec: Spec

    @property
    def constant(self) -> np.ndarray | None:
        """The value, where it is known already."""
        return None

    @abstractmethod
    def trace(self, op: Op, inputs: Sequence[Any]) -> Any:
        """Record `op` on `inputs` (symbolic or concrete) and return its symbolic output(s)."""


def constant_value(x: Any) -> np.ndarray | None:
    """The value of a symbolic operand that is known when the graph is made, else None (None for arrays, too: when
    gradients are taken eagerly, any array may be a variable)."""
    return x.constant if isinstance(x, Symbolic) else None


def apply(op: Op, *inputs: Any) -> Any:
    """Record `op` if any input is symbolic; otherwise compute it by its reference."""
    for x in inputs:
        if isinstance(x, Symbolic):
            return x.trace(op, inputs)
    return op.reference(*inputs)
