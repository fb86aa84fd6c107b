"""Symbolic tensors and the nodes that make them."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simplecell.graph.operators import Operators
from simplecell.ops.base import Op, Spec, Symbolic, spec_of
from simplecell.ops.dtypes import to_dtype

_scope: contextvars.ContextVar[str] = contextvars.ContextVar("simplecell_scope", default="")


def current_scope() -> str:
    """What nodes that are recorded now carry."""
    return _scope.get()


@contextlib.contextmanager
def absolute_scope(name: str) -> Iterator[None]:
    """Nodes recorded inside carry `name`, whatever the scope outside."""
    token = _scope.set(name)
    try:
        yield
    finally:
        _scope.reset(token)


@contextlib.contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Nodes recorded inside carry `outer/name`: that is how `describe()` knows the layer a step belongs to."""
    outer = _scope.get()
    token = _scope.set(f"{outer}/{name}" if outer else name)
    try:
        yield
    finally:
        _scope.reset(token)


@dataclass(frozen=True, eq=False)
class Placeholder(Op):
    """A value given from outside at each run. Role: `input` (changes at each call), or `parameter` (changes rarely:
    weights)."""

    spec: Spec
    label: str = ""
    role: str = "input"

    def output_spec(self, *inputs: Spec) -> Spec:
        return self.spec


@dataclass(frozen=True, eq=False)
class Constant(Op):
    """A value known when the graph is made."""

    value: np.ndarray

    def output_spec(self, *inputs: Spec) -> Spec:
        return spec_of(self.value)

    def reference(self, *arrays: np.ndarray) -> np.ndarray:
        return self.value


@dataclass(frozen=True, eq=False)
class Node:
    """One op applied to tensors. Compared by identity."""

    op: Op
    inputs: tuple[Tensor, ...]
    scope: str = ""
    outputs: tuple[Tensor, ...] = field(default=(), repr=False)
    several: bool = field(default=False, repr=False)
    """Does its op give a tuple, be it of one?"""

    @staticmethod
    def make(op: Op, inputs: Sequence[Tensor], scope: str | None = None) -> Node:
        specs = op.output_spec(*[t.spec for t in inputs])
        node = Node.__new__(Node)  # it and its outputs know each other
        outputs: tuple[Tensor, ...]
        if isinstance(specs, tuple):
            outputs = tuple([Tensor(s, node, i) for i, s in enumerate(specs)])
        else:
            outputs = (Tensor(specs, node),)
        node.__dict__.update(
            op=op,
            inputs=tuple(inputs),
            scope=_scope.get() if scope is None else scope,
            outputs=outputs,
            several=isinstance(specs, tuple),
        )
        return node

    def on(self, inputs: Sequence[Tensor]) -> Node:
        """The same op on other inputs of the same specs."""
        node = Node.__new__(Node)
        outputs = tuple([Tensor(t.spec, node, t.index) for t in self.outputs])
        node.__dict__.update(self.__dict__, inputs=tuple(inputs), outputs=outputs)
        return node

    @property
    def result(self) -> Any:
        """The output tensor, or the tuple of them when the op has several."""
        return self.outputs if self.several else self.outputs[0]


class Tensor(Operators, Symbolic):
    """The `index`-th output of `node`: a value that a graph will have. Python's operators on it record ops (see
    `operators`): also `==`, so that tensors are told apart by `is`, or as members of sets and keys of dicts, but not by
    `in` a tuple."""

    __array_priority__ = 1000

    def __init__(self, spec: Spec, node: Node, index: int = 0) -> None:
        self.spec, self.node, self.index = spec, node, index

    @property
    def shape(self) -> tuple[int, ...]:
        return self.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return to_dtype(self.spec.dtype)

    @property
    def ndim(self) -> int:
        return len(self.spec.shape)

    @property
    def size(self) -> int:
        return self.spec.size

    @property
    def constant(self) -> np.ndarray | None:
        return self.node.op.value if isinstance(self.node.op, Constant) else None

    def trace(self, op: Op, inputs: Sequence[Any]) -> Any:
        return Node.make(op, [as_tensor(x) for x in inputs]).result

    def __repr__(self) -> str:
        return f"<tensor {self.spec} from {self.node.op.name}>"


def as_tensor(x: Any) -> Tensor:
    """A tensor as it is; an array (or Python number) as a Constant node."""
    if isinstance(x, Tensor):
        return x
    return Node.make(Constant(np.asarray(x)), ()).outputs[0]


def placeholder(spec: Spec, label: str = "", role: str = "input") -> Tensor:
    return Node.make(Placeholder(spec, label, role), ()).outputs[0]
