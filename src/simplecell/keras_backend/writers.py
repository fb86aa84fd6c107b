"""Keras's functions that write files, or read what a crash may have left half-way: as Keras's modules are loaded, each gets ours around it.

What is done around them is in `saving`, which is loaded when one of them is first called: `import keras` pays nothing for it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
from collections.abc import Sequence
from types import ModuleType
from typing import Any

WRITERS: dict[str, tuple[tuple[str, str], ...]] = {
    "keras.src.saving.saving_lib": (("save_model", "save_model"), ("save_weights_only", "save_weights_only")),
    "keras.src.saving.saving_api": (("load_model", "load_model"), ("load_weights", "load_weights")),
    "keras.src.saving.file_editor": (("KerasFileEditor.save", "save_file"),),
    "keras.src.legacy.saving.legacy_h5_format": (("save_model_to_hdf5", "save_model_to_hdf5"),),
    "keras.src.callbacks.backup_and_restore": (
        ("BackupAndRestore._save_model", "save_backup"),
        ("BackupAndRestore.on_train_begin", "load_backup"),
        ("BackupAndRestore.on_train_end", "remove_backup"),
    ),
    "keras.src.callbacks.csv_logger": (("CSVLogger.on_train_begin", "open_log"),),
    "keras.src.utils.file_utils": (("urlretrieve", "download"),),
    "keras.src.utils.image_utils": (("save_img", "save_image"),),
}
"""Module → (what it calls the function, the function of `saving` that is given it and its arguments)."""


class _WrittenSafely:
    """A module's own loader, after which the module's writers are ours."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        for path, ours in WRITERS[module.__name__]:
            owner, _, name = path.rpartition(".")
            place = getattr(module, owner, None) if owner else module
            if hasattr(place, name):
                setattr(place, name, _around(getattr(place, name), ours))
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self.loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)  # get_source and the like


def found_writer(fullname: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
    """The spec of a module of `WRITERS`."""
    spec = importlib.machinery.PathFinder.find_spec(fullname, path)
    if spec is not None and spec.loader is not None:
        spec.loader = _WrittenSafely(spec.loader)
    return spec


def _around(theirs: Any, ours: str) -> Any:
    @functools.wraps(theirs)
    def function(*args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module("simplecell.keras_backend.saving"), ours)(theirs, *args, **kwargs)

    return function
