"""Modules that Keras imports at its start for a few of its functions: they are found, but loaded when somebody first
asks them for something.

Files of HDF5, tables in terminals, plots, downloads: half of the time and the memory of `import keras` where all of
these are installed.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from types import ModuleType
from typing import Any

from simplecell.forks import HeldAcrossForks

LATER = frozenset(
    (
        "cv2",
        "h5py",
        "huggingface_hub",
        "matplotlib",
        "matplotlib.patches",
        "matplotlib.pyplot",
        "requests",
        "rich.console",
        "rich.markup",
        "rich.table",
    )
)

_loading = HeldAcrossForks()


class Later(ModuleType):
    """A module that has not been loaded. Its first missing attribute loads it, and makes it an ordinary one."""

    def __getattr__(self, name: str) -> Any:
        whole = f"{self.__name__}.{name}"
        if whole in LATER:
            return importlib.import_module(whole)
        if not name.startswith("__") or name in (
            "__all__",
            "__version__",
        ):  # others are asked for by who merely looks through all modules
            load(self)
            if type(self) is not Later or name in self.__dict__:
                return getattr(self, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        load(self)
        return dir(self)


class LaterLoader:
    """Stands in for a module's own loader."""

    def __init__(self, loader: Any) -> None:
        self.loader, self.running = loader, False

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return Later(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)  # get_source and the like


def load(module: ModuleType) -> None:
    """Load it now, if it has not been. Other threads wait; the module's own code, while it is loading, sees what there
    is already."""
    with _loading.lock:
        spec = module.__spec__
        if type(module) is not Later or spec is None or not isinstance(spec.loader, LaterLoader) or spec.loader.running:
            return
        standing = spec.loader
        standing.running = True
        try:
            standing.loader.exec_module(module)
        finally:
            standing.running = False
        module.__class__ = ModuleType
        spec.loader = module.__loader__ = standing.loader


def found_later(spec: importlib.machinery.ModuleSpec) -> importlib.machinery.ModuleSpec:
    """The same module, to be loaded later."""
    spec.loader = LaterLoader(spec.loader)
    return spec


def parent_of(fullname: str) -> ModuleType | None:
    """The package around a module, if it has not been loaded: it has to be, before its parts are."""
    parent = sys.modules.get(fullname.rpartition(".")[0])
    return parent if type(parent) is Later and fullname not in LATER else None
