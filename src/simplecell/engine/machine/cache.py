"""Object code on disk: renamed into place, checked by a digest when read, rebuilt whenever in doubt.

Files are machine code, so the folder has to be one that only the user can write to, and so has each file that is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path

from simplecell.files import open_to_others, read_private

SETTING = "SIMPLECELL_CACHE"
"""Environment variable: the folder of the cache; `off` keeps nothing on disk."""

LIMIT = 1 << 26
"""Bytes of the largest file that is read. Kernels have some 10 to 100 KB."""

_MAGIC = b"simplecell object 1\n"
_NEW = ".new-"
_AN_HOUR = 3600.0
"""Seconds after which a file that is still being written has been left behind by a process that died."""


@cache
def folder() -> Path | None:
    """The cache's folder (made, private to the user), or None where there is none to be had.

    It is decided once per process. A folder that others can write to is not used, with a warning: they could put
    machine code into it.
    """
    setting = os.environ.get(SETTING, "")
    if setting.lower() in ("off", "0", "no"):
        return None
    try:
        # absolute, so that it stays where it is when the process changes its working directory
        base = Path(os.path.abspath(Path(setting).expanduser())) if setting else _default()
        for around in reversed([p for p in base.parents if not p.exists()]):
            around.mkdir(mode=0o700, exist_ok=True)  # as private: `parents=True` would leave their mode to the umask
        base.mkdir(mode=0o700, exist_ok=True)
        reason = open_to_others(base)
        if reason is not None:
            warnings.warn(
                f"The cache of machine code, {base}, is not used: {reason}. Who can write there can have code "
                "of their own run by this process. Kernels are compiled anew in each process. Take others' right to "
                f"write away (chmod go-w), or set {SETTING} to a folder of your own or to 'off'.",
                stacklevel=2,
            )
            return None
        _sweep(base)
        return base
    except (OSError, RuntimeError):
        return None


def _default() -> Path:
    around = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (around if around.is_absolute() else Path.home() / ".cache") / "simplecell"


def _sweep(base: Path) -> None:
    """Remove what processes that died had begun to write."""
    with os.scandir(base) as entries:
        for entry in entries:
            if entry.name.startswith(_NEW):
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _AN_HOUR:
                        os.unlink(entry.path)


def read(key: str) -> bytes | None:
    """The object code kept under `key`, or None if there is none that is whole and ours."""
    data = read_file(f"{key}.o")
    head = len(_MAGIC) + 32
    if (
        data is None
        or data[: len(_MAGIC)] != _MAGIC
        or hashlib.sha256(key.encode() + data[head:]).digest() != data[len(_MAGIC) : head]
    ):
        return None
    return data[head:]


def write(key: str, code: bytes) -> None:
    """Keep `code`; two processes may do so at once, the last one wins. A full or read-only disk is no error."""
    write_file(f"{key}.o", _MAGIC + hashlib.sha256(key.encode() + code).digest() + code)


def read_file(name: str) -> bytes | None:
    """The contents of a file of the cache, or None if there is no plain file of that name which is ours alone."""
    base = folder()
    if base is None:
        return None
    try:
        return read_private(base / name, LIMIT)
    except OSError:
        return None


def write_file(name: str, data: bytes) -> None:
    """Replace a file of the cache whole, if that can be done.

    It is not brought to the disk: who reads it checks it, and a crash may lose it.
    """
    base = folder()
    if base is None:
        return
    try:
        handle, new = tempfile.mkstemp(dir=base, prefix=_NEW)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data)
        os.replace(new, base / name)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        if not isinstance(error, OSError):
            raise


@cache
def sources_digest() -> str:
    """A digest of the engine's own source: a changed emitter never meets its old code."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def llvm_version() -> str:
    """The version of llvmlite, which is bound to one of LLVM; known without loading LLVM's library."""
    import llvmlite

    return str(llvmlite.__version__)
