"""Which layer was called by which, on what, and what it gave: noted while a function is traced."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable
from keras.src.backend.common.keras_tensor import any_symbolic_tensors

from simplecell.graph.parts import LayerCall
from simplecell.graph.tensor import Tensor, absolute_scope, as_tensor, current_scope

Leaves = tuple[tuple[str, ...], tuple[Tensor, ...]]
"""Names and tensors, one for one."""

_ONE = ("",)
_NONE: Leaves = ((), ())


@dataclass(eq=False)
class _Record:
    """A call that may not have ended yet."""

    layer: Any
    name: str
    """its scope, without the number of the call"""
    scope: str
    parent: _Record | None
    inputs: Leaves
    outputs: Leaves


class LayerCalls:
    """The calls of one trace. `run` is what a layer's call goes through."""

    def __init__(self) -> None:
        self._records: list[_Record] = []
        self._open: list[_Record] = []
        self._count: dict[str, int] = {}
        self._scopes: set[str] = set()

    def run(self, layer: Any, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """`call(*args, **kwargs)`, noted as a call of `layer`. The scope is the one that Keras has opened for it: its
        name inside of that of the layer around it."""
        name = current_scope()
        inputs = _given(args, kwargs)
        if not inputs[1] and any_symbolic_tensors(args, kwargs):
            return call(*args, **kwargs)  # a model is being put together, and nothing computed
        record = _Record(layer, name, self._named(name), self._open[-1] if self._open else None, inputs, _NONE)
        before, around = len(self._records), len(self._open)
        self._records.append(record)
        self._open.append(record)
        try:
            if record.scope == name:
                outputs = call(*args, **kwargs)
            else:
                with absolute_scope(record.scope):
                    outputs = call(*args, **kwargs)
            record.outputs = _leaves(outputs)
        except BaseException:
            self.forget(before)
            raise
        finally:
            del self._open[around:]
        return outputs

    def _named(self, name: str) -> str:
        number = self._count[name] = self._count.get(name, 0) + 1
        scope = name if number == 1 else f"{name}#{number}"
        while scope in self._scopes:  # a layer may be named `conv#2`
            number += 1
            scope = f"{name}#{number}"
        self._scopes.add(scope)
        return scope

    def __len__(self) -> int:
        return len(self._records)

    def forget(self, after: int) -> None:
        """The calls but for the first `after`: they were part of an attempt that failed."""
        for record in self._records[after:]:
            self._count[record.name] -= 1
            self._scopes.discard(record.scope)
        del self._records[after:]

    def tensors(self) -> list[Tensor]:
        """All that went into layers or came out of them."""
        return [t for record in self._records for t in (*record.inputs[1], *record.outputs[1])]

    def calls(self, root: Any, moved: Mapping[Tensor, Tensor]) -> tuple[LayerCall, ...]:
        """The calls, in the order in which they began.

        Args:
            root: the model that was traced, if it was one; its own call is left out, and its name out of the keys.
            moved: tensors in whose place others have come.
        """
        made: dict[_Record | None, LayerCall] = {}
        numbers: dict[str, int] = {}
        top = self._records[0].scope + "/" if root is not None and self._records else ""
        for record in self._records:
            if root is not None and record.layer is root and record.parent is None:
                continue
            key = record.scope.removeprefix(top)
            parent = made.get(record.parent)
            path = record.name.removeprefix(top)
            if parent is not None:
                path = f"{parent.path}/{record.name.removeprefix(parent.scope + '/')}"
            numbers[path] = numbers.get(path, 0) + 1
            (input_names, inputs), (output_names, outputs) = record.inputs, record.outputs
            if moved:
                inputs, outputs = tuple(moved.get(t, t) for t in inputs), tuple(moved.get(t, t) for t in outputs)
            made[record] = LayerCall(
                key=key,
                path=path,
                number=numbers[path],
                class_name=type(record.layer).__name__,
                inputs=inputs,
                outputs=outputs,
                input_names=input_names,
                output_names=output_names,
                scope=record.scope,
                parent=parent,
                layer=weakref.ref(record.layer),
            )
        return tuple(made.values())


def _given(args: Any, kwargs: Any) -> Leaves:
    structure = args[0] if len(args) == 1 else list(args)
    if all(x is None or type(x) is bool for x in kwargs.values()):
        return _leaves(structure)
    found = [(_path(path), x) for path, x in tree.flatten_with_path(structure)]
    found += [(_path(path), x) for path, x in tree.flatten_with_path(dict(kwargs)) if isinstance(x, Tensor)]
    return _tensors(found)


def _leaves(structure: Any) -> Leaves:
    if type(structure) is Tensor:  # by far the most frequent case
        return _ONE, (structure,)
    if type(structure) is list and len(structure) > 1 and all(type(x) is Tensor for x in structure):
        return tuple(map(str, range(len(structure)))), tuple(structure)
    return _tensors([(_path(path), x) for path, x in tree.flatten_with_path(structure)])


def _tensors(found: list[tuple[str, Any]]) -> Leaves:
    """Those that are arrays or tensors; an only one needs no name."""
    values = [(name, x.value if isinstance(x, KerasVariable) else x) for name, x in found]
    leaves = [(name, as_tensor(x)) for name, x in values if isinstance(x, (Tensor, np.ndarray))]
    names = _ONE if len(leaves) == 1 else tuple(name for name, _ in leaves)
    return names, tuple(t for _, t in leaves)


def _path(path: Any) -> str:
    return "/".join(map(str, path))
