"""Hidden folders beside the files that are to be replaced: what is new is written there, under its name to be.

    .model.keras.1f09ab3c.simplecell-saving/    being written by a living process, which holds a lock on it
        new/model.keras                         what is to come
        old/                                    what had to make room
    .config.json.simplecell-saved/              the same, complete and announced: its contents go to their places

A process that dies drops its lock: who next writes into the folder finds what it left, and removes it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows: nothing is locked, and what died is told by its age
    fcntl = None  # type: ignore[assignment]

_LEFT_BEHIND = re.compile(r"\..+\.[0-9a-f]{8}\.simplecell-saving", re.DOTALL)
_A_DAY = 86400.0
"""Seconds after which a folder counts as left behind where there are no locks (some NFS): no save takes so long."""


class Aside:
    """One such folder. `path` changes when it is announced; `kept`: it is not to be removed at the end."""

    def __init__(self, path: str, lock: int | None) -> None:
        self.path, self.lock, self.kept = path, lock, False

    @property
    def new(self) -> str:
        return os.path.join(self.path, "new")

    @property
    def old(self) -> str:
        return os.path.join(self.path, "old")


@contextlib.contextmanager
def aside(folder: str, name: str) -> Iterator[Aside]:
    """A folder in `folder` for what is to become `name` there; gone at the end, whatever happens, unless it is `kept`.

    Raises:
        OSError: it cannot be made.
    """
    _sweep(folder)
    place = _make(folder, name)
    try:
        yield place
    finally:
        try:
            if not place.kept:
                shutil.rmtree(place.path, ignore_errors=True)
        finally:
            if place.lock is not None:
                os.close(place.lock)


def announced(folder: str, head: str) -> str:
    """The name under which a complete set stands whose last file is `head`."""
    return os.path.join(folder, f".{_short(head)}.simplecell-saved")


@contextlib.contextmanager
def held(path: str, seconds: float) -> Iterator[tuple[bool, bool]]:
    """For this while: (whether the folder `path` is there and may be worked on, whether nobody else can be doing so).

    Its writer, if it lives, is waited for so long. Where there are no locks, nobody can say.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            lock = _lock(path)
            break
        except BlockingIOError:
            if time.monotonic() < end:
                time.sleep(0.005)
                continue
        except OSError:  # it has gone, so there is no more to do; or it cannot be opened
            pass
        yield False, False
        return
    try:
        yield os.path.isdir(path), lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _short(name: str) -> str:
    """`name`, or something as good where it is nearly as long as a file system's names can be."""
    return name if len(os.fsencode(name)) <= 180 else hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def _make(folder: str, name: str) -> Aside:
    while True:
        path = os.path.join(folder, f".{_short(name)}.{secrets.token_hex(4)}.simplecell-saving")
        lock = None
        try:
            os.mkdir(path, 0o700)
            lock = _lock(path)
            place = Aside(path, lock)
            os.mkdir(place.new, 0o700)
            os.mkdir(place.old, 0o700)
            return place
        except OSError as error:
            if (
                lock is None
                and os.path.isdir(folder)
                and isinstance(error, (FileExistsError, BlockingIOError, FileNotFoundError))
            ):
                continue  # the name is taken; or another process took it for left behind, before it was locked
            if lock is not None:
                os.close(lock)
            shutil.rmtree(path, ignore_errors=True)
            raise


def _lock(path: str) -> int | None:
    """Lock a folder: a descriptor that holds the lock until it is closed, or None where there are no locks.

    Raises:
        BlockingIOError: somebody else has the lock.
        OSError: the folder is not, or no longer, there, or cannot be opened.
    """
    if fcntl is None:
        os.lstat(path)
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked = True
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        locked = False
    try:
        if not os.path.samestat(os.fstat(descriptor), os.lstat(path)):
            raise BlockingIOError(errno.EWOULDBLOCK, "another folder has this name now", path)
    except OSError:
        os.close(descriptor)
        raise
    if not locked:
        os.close(descriptor)
    return descriptor if locked else None


def _sweep(folder: str) -> None:
    """Remove what dead processes have left in `folder`."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [e.path for e in entries if _LEFT_BEHIND.fullmatch(e.name)]:
            with contextlib.suppress(OSError):
                lock = _lock(path)
                try:
                    if lock is not None or time.time() - os.lstat(path).st_mtime > _A_DAY:
                        shutil.rmtree(path, ignore_errors=True)
                finally:
                    if lock is not None:
                        os.close(lock)
