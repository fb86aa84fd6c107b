"""What a network is made of: parameters, updates, calls of layers, and the structure of its outputs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from simplecell.graph.tensor import Placeholder, Tensor


class Value(Protocol):
    """What a parameter holds from one assignment to the next: an object of its own each time."""

    @property
    def array(self) -> np.ndarray | None: ...


class Check(Protocol):
    """Looks at the arrays that are given for `sources`, which are inputs, and raises a ValueError if they do not do."""

    @property
    def sources(self) -> tuple[Tensor, ...]: ...

    def __call__(self, *arrays: np.ndarray) -> None: ...


class Source(Protocol):
    """Where a parameter's value comes from: `cell` is another one after each assignment."""

    @property
    def cell(self) -> Value: ...


@dataclass(frozen=True, eq=False)
class Parameter:
    """A weight (or another variable) that the network reads: `tensor` stands for its value in the graph."""

    name: str
    tensor: Tensor
    source: Source = field(repr=False)

    @property
    def kept(self) -> bool:
        """Is it handed to a program when it has changed, and not (as what the traced function assigns) at each run?"""
        return isinstance(self.tensor.node.op, Placeholder) and self.tensor.node.op.role == "parameter"

    @property
    def version(self) -> Value:
        """The same object as before, if nothing has been assigned since."""
        return self.source.cell

    @property
    def array(self) -> np.ndarray:
        """The value now: an array that must not be written to.

        Raises:
            ValueError: it has none yet.
        """
        array = self.source.cell.array
        if array is None:
            raise ValueError(
                f"Variable {self.name} has no value yet. Build the model first, for instance by calling it on a batch."
            )
        return array


@dataclass(frozen=True, eq=False)
class Update:
    """A new value of a variable: `tensor` is what a run assigns to it at its end."""

    name: str
    tensor: Tensor
    source: Source = field(repr=False)


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One call of one layer.

    `key` names it: the layer's name, `outer/inner` for a layer that is called by another one, with `#2` behind a name
    for the second call, `#3` for the third, as in `outer#2/inner`. `path` is the same without the numbers; the call is
    the `number`-th of that path.
    """

    key: str
    path: str
    number: int
    class_name: str
    inputs: tuple[Tensor, ...]
    """as the layer's own code got them: in the layer's dtype"""
    outputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    """the place of each in the arguments, as `0` or `query` or `0/scores`; an only one is `""`"""
    output_names: tuple[str, ...]
    """the place of each in what the layer returns, as `0` or `scores`; an only one is `""`"""
    scope: str
    """what its nodes (and the steps of programs) carry as their label; those of layers inside it begin with it"""
    parent: LayerCall | None
    layer: weakref.ref[Any] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<call {self.key} of {self.class_name}>"

    @property
    def depth(self) -> int:
        """How many layers are around it."""
        return 0 if self.parent is None else self.parent.depth + 1

    def is_of(self, layer: Any) -> bool:
        return self.layer is not None and self.layer() is layer


@dataclass(frozen=True, eq=False)
class Structure:
    """How the arrays of a network's outputs become what its function returns.

    `slots` has one entry per leaf: its place among the outputs, or None for a leaf that `constants` has. `pack` takes
    the list of leaves.
    """

    slots: tuple[int | None, ...]
    pack: Callable[[list[Any]], Any]
    constants: tuple[Any, ...] = ()

    def __call__(self, results: Sequence[Any]) -> Any:
        if self.pack is only:
            return results[0]
        constants = iter(self.constants)
        return self.pack([_own(next(constants)) if slot is None else results[slot] for slot in self.slots])


def _own(leaf: Any) -> Any:
    return np.array(leaf) if isinstance(leaf, np.ndarray) else leaf


def only(leaves: list[Any]) -> Any:
    """The structure of one array."""
    return leaves[0]


def structure_of(names: Sequence[str]) -> Structure:
    """Of the one output, or of a dict of them."""
    if len(names) == 1:
        return Structure((0,), only)
    return Structure(tuple(range(len(names))), Named(tuple(names)))


@dataclass(frozen=True)
class Named:
    """Packs arrays into a dict by name."""

    names: tuple[str, ...]

    def __call__(self, leaves: list[Any]) -> dict[str, Any]:
        return dict(zip(self.names, leaves, strict=True))
