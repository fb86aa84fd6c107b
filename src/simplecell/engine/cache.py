"""Object code on disk: written to a temporary name and renamed, checked by a digest when read, rebuilt whenever in doubt.

Files are machine code, so the folder belongs to the user alone and files of other owners are not read.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

SETTING = "SIMPLECELL_CACHE"
"""Environment variable: the folder of the cache; `off` keeps nothing on disk."""

_MAGIC = b"simplecell object 1\n"


@cache
def folder() -> Path | None:
    """The cache's folder (made, private to the user), or None where there is none to be had."""
    setting = os.environ.get(SETTING, "")
    if setting.lower() in ("off", "0", "no"):
        return None
    base = Path(setting) if setting else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simplecell"
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and base.stat().st_uid != os.getuid():
            return None
        return base
    except (OSError, RuntimeError):
        return None


def read(key: str) -> bytes | None:
    """The object code kept under `key`, or None if there is none that is whole and ours."""
    base = folder()
    if base is None:
        return None
    path = base / f"{key}.o"
    try:
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
        data = path.read_bytes()
    except OSError:
        return None
    head = len(_MAGIC) + 32
    if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(key.encode() + data[head:]).digest() != data[len(_MAGIC) : head]:
        return None
    return data[head:]


def write(key: str, code: bytes) -> None:
    """Keep `code`; two processes may do so at once, the last one wins. A full or read-only disk is no error."""
    base = folder()
    if base is None:
        return
    try:
        handle, name = tempfile.mkstemp(dir=base, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(_MAGIC + hashlib.sha256(key.encode() + code).digest() + code)
            os.replace(name, base / f"{key}.o")
        except OSError:
            os.unlink(name)
    except OSError:
        return


@cache
def sources_digest() -> str:
    """A digest of the engine's own source: a changed emitter never meets its old code."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
