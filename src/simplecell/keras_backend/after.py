"""Modules of others, changed as soon as they are loaded: `after_import(name, change)`."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

_changes: dict[str, Callable[[ModuleType], None]] = {}


def after_import(name: str, change: Callable[[ModuleType], None]) -> None:
    """Have `change(module)` called once the module has been executed, before anybody gets it.

    At once, if it is loaded already.
    """
    if name in sys.modules:
        change(sys.modules[name])
    else:
        _changes[name] = change


def is_to_be_changed(name: str) -> bool:
    return name in _changes


def found_to_change(name: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
    """The module as Python finds it, with a loader that changes it."""
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    if spec is not None and spec.loader is not None:
        spec.loader = _Changing(spec.loader, _changes[name])
    return spec


class _Changing:
    """Stands in for a module's own loader until it is loaded."""

    def __init__(self, loader: Any, change: Callable[[ModuleType], None]) -> None:
        self.loader, self.change = loader, change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.change(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)  # get_source and the like
