"""Keras's functions that write files, or read what a crash may have left half-way: as Keras's modules are loaded, each
gets ours around it.

What is done around them is in `saving`, which is loaded when one of them is first called: `import keras` pays nothing
for it.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any

from simplecell.keras_backend.after import after_import

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


def write_safely() -> None:
    """Have ours put around each writer as soon as its module is loaded."""
    for name in WRITERS:
        after_import(name, _replace_writers)


def _replace_writers(module: ModuleType) -> None:
    for path, ours in WRITERS[module.__name__]:
        owner, _, name = path.rpartition(".")
        place = getattr(module, owner, None) if owner else module
        if hasattr(place, name):
            setattr(place, name, _around(getattr(place, name), ours))


def _around(theirs: Any, ours: str) -> Any:
    @functools.wraps(theirs)
    def function(*args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module("simplecell.keras_backend.saving"), ours)(theirs, *args, **kwargs)

    return function
