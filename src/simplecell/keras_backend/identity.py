"""Which functions are the same: what a program that was traced from one is found by.

Two functions are the same if they have the same code and what that names around it is the same: variables of the
functions around it, globals, default values, attributes of the objects that it meets there, methods and helpers that it
calls, and what these name. Numbers, strings, arrays, lists and dicts are compared by value, so that a change of one is
seen; layers, models and Keras variables by identity and by what is trainable in them (the variables' values are read at
each run); all other objects by identity and the attributes named. A lambda that is written in a loop is one function.

Not seen: attributes of layers, what code of libraries reads, attributes found by `getattr`, files, the clock.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import types
import weakref
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from keras.src.backend.common import KerasVariable

from simplecell.keras_backend.variable import changes

_LIBRARIES = ("keras", "numpy", "simplecell", "builtins")
_PLAIN = (type(None), bool, int, str, bytes, enum.Enum, type(Ellipsis), np.dtype, slice, range)


class Same:
    """Equal to what was made of the very same object, while that lives."""

    __slots__ = ("_hash", "_ref")

    def __init__(self, x: Any) -> None:
        self._hash = id(x)
        try:
            self._ref: Any = weakref.ref(x)
        except TypeError:  # some objects know no weak references: these are kept
            self._ref = functools.partial(_itself, x)

    @property
    def what(self) -> Any:
        """The object, or None if it is gone."""
        return self._ref()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.what is not None and self.what is other.what


def _itself(x: Any) -> Any:
    return x


def identity(function: Any) -> tuple[Hashable, list[Any]]:
    """What the function is found by, and the objects in it that are compared by identity: when one of these dies,
    nothing is found by it any more."""
    look = _Look()
    key = look.state(function)
    if not isinstance(function, (types.FunctionType, types.MethodType)):
        look.names["__call__"] = None
    return (key, look.attributes()), [same.what for same in look.same.values()]


class _Look:
    def __init__(self) -> None:
        self.same: dict[int, Same] = {}
        self.names: dict[str, None] = {}
        """all that the code looked at names"""
        self._functions: dict[int, Hashable] = {}
        self._objects: dict[int, Any] = {}
        """whose attributes matter"""
        self._inside: list[Any] = []

    def _same(self, what: Any) -> Same:
        return self.same.setdefault(id(what), Same(what))

    def state(self, x: Any) -> Hashable:
        kind = type(x)
        if isinstance(x, _PLAIN):
            return (kind, repr(x) if kind is slice else x)
        if isinstance(x, (float, complex, np.generic)):
            return (kind, repr(x))  # NaN is as it was
        if isinstance(x, np.ndarray):
            return (kind, x.dtype.str, x.shape, _digest(x))
        if isinstance(x, types.FunctionType):
            return self._function(x)
        if isinstance(x, types.MethodType):
            return (self.state(x.__func__), self.state(x.__self__))
        if kind in (list, tuple, dict, set, frozenset, functools.partial):
            return self._container(x)
        if isinstance(x, KerasVariable):
            return (self._same(x), x.trainable)
        if _is_layer(x):
            return (self._same(x), *_trainable(x))
        library = x.__name__ if isinstance(x, types.ModuleType) else getattr(kind, "__module__", "")
        if not isinstance(x, type) and library.partition(".")[0] not in _LIBRARIES:
            self._objects.setdefault(id(x), x)
        return self._same(x)

    def _container(self, x: Any) -> Hashable:
        if any(x is outer for outer in self._inside):
            return "itself"
        self._inside.append(x)
        try:
            if isinstance(x, (set, frozenset)):
                return (type(x), frozenset(map(self.state, x)))
            items: Any = x.items() if isinstance(x, dict) else x
            if isinstance(x, functools.partial):
                items = (x.func, x.args, x.keywords)
            return (type(x), *map(self.state, items))
        finally:
            self._inside.pop()

    def _function(self, f: types.FunctionType) -> Hashable:
        if (f.__module__ or "").partition(".")[0] in _LIBRARIES:
            return self._same(f)
        if id(f) in self._functions:
            return self._functions[id(f)]
        self._functions[id(f)] = code = self._same(f.__code__)
        names = dict.fromkeys(_names(f.__code__))
        self.names.update(names)
        around = [_content(cell) for cell in f.__closure__ or ()]
        known = f.__globals__
        found = (
            code,
            *map(self.state, (*around, f.__defaults__, f.__kwdefaults__)),
            *((name, self.state(known[name])) for name in names if name in known),
        )
        self._functions[id(f)] = found
        return found

    def attributes(self) -> Hashable:
        """Of the objects found, the attributes that the code names."""
        while True:
            before = len(self.names), len(self._objects)
            found = tuple(self._attributes(x) for x in list(self._objects.values()))
            if before == (len(self.names), len(self._objects)):
                return found

    def _attributes(self, x: Any) -> Hashable:
        inside = getattr(x, "__dict__", None) or {}
        found = []
        for name in list(self.names):
            if name in inside:
                found.append((name, self.state(inside[name])))
            elif not isinstance(x, types.ModuleType):
                value = getattr(type(x), name, None)
                value = value.fget if isinstance(value, property) else value
                if isinstance(value, types.FunctionType):
                    found.append((name, self.state(value)))
                elif value is not None and isinstance(value, (*_PLAIN, float, np.ndarray)):
                    found.append((name, self.state(value)))
        return tuple(found)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it has not been assigned yet
        return Ellipsis


def _names(code: types.CodeType) -> Iterator[str]:
    """Of globals and attributes, also in functions that are defined inside."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _digest(x: np.ndarray) -> Hashable:
    if x.dtype == object:
        return repr(x.tolist())
    return hashlib.blake2b(np.ascontiguousarray(x).view(np.uint8).data if x.size else b"", digest_size=16).digest()


def _is_layer(x: Any) -> bool:
    from keras.src.layers.layer import Layer  # which has a base in this package

    return isinstance(x, Layer)


_states: weakref.WeakKeyDictionary[Any, tuple[object, Any, tuple[Hashable, ...]]] = weakref.WeakKeyDictionary()
"""of layers: what follows, found when nothing had changed since"""


def _trainable(layer: Any) -> tuple[Hashable, ...]:
    """Which variables it has, and which of them are trainable."""
    functional = getattr(layer, "_functional", None)  # a Sequential model makes a new one when layers come or go
    known = _states.get(layer)
    if known is None or known[0] is not changes.structure or known[1] != id(functional):
        structure = changes.structure
        variables = tuple((Same(v), v.trainable) for v in layer.variables)
        known = _states[layer] = (structure, id(functional), (Same(functional) if functional else None, variables))
    return known[2]
