"""Puts `simplecell.keras_backend` into the slot of Keras's NumPy backend. The only file that knows how.

Keras chooses a backend by name: it imports `keras.src.backend.NAME` and a few of its submodules. A finder at the head
of `sys.meta_path` answers for `keras.src.backend.numpy` with this package's own modules, so both names mean one module.
`KERAS_BACKEND` is set to `numpy` for the moment in which Keras reads it, and put back: child processes and later
readers of the environment see what the user set. Who asks for another backend gets an error, or, where simplecell
insists (`simplecell run`), simplecell and a line that says so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from simplecell.keras_backend.after import after_import, found_to_change, is_to_be_changed
from simplecell.keras_backend.later import LATER, found_later, load, parent_of
from simplecell.keras_backend.writers import write_safely

SLOT = "keras.src.backend.numpy"
PACKAGE = "simplecell.keras_backend"

_VARIABLE = "KERAS_BACKEND"
_OURS = ("", "numpy", "simplecell")
OVERRIDDEN = "SIMPLECELL_OVERRIDDEN"
"""For the processes that this one starts: the backend of which it has been said that simplecell stands in its place."""


class SlotFinder:
    """Finds the slot's modules in our package, and loads Keras first whoever of the two is asked for first."""

    def __init__(self) -> None:
        self.insists = False
        self._first = os.environ.get(_VARIABLE)
        self._outer: str | None = None
        self._asked = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == "keras.src.backend.config":
            self._ask_for_the_slot()
        elif fullname == SLOT or fullname.startswith(SLOT + "."):
            self._stop_asking()
            return importlib.machinery.ModuleSpec(
                fullname, _Alias(PACKAGE + fullname[len(SLOT) :]), is_package=fullname == SLOT
            )
        elif fullname.startswith(PACKAGE + ".") and fullname != __name__ and "keras.src.backend" not in sys.modules:
            # Our modules import Keras's, and Keras's import ours: Keras has to be first, or it meets a half-made
            # module.
            importlib.import_module("keras")
            return _found_already(fullname)
        elif fullname in LATER and _importing("keras"):
            spec = importlib.machinery.PathFinder.find_spec(fullname, path)
            return None if spec is None or spec.loader is None else found_later(spec)
        elif is_to_be_changed(fullname):
            return found_to_change(fullname, path)
        else:
            parent = parent_of(fullname)
            if parent is not None:
                load(parent)
                return _found_already(fullname)
        return None

    def _ask_for_the_slot(self) -> None:
        outer = os.environ.get(_VARIABLE)
        if outer is not None and outer not in _OURS:
            self._refuse(outer)
        self._outer, self._asked = outer, True
        os.environ[_VARIABLE] = "numpy"

    def _refuse(self, backend: str) -> None:
        """Another backend than ours is asked for by the environment, or by the script that has changed it."""
        if self.insists:
            who = "the environment" if backend == self._first else "the script"
            _say_overridden(backend, f"{who} sets {_VARIABLE}={backend}")
            return
        raise ImportError(
            f"{_VARIABLE}={backend} asks Keras for another backend, after `import simplecell`, "
            "which takes the place of Keras's NumPy backend. "
            f"To run on simplecell, leave out the line that sets {_VARIABLE} (or unset it in the shell; "
            "'numpy' is right, too), "
            f"or run the script as it is with `simplecell run SCRIPT.py`. To run on '{backend}', leave out `import "
            "simplecell`."
        )

    def _stop_asking(self) -> None:
        if not self._asked:
            return
        self._asked = False
        if self._outer is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = self._outer
        if self.insists and not self._outer:
            config = sys.modules.get("keras.src.backend.config")
            backend = getattr(config, "_config", {}).get("backend", "tensorflow")
            if backend not in (*_OURS, "tensorflow"):  # which Keras itself writes into a new file
                _say_overridden(backend, f"{getattr(config, '_config_path', 'keras.json')} says {backend!r}")

    def change_set_backend(self, module: ModuleType) -> None:
        """`keras.config.set_backend` would load a second Keras beside the one that our modules belong to."""

        @functools.wraps(module.set_backend)
        def set_backend(backend: str) -> None:
            if backend in _OURS:
                return
            if not self.insists:
                raise RuntimeError(
                    f"keras.config.set_backend({backend!r}): Keras runs on simplecell in this process, and cannot "
                    "leave it. "
                    f"Leave out the call to run on simplecell, or `import simplecell` to run on '{backend}'."
                )
            _say_overridden(backend, f"the script calls keras.config.set_backend({backend!r})")

        module.set_backend = set_backend  # type: ignore[attr-defined]


def _say_overridden(backend: str, how: str) -> None:
    """One line on stderr, once: the processes that this one starts do not say it again."""
    if os.environ.get(OVERRIDDEN) == backend or sys.stderr is None:
        return
    os.environ[OVERRIDDEN] = backend
    with contextlib.suppress(OSError, ValueError):  # a pipe that nobody reads, a closed file
        print(f"simplecell: {how}; Keras runs on simplecell all the same.", file=sys.stderr, flush=True)


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


def install(insist: bool = False) -> None:
    """Make Keras run on simplecell. Called by `import simplecell`; calling it again does nothing.

    Args:
        insist: `simplecell run`: where the script, the environment or `keras.json` ask for another backend, it is
            simplecell all the same, and a line on stderr says so, once. Else, `import keras` raises an ImportError
            where `KERAS_BACKEND` asks for another backend then.

    Raises:
        ImportError: Keras was imported before.
    """
    finder = next((finder for finder in sys.meta_path if isinstance(finder, SlotFinder)), None)
    if finder is None:
        if "keras.src.backend" in sys.modules:
            found = getattr(sys.modules.get("keras.src.backend.config"), "_BACKEND", "unknown")
            raise ImportError(
                f"`simplecell` has to be imported before `keras`, but Keras is already loaded, with its '{found}' "
                "backend. "
                "Move `import simplecell` above the first `import keras` (and above packages that import Keras; where "
                "a tool sorts imports, put "
                "`# isort: split` after it), or start the script with `simplecell run SCRIPT.py`."
            )
        finder = SlotFinder()
        after_import("keras.src.utils.backend_utils", finder.change_set_backend)
        write_safely()
        sys.meta_path.insert(0, finder)
    finder.insists = finder.insists or insist
