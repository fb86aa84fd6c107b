"""Ends processes at each step that saving takes on the disk: `python -m tests.keras_backend.crashes`.

Steps are what Python audits (files opened for writing, renamed, linked, removed, folders made …), `fsync`, and the
exchange of two folders, of which a crash before and one after are tried. What is on the disk then has to be the old
generation or the new one, whole, and so it has to be, or else nothing at all, for a reader who does not know how to
recover: Keras on another backend.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import traceback

from simplecell.files import exchange as exchanging
from simplecell.files import replace

from .ways_to_save import WAYS, model

_NAMES = {"os.rename", "os.link", "os.mkdir", "os.chmod", "os.truncate"}


class Steps:
    """Ends the process at its step number `last`."""

    def __init__(self, folder, last):
        self.folder, self.left, self.on = folder, last, False

    def step(self, what=""):
        if self.on:
            if self.left == 0:
                os._exit(9)
            self.left -= 1

    def audit(self, event, args):
        if not self.on:
            return
        if event == "open":
            path, mode, flags = args
            writes = flags & (os.O_WRONLY | os.O_RDWR)
        elif event in ("os.remove", "os.rmdir"):  # of folders that are removed whole: names without their folder
            return self.step(event)
        else:
            path, writes = (args or ("",))[0], event in _NAMES
        if writes and isinstance(path, (str, bytes)) and os.fsdecode(path).startswith(self.folder):
            self.step(event)

    def start(self, swaps):
        """`swaps`: the system can exchange folders."""
        fsync = os.fsync

        def counted_fsync(descriptor):
            self.step("fsync")
            fsync(descriptor)

        def counted_exchange(a, b):
            if not swaps:
                raise OSError(38, "cannot exchange")
            self.step("exchange")
            exchanging(a, b)
            self.step("exchanged")

        os.fsync, replace.exchange = counted_fsync, counted_exchange
        sys.addaudithook(self.audit)
        self.on = True


@contextlib.contextmanager
def without_recovery():
    known, replace.announced = replace.announced, lambda folder, head: os.path.join(folder, "there is no such thing")
    try:
        yield
    finally:
        replace.announced = known


def in_child(function, *args):
    pid = os.fork()
    if pid == 0:
        try:
            function(*args)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check(load, folder, found):
    """What a plain reader and ours find: the generations go into the set `found`. Raises what is wrong."""
    with tempfile.TemporaryDirectory() as copy:
        copied(folder, copy)
        with without_recovery():
            try:
                plain = load(copy)
            except AssertionError:
                raise
            except (OSError, ValueError):
                plain = None
    assert plain in (None, 1, 2), plain
    ours = load(folder)
    assert ours in (1, 2), ours
    found.update((ours, ("plain", plain)))


def until(step, folder, swaps, function, *args):
    """Calls `function`, and ends the process at its step of this number."""
    Steps(folder, step).start(swaps)
    function(*args)


def copied(folder, into):
    return shutil.copytree(folder, into, dirs_exist_ok=True, symlinks=True)


def crash_everywhere(name, swaps=True, every=1):
    """Returns (the number of steps, what readers found) of a save of generation 2 over generation 1."""
    save, load = WAYS[name]
    steps, found = 0, set()
    new = model(2)
    with tempfile.TemporaryDirectory() as before:
        save(model(1), 1, before)
        while True:
            with tempfile.TemporaryDirectory() as folder:
                copied(before, folder)
                code = in_child(until, steps, folder, swaps, save, new, 2, folder)
                assert code in (0, 9), f"{name}: the save failed"
                try:
                    if any(n.endswith(".simplecell-saved") for _, folders, _ in os.walk(folder) for n in folders):
                        crash_recovery(load, folder, found, every)
                    check(load, folder, found)
                    if code == 0:
                        return steps, found
                    save(model(3), 3, folder)
                    assert load(folder) == 3
                    left = [
                        n for _, folders, files in os.walk(folder) for n in (*folders, *files) if "simplecell-sav" in n
                    ]
                    assert not left, left
                except Exception as error:
                    raise AssertionError(
                        f"{name}, {'with' if swaps else 'without'} exchange, after a crash at step {steps}: {error}"
                    ) from error
                steps += every


def crash_recovery(load, folder, found, every):
    """The reader who recovers is ended, too, at each step of it."""
    for step in range(0, 1000, every):
        with tempfile.TemporaryDirectory() as again:
            copied(folder, again)
            code = in_child(until, step, again, True, load, again)
            assert code in (0, 9), "the reader failed"
            check(load, again, found)
            if code == 0:
                return


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS, help="only this one")
    parser.add_argument("--every", type=int, default=1, help="each how manieth step is tried")
    arguments = parser.parse_args()
    for name in [arguments.way] if arguments.way else WAYS:
        for swaps in (True, False) if name == "folder" else (True,):
            steps, found = crash_everywhere(name, swaps, arguments.every)
            print(f"{name}{'' if swaps else ', no exchange'}: {steps} steps, found {sorted(found, key=str)}")


if __name__ == "__main__":
    main()
