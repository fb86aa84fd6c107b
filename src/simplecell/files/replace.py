"""Files and folders are written aside, brought to the disk, and take their places: a crash leaves the old or the new.

`replacing` is for one file: a rename. `together` is for files that belong together in a folder that holds others, too:
there is no single step for these, so the complete set is announced by a rename, and then moved, the file that names the
others last; `recover`, called before reading, finishes what a crash has interrupted. `replacing_folder` is for a whole
folder: one exchange where the system can, else `together`.

Where nothing can be made beside the old file (a folder that may not be written, pipes, devices, what has no folder),
the path itself is given out: what happens then, errors included, is what happens without this module.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator

from .aside import Aside, announced, aside, held
from .exchange import exchange

_NOT_HERE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
"""Why nothing can be made in a folder, other than that the disk is full or broken."""

_WAIT = 30.0
"""Seconds to wait for a living process that is moving files into their places, which takes milliseconds."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Gives a path to write to, of the same file name; at the end, what was written there becomes `path`.

    A link is written through. The new file has the old one's mode, owner and attributes, or those that `open` would
    give. If an exception passes, or nothing was written, all is as before.
    """
    shown = os.fspath(path)
    target = os.path.realpath(shown)
    name = os.path.basename(shown)
    with contextlib.ExitStack() as stack:
        place = (
            _enter(stack, os.path.dirname(target), os.path.basename(target)) if name and _replaceable(target) else None
        )
        if place is None:
            yield shown
            return
        staged = os.path.join(place.new, name)
        yield staged
        if not os.path.lexists(staged):
            return
        _flush(staged)
        _take_after(target, staged)
        try:
            os.replace(staged, target)
        except OSError:  # mounted by itself, or not ours in a sticky folder: it can be written, but not renamed
            if not os.path.exists(target):
                raise
            os.rename(staged, os.path.join(place.new, os.path.basename(target)))
            _announce(place, place.path, os.path.dirname(target), os.path.basename(target))
        _flush_folder(os.path.dirname(target))


@contextlib.contextmanager
def together(folder: str, head: str) -> Iterator[str]:
    """Gives a folder to write files and folders into; at the end, they take their places in `folder`, all of them.

    `head` is the one that readers look at first. It is absent until the others are in place: who does not know of
    `recover` finds nothing, not a mixture.
    """
    target = os.path.realpath(folder)
    recover(os.path.join(target, head))
    with contextlib.ExitStack() as stack:
        place = _enter(stack, target, head)
        if place is None:
            yield folder
            return
        yield place.new
        names = os.listdir(place.new)
        for name in names:
            _prepare(os.path.join(place.new, name), os.path.join(target, name))
        if names:
            _announce(place, place.path, target, head)


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike[str], head: str, own: frozenset[str]) -> Iterator[str]:
    """Gives a path to make a folder at, of the same name; at the end, it becomes the folder `path`.

    Args:
        path: the folder; it need not exist, nor the folders around it.
        head: the file in it that readers look at first.
        own: the names of all that may be in it. If it holds anything else, that stays, and what is new is put beside
            it, by `together`.
    """
    shown = os.fspath(path)
    target = os.path.realpath(shown)
    parent, name = os.path.split(target)
    if os.path.lexists(target) and not os.path.isdir(target):
        yield shown
        return
    if os.path.isdir(target):
        recover(os.path.join(target, head))
        if not _swappable(target, own):
            with together(target, head) as new:
                yield new if new != target else shown
            return
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            os.makedirs(parent, exist_ok=True)
        place = _enter(stack, parent, name)
        if place is None:
            if not os.path.isdir(target):
                yield shown
                return
            new = stack.enter_context(together(target, head))
            yield new if new != target else shown
            return
        staged = os.path.join(place.new, name)
        yield staged
        if not os.path.isdir(staged):
            return
        for entry in os.listdir(staged):
            _prepare(os.path.join(staged, entry), os.path.join(target, entry))
        _flush_folder(staged)
        if os.path.isdir(target):
            _take_after(target, staged)
        try:
            (exchange if os.path.isdir(target) else os.rename)(staged, target)
        except OSError:
            if not os.path.isdir(target):
                raise
            arranged = os.path.join(place.path, "set")
            os.mkdir(arranged, 0o700)
            os.mkdir(os.path.join(arranged, "old"), 0o700)
            os.rename(staged, os.path.join(arranged, "new"))
            with held(arranged, 0):
                _announce(place, arranged, target, head)
        _flush_folder(parent)


def recover(path: str | os.PathLike[str]) -> None:
    """Before `path` is read: finish moving the set that it heads, if a process died in the middle of that.

    Where nothing is to be done it is a look at one name, or at two where links are on the way.
    """
    shown = os.path.abspath(os.fspath(path))
    for candidate in dict.fromkeys((shown, os.path.realpath(shown))):
        folder, head = os.path.split(candidate)
        ready = announced(folder, head)
        if os.path.isdir(ready):
            with contextlib.suppress(OSError), held(ready, _WAIT) as (ours, alone):
                if ours:
                    _move_in(ready, folder, head, alone)
                    shutil.rmtree(ready, ignore_errors=True)


def remove_folder(path: str | os.PathLike[str]) -> None:
    """Removes a folder whole: it loses its name before its files go.

    Raises:
        OSError: it cannot be renamed; nothing has been removed.
    """
    target = os.path.abspath(os.fspath(path))
    with aside(os.path.dirname(target), os.path.basename(target)) as place:
        os.rename(target, os.path.join(place.old, os.path.basename(target)))


def _enter(stack: contextlib.ExitStack, folder: str, name: str) -> Aside | None:
    try:
        return stack.enter_context(aside(folder, name))
    except OSError as error:
        if error.errno in _NOT_HERE:
            return None
        raise


def _replaceable(target: str) -> bool:
    """Whether there is nothing at `target`, or a file that may be written."""
    try:
        if not stat.S_ISREG(os.lstat(target).st_mode):
            return False
        os.close(os.open(target, os.O_WRONLY))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _swappable(target: str, own: frozenset[str]) -> bool:
    """Whether another folder can take its place: it holds only what is ours, and is neither stood in nor mounted."""
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # the working directory is gone
        here = ""
    inside = here == target or here.startswith(target.rstrip(os.sep) + os.sep)
    return not inside and not os.path.ismount(target) and own.issuperset(os.listdir(target))


def _prepare(new: str, target: str) -> None:
    """Bring it to the disk, with the mode and owner of what it replaces.

    Raises:
        OSError: what is there may not be written, as `open` says it.
    """
    _flush(new)
    if os.path.isfile(target):
        with contextlib.suppress(FileNotFoundError):  # another process is just replacing it
            os.close(os.open(target, os.O_WRONLY))
            if os.path.isfile(new):
                _take_after(target, new)


def _take_after(old: str, new: str) -> None:
    """Give `new` the owner, the mode and the attributes (access lists are such) of `old`, as far as we may."""
    try:
        state = os.stat(old)
    except OSError:
        return
    if hasattr(os, "chown"):
        mine = os.stat(new)
        for owner, group in ((state.st_uid, -1), (-1, state.st_gid)):
            if (owner, group) not in ((mine.st_uid, -1), (-1, mine.st_gid)):
                with contextlib.suppress(OSError):
                    os.chown(new, owner, group)
    os.chmod(new, stat.S_IMODE(state.st_mode))
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(old):
                if not name.startswith("security.") or name == "security.selinux":
                    with contextlib.suppress(OSError):
                        os.setxattr(new, name, os.getxattr(old, name))


def _announce(place: Aside, arranged: str, folder: str, head: str) -> None:
    """Rename the complete set in `arranged` (`new/`, and `old/`) into `folder`: from here on it will come."""
    ready = announced(folder, head)
    for attempt in range(100):
        try:
            os.rename(arranged, ready)
            break
        except OSError as error:
            if attempt == 99 or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            recover(os.path.join(folder, head))  # another process's, just before ours
    if arranged == place.path:
        place.path, place.kept = ready, True
    _flush_folder(folder)
    _move_in(ready, folder, head, alone=True)
    shutil.rmtree(ready, ignore_errors=True)
    _flush_folder(folder)


def _move_in(ready: str, folder: str, head: str, alone: bool) -> None:
    """Move all of `ready/new` into `folder`, `head` last. Can be repeated from wherever it was interrupted.

    The old head goes first, if we are alone in this: else another process may just have put the new one there.
    """
    new, old = os.path.join(ready, "new"), os.path.join(ready, "old")
    names = os.listdir(new) if os.path.isdir(new) else []  # all are in place, and the rest was being removed
    if alone and head in names and len(names) > 1 and not os.path.islink(os.path.join(folder, head)):
        with contextlib.suppress(OSError):
            _put_away(os.path.join(folder, head), old)
    for name in sorted(names, key=lambda name: (name == head, name)):
        source, target = os.path.join(new, name), os.path.join(folder, name)
        if os.path.islink(target):
            target = os.path.realpath(target)
        try:
            if os.path.isdir(target):
                _put_away(target, old)
            os.replace(source, target)
        except OSError:
            if not os.path.lexists(source):
                continue  # where there are no locks, another process was quicker
            _copy_over(source, target)


def _put_away(target: str, old: str) -> None:
    """Move what has to make room into `old`."""
    if not os.path.lexists(target):
        return
    kept = os.path.join(old, os.path.basename(target))
    if os.path.isdir(kept):
        shutil.rmtree(kept)
    os.replace(target, kept)


def _copy_over(source: str, target: str) -> None:
    """Where `target` cannot be renamed, its contents change; `source` stays until that has been done."""
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(source)
    else:
        shutil.copyfile(source, target)
        _flush(target)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(source)


def _flush(path: str) -> None:
    """Bring a file, or a folder with all that is in it, to the disk."""
    if os.path.islink(path):
        return
    if os.path.isdir(path):
        for name in os.listdir(path):
            _flush(os.path.join(path, name))
        _flush_folder(path)
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has nothing to flush
            raise
    finally:
        os.close(descriptor)


def _flush_folder(path: str) -> None:
    """Bring the names in a folder to the disk, where folders can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
