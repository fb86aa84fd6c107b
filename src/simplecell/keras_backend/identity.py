"""Which functions are the same: what a program that was traced from one is found by.

Two functions are the same if they have the same code and what that names around it is the same: variables of the
functions around it, globals, default values, attributes of the objects and classes that it meets there, methods and
helpers that it calls, and what these name. What Python calls without naming it (`obj[i]`, `obj * x`, `obj(x)`,
`__getattr__`) is looked at too. Numbers, strings, arrays, lists and dicts are compared by value, so that a change of
one is seen; layers, models and Keras variables by identity and by what is trainable in them (the variables' values are
read at each run); all other objects by identity and the attributes named. A lambda that is written in a loop is one
function.

Not seen: attributes of layers, what code of libraries reads, attributes found by `getattr`, files, the clock.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import sys
import types
import weakref
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from keras.src.backend.common import KerasVariable

from simplecell.keras_backend.variable import changes

_LIBRARIES = ("keras", "numpy", "simplecell", "builtins")
_CONTAINERS = (list, tuple, dict, types.MappingProxyType, set, frozenset, deque, functools.partial)
_UNNAMED = frozenset(
    f"__{name}__"
    for name in "call getitem getattr getattribute iter next len contains enter array array_ufunc float int index bool "
    "neg abs add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul".split()
) | {"call"}
"""Methods that syntax calls, or Keras (`call` of losses and metrics)."""
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
        if isinstance(x, _CONTAINERS):
            return self._container(x)
        if isinstance(x, KerasVariable):
            return (self._same(x), x.trainable)
        if _is_layer(x):
            return (self._same(x), *_trainable(x))
        library = x.__name__ if isinstance(x, types.ModuleType) else getattr(kind, "__module__", "")
        looked_into = not _installed(x) if isinstance(x, type) else library.partition(".")[0] not in _LIBRARIES
        if looked_into:
            self._objects.setdefault(id(x), x)
        return self._same(x)

    def _container(self, x: Any) -> Hashable:
        if any(x is outer for outer in self._inside):
            return "itself"
        self._inside.append(x)
        try:
            if isinstance(x, (set, frozenset)):
                return (type(x), frozenset(map(self.state, x)))
            items: Any = x.items() if isinstance(x, (dict, types.MappingProxyType)) else x
            if isinstance(x, functools.partial):
                items = (x.func, x.args, x.keywords)
            return (type(x), *map(self.state, items))
        finally:
            self._inside.pop()

    def _function(self, f: types.FunctionType) -> Hashable:
        module = (f.__module__ or "").partition(".")[0]
        if module in _LIBRARIES or module in sys.stdlib_module_names:  # logging's alone would take 8 ms
            return self._same(f)
        if id(f) in self._functions:
            return self._functions[id(f)]
        self._functions[id(f)] = code = self._same(f.__code__)
        if f.__dict__:
            self._objects.setdefault(id(f), f)
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
        found = [(name, self.state(value)) for name in list(self.names) for value in _values(x, name)]
        if not isinstance(x, (type, types.ModuleType, types.FunctionType)):
            found += [(m.__name__, self.state(m)) for m in _unnamed(type(x))]
        return tuple(found)


def _values(x: Any, name: str) -> list[Any]:
    """The object's attribute, as far as it is known without running code: of a method also those that it overrides, of
    a property its function; nothing if there is none."""
    inside = {} if isinstance(x, type) else getattr(x, "__dict__", None) or {}
    if name in inside or isinstance(x, types.ModuleType):
        return [inside[name]] if name in inside else []
    found = []
    for kind in (x if isinstance(x, type) else type(x)).__mro__:
        value = vars(kind).get(name)
        if isinstance(value, types.MemberDescriptorType):  # of __slots__
            found += [getattr(x, name)] if isinstance(x, kind) and hasattr(x, name) else []
        elif isinstance(value, (staticmethod, classmethod)):
            found.append(value.__func__)
        elif value is not None:
            found.append(value.fget if isinstance(value, property) else value)
    return found


def _unnamed(kind: type) -> list[types.FunctionType]:
    """Methods of the user's classes that are called without being named."""
    methods = [
        vars(base)[name]
        for base in kind.__mro__
        if base is not object and not _installed(base)
        for name in sorted(_UNNAMED & vars(base).keys())
    ]
    return [m for m in methods if isinstance(m, types.FunctionType)]


def _installed(kind: type) -> bool:
    """Is the class one of a library's, or of Python's own?"""
    return _is_library(kind.__module__.partition(".")[0])


@functools.lru_cache(1024)
def _is_library(module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return module in _LIBRARIES or module in sys.stdlib_module_names or "-packages" in file


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
