"""Puts `simplecell.keras_backend` into the slot of Keras's NumPy backend. The only file that knows how.

Keras chooses a backend by name: it imports `keras.src.backend.NAME` and a few of its submodules. A finder at the head of
`sys.meta_path` answers for `keras.src.backend.numpy` with this package's own modules, so both names mean one module.
`KERAS_BACKEND` is set to `numpy` for the moment in which Keras reads it, and put back: child processes and later
readers of the environment see what the user set.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from simplecell.keras_backend.later import LATER, found_later, load, parent_of
from simplecell.keras_backend.writers import WRITERS, found_writer

SLOT = "keras.src.backend.numpy"
PACKAGE = "simplecell.keras_backend"

_VARIABLE = "KERAS_BACKEND"
_OURS = ("", "numpy", "simplecell")


class SlotFinder:
    """Finds the slot's modules in our package, and loads Keras first whoever of the two is asked for first."""

    def __init__(self) -> None:
        self._outer: str | None = None
        self._asked = False

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if fullname == "keras.src.backend.config":
            self._ask_for_the_slot()
        elif fullname == SLOT or fullname.startswith(SLOT + "."):
            self._stop_asking()
            return importlib.machinery.ModuleSpec(fullname, _Alias(PACKAGE + fullname[len(SLOT) :]), is_package=fullname == SLOT)
        elif fullname.startswith(PACKAGE + ".") and fullname != __name__ and "keras.src.backend" not in sys.modules:
            # Our modules import Keras's, and Keras's import ours: Keras has to be first, or it meets a half-made module.
            importlib.import_module("keras")
            return _found_already(fullname)
        elif fullname in LATER and _importing("keras"):
            spec = importlib.machinery.PathFinder.find_spec(fullname, path)
            return None if spec is None or spec.loader is None else found_later(spec)
        elif fullname in WRITERS:
            return found_writer(fullname, path)
        else:
            parent = parent_of(fullname)
            if parent is not None:
                load(parent)
                return _found_already(fullname)
        return None

    def _ask_for_the_slot(self) -> None:
        outer = os.environ.get(_VARIABLE)
        if outer is None or outer in _OURS:  # else `keras.config.set_backend` asks for another one
            self._outer, self._asked = outer, True
            os.environ[_VARIABLE] = "numpy"

    def _stop_asking(self) -> None:
        if not self._asked:
            return
        self._asked = False
        if self._outer is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = self._outer


def _importing(name: str) -> bool:
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))


def _found_already(fullname: str) -> importlib.machinery.ModuleSpec | None:
    """For a module that has been loaded on the way, while it was looked for."""
    module = sys.modules.get(fullname)
    if module is None:
        return None
    alias = _Alias(fullname, module.__spec__)
    module.__spec__ = None  # importlib would find it here, and load the module a second time
    return importlib.machinery.ModuleSpec(fullname, alias)


class _Alias:
    """Loads a module under a second name: the very same object."""

    def __init__(self, name: str, spec: Any = None) -> None:
        self.name, self.spec = name, spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.name)
        self.spec = self.spec or module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # importlib has just written the alias's


def install() -> None:
    """Make Keras run on simplecell. Called by `import simplecell`; calling it again does nothing.

    Raises:
        ImportError: Keras was imported before, or the environment's `KERAS_BACKEND` asks for another backend.
    """
    if any(isinstance(finder, SlotFinder) for finder in sys.meta_path):
        return
    if "keras.src.backend" in sys.modules:
        found = getattr(sys.modules.get("keras.src.backend.config"), "_BACKEND", "unknown")
        raise ImportError(
            f"`simplecell` has to be imported before `keras`, but Keras is already loaded, with its '{found}' backend. "
            "Move `import simplecell` above the first `import keras` (and above packages that import Keras; where a tool sorts imports, put "
            "`# isort: split` after it), or start the script with `simplecell run SCRIPT.py`."
        )
    asked = os.environ.get(_VARIABLE, "")
    if asked not in _OURS:
        raise ImportError(
            f"The environment asks Keras for another backend: {_VARIABLE}={asked}. simplecell takes the place of Keras's NumPy backend. "
            f"Unset {_VARIABLE} (or set it to 'numpy') to run on simplecell, or leave out `import simplecell` to run on '{asked}'."
        )
    sys.meta_path.insert(0, SlotFinder())
