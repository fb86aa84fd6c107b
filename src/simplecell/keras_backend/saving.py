"""Keras writes aside (see `simplecell.files`): a crash, a full disk or an exception leaves the old file or the new one.

Each function here is called in place of one of Keras's (`writers` says which) and is given that one as `theirs`. What
it does not know (file objects, remote paths, names that Keras refuses) passes through, so that values, prompts and
errors are Keras's own.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import warnings
from collections.abc import Callable
from typing import Any, TypeGuard

from keras.src.utils import io_utils
from keras.src.utils.file_utils import is_remote_path

from simplecell.files import recover, remove_folder, replacing, replacing_folder, together

Theirs = Callable[..., Any]

_CONFIG = "config.json"
_MODEL_FOLDER = frozenset((_CONFIG, "metadata.json", "model.weights.h5", "model.weights.npz", "assets"))
"""All that Keras puts into the folder of a model (`zipped=False`)."""


def _is_local(path: Any) -> TypeGuard[str | pathlib.Path]:
    return isinstance(path, (str, pathlib.Path)) and not is_remote_path(str(path))


def save_model(theirs: Theirs, model: Any, filepath: Any, weights_format: str = "h5", zipped: bool = True) -> None:
    """`model.save`, `keras.saving.save_model`: a `.keras` file, or with `zipped=False` a folder."""
    if not _is_local(filepath) or zipped is not str(filepath).endswith(".keras"):
        theirs(model, filepath, weights_format, zipped)
        return
    with replacing(str(filepath)) if zipped else replacing_folder(str(filepath), _CONFIG, _MODEL_FOLDER) as path:
        theirs(model, path, weights_format, zipped)


def save_weights_only(
    theirs: Theirs, model: Any, filepath: Any, max_shard_size: float | None = None, objects_to_skip: Any = None
) -> None:
    """`model.save_weights`: `.weights.h5`, or with `max_shard_size` `.weights.json` and the files that it names."""
    known = ".weights.h5" if max_shard_size is None else ("weights.h5", "weights.json")
    if not _is_local(filepath) or not str(filepath).endswith(known) or not model.built:
        theirs(model, filepath, max_shard_size, objects_to_skip)
    elif max_shard_size is None:
        with replacing(str(filepath)) as path:
            theirs(model, path, max_shard_size, objects_to_skip)
    else:
        head = pathlib.Path(filepath)
        if head.suffix != ".json":  # Keras's own warning would name the folder that we write to
            warnings.warn(
                f"Saving sharded weights requires `*.json` as the extension. The original path: {head} "
                f"will be renamed to {head.with_suffix('.json')}.",
                stacklevel=4,
            )
            head = head.with_suffix(".json")
        with together(str(head.parent), head.name) as folder:
            theirs(model, os.path.join(folder, head.name), max_shard_size, objects_to_skip)


def save_model_to_hdf5(
    theirs: Theirs, model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True
) -> None:
    """`model.save` to a legacy `.h5` file."""
    if not _is_local(filepath):
        theirs(model, filepath, overwrite, include_optimizer)
        return
    if not overwrite and os.path.isfile(filepath) and not io_utils.ask_to_proceed_with_overwrite(filepath):
        return
    if os.path.dirname(filepath):
        os.makedirs(os.path.dirname(filepath), exist_ok=True)
    with replacing(str(filepath)) as path:
        theirs(model, path, True, include_optimizer)


def save_file(theirs: Theirs, self: Any, filepath: Any) -> None:
    """`KerasFileEditor.save`."""
    if not _is_local(filepath) or not str(filepath).endswith(".weights.h5"):
        theirs(self, filepath)
        return
    with replacing(str(filepath)) as path:
        theirs(self, path)


def save_image(theirs: Theirs, path: Any, *args: Any, **kwargs: Any) -> None:
    """`keras.utils.save_img`."""
    if not _is_local(path):
        theirs(path, *args, **kwargs)
        return
    with replacing(str(path)) as new:
        theirs(new, *args, **kwargs)


def download(theirs: Theirs, url: str, filename: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`urlretrieve` as `keras.utils.get_file` calls it: what a killed download left is not taken for the file."""
    if not _is_local(filename):
        return theirs(url, filename, *args, **kwargs)
    with replacing(filename) as path:
        _, headers = theirs(url, path, *args, **kwargs)
    return filename, headers


def load_model(theirs: Theirs, filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """`keras.saving.load_model`: finishes first what a crash has interrupted."""
    if _is_local(filepath):
        recover(filepath)
        recover(os.path.join(filepath, _CONFIG))
    return theirs(filepath, *args, **kwargs)


def load_weights(theirs: Theirs, model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """`model.load_weights`: finishes first what a crash has interrupted."""
    if _is_local(filepath):
        recover(filepath)
    return theirs(model, filepath, *args, **kwargs)


def _backup_head(callback: Any) -> str:
    """The file of a backup that tells the epoch.

    It comes last and goes first: an epoch without its weights would skip training.
    """
    return os.path.basename(callback._training_metadata_path)


def save_backup(theirs: Theirs, self: Any, *args: Any, **kwargs: Any) -> None:
    """`BackupAndRestore` saves: weights, their epoch, and the pair before (`double_checkpoint`) change together."""
    if not _is_local(self.backup_dir):
        theirs(self, *args, **kwargs)
        return
    folder = str(self.backup_dir)
    os.makedirs(folder, exist_ok=True)
    paths = {name: getattr(self, name) for name in ("_weights_path", "_training_metadata_path")}
    with together(folder, _backup_head(self)) as new:
        try:
            if new != folder:
                if self.double_checkpoint:
                    for path, before in zip(
                        paths.values(), (self._prev_weights_path, self._prev_training_metadata_path)
                    ):
                        _keep(path, os.path.join(new, os.path.basename(before)))
                for name, path in paths.items():
                    setattr(self, name, os.path.join(new, os.path.basename(path)))
            theirs(self, *args, **kwargs)
        finally:
            for name, path in paths.items():
                setattr(self, name, path)


def _keep(path: str, name: str) -> None:
    """A second name for a file's contents, or a copy of them, if there is such a file."""
    if os.path.isfile(path):
        try:
            os.link(os.path.realpath(path), name)
        except OSError:
            shutil.copy(path, name)


def load_backup(theirs: Theirs, self: Any, *args: Any, **kwargs: Any) -> None:
    """`BackupAndRestore` restores: finishes first what a crash has interrupted."""
    if _is_local(self.backup_dir):
        recover(self._training_metadata_path)
    theirs(self, *args, **kwargs)


def remove_backup(theirs: Theirs, self: Any, *args: Any, **kwargs: Any) -> None:
    """`BackupAndRestore` is done: its folder goes whole, so that no epoch stays without its weights."""
    if (
        self.delete_checkpoint
        and _is_local(self.backup_dir)
        and os.path.isdir(self.backup_dir)
        and not os.path.islink(self.backup_dir)
    ):
        try:
            remove_folder(self.backup_dir)
        except OSError:  # mounted by itself, or in a folder that may not be written
            with contextlib.suppress(OSError):
                os.unlink(self._training_metadata_path)
    theirs(self, *args, **kwargs)


def open_log(theirs: Theirs, self: Any, *args: Any, **kwargs: Any) -> None:
    """`CSVLogger` appends: if a crash has cut the last line, the next one does not go on in it."""
    if (
        self.append
        and _is_local(self.filename)
        and os.path.isfile(self.filename)
        and os.path.getsize(self.filename) > 0
    ):
        with open(self.filename, "rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
    theirs(self, *args, **kwargs)
