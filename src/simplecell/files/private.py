"""Files that may be believed because nobody else can have written them."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class NotPrivate(OSError):
    """What has this name is not a plain file that only this user can write, or it is too large."""


def open_to_others(folder: str | os.PathLike[str]) -> str | None:
    """Why others than this user could put files into `folder`, or another folder into its place; None if they cannot.

    A folder that all can write to may be *around* it if it is sticky, as `/tmp` is: what is in it stays in its owner's
    hands. Where users have no ids (Windows), nothing is looked at.

    Raises:
        OSError: the folder cannot be looked at.
    """
    if not hasattr(os, "geteuid"):
        return None
    given, real = Path(os.path.abspath(folder)), Path(os.path.realpath(folder))
    state = os.stat(real)
    if state.st_uid != os.geteuid():
        return f"it belongs to user {state.st_uid}, not to {os.geteuid()}"
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write to it (mode {stat.S_IMODE(state.st_mode):03o})"
    for around in dict.fromkeys((*given.parents, *real.parents)):
        mode = os.stat(around).st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            return f"others can write to the folder around it, {around} (mode {stat.S_IMODE(mode):03o})"
    return None


def read_private(path: str | os.PathLike[str], limit: int) -> bytes:
    """The contents of a plain file of at most `limit` bytes that this user alone can write.

    Never waits (for who writes to a pipe), follows no link.

    Raises:
        NotPrivate: it is something else.
        OSError: it cannot be read, or is not there.
    """
    # What has been opened is looked at, not the name: under that, another file may stand a moment later.
    flags = (
        os.O_RDONLY
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_NOFOLLOW", 0)
        | getattr(os, "O_NOCTTY", 0)
        | getattr(os, "O_BINARY", 0)
    )
    descriptor = os.open(path, flags)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise NotPrivate(f"{path} is not a plain file")
        if hasattr(os, "geteuid") and (state.st_uid != os.geteuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            raise NotPrivate(f"others can write to {path}")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1) if state.st_size <= limit else b""
        if state.st_size > limit or len(data) > limit:
            raise NotPrivate(f"{path} has more than {limit} bytes")
        return data
    finally:
        os.close(descriptor)
