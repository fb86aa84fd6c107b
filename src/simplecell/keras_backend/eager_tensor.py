"""Tensors that carry their value, for `run_eagerly=True`: each op is computed at once and recorded, so that Python can
look at values (`if loss > 1:`, `print`, `np.asarray`) and gradients still flow. Slow, and meant for debugging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simplecell.graph.tensor import Node, Placeholder, Tensor
from simplecell.keras_backend.tracing import TraceScope
from simplecell.keras_backend.variable import Variable
from simplecell.ops.base import Op, spec_of
from simplecell.ops.dtypes import to_dtype


class EagerTensor(Tensor):
    """A recorded value that is known. Made by ops on another one; `leaf` makes the first."""

    value: np.ndarray

    def __init__(self, value: np.ndarray, node: Node, index: int = 0) -> None:
        super().__init__(spec_of(value), node, index)
        self.value = value

    def trace(self, op: Op, inputs: Sequence[Any]) -> Any:
        tensors = [x if isinstance(x, Tensor) else leaf(np.asarray(x)) for x in inputs]
        specs = op.output_spec(*(t.spec for t in tensors))
        with np.errstate(all="ignore"):
            values = op.reference(*(value_of(t) for t in tensors))
        several = isinstance(specs, tuple)
        node = Node.__new__(Node)
        outputs = tuple(
            EagerTensor(np.asarray(v, to_dtype(s.dtype)), node, i)
            for i, (v, s) in enumerate(
                zip(values if several else (values,), specs if several else (specs,), strict=True)
            )
        )
        node.__dict__.update(op=op, inputs=tuple(tensors), scope="", outputs=outputs, several=several)
        return node.result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype=dtype, copy=copy or None)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __index__(self) -> int:
        return int(self.value.__index__())

    def item(self) -> Any:
        return self.value.item()

    def numpy(self) -> np.ndarray:
        return np.array(self.value)

    def __repr__(self) -> str:
        return f"<tensor {self.spec} = {self.value}>"


def leaf(value: np.ndarray, label: str = "") -> EagerTensor:
    node = Node.__new__(Node)
    tensor = EagerTensor(value, node)
    op = Placeholder(spec_of(value), label, "parameter")
    node.__dict__.update(op=op, inputs=(), scope="", outputs=(tensor,), several=False)
    return tensor


def value_of(x: Any) -> np.ndarray:
    """The value of an EagerTensor, or of a tensor that was recorded on constants and EagerTensors."""
    if isinstance(x, EagerTensor):
        return x.value
    if not isinstance(x, Tensor):
        return np.asarray(x)
    with np.errstate(all="ignore"):
        result = x.node.op.reference(*(value_of(t) for t in x.node.inputs))
    return np.asarray(result[x.index] if isinstance(result, tuple) else result, x.dtype)


class EagerScope(TraceScope):
    """A TraceScope on values: trainable variables come as recorded ones, all others as plain arrays."""

    def __init__(self, record: bool) -> None:
        super().__init__()
        self.record = record
        self.calls = None

    def leaf(self, variable: Variable) -> Any:
        value = variable._array
        if value is None:
            value = np.asarray(variable._initializer(variable._shape, dtype=variable._dtype))
        return self._recorded(variable, value)

    def reread(self, variable: Variable, value: Any) -> Any:
        return self._recorded(variable, value_of(value))

    def _recorded(self, variable: Variable, value: np.ndarray) -> Any:
        if self.record and variable.trainable and value.dtype.kind not in "iub":
            return leaf(value, variable.path)
        return value

    def commit(self) -> None:
        """Give the variables their new values."""
        for key, variable in self.updated.items():
            variable._direct_assign(value_of(self.assigned[key]))
