"""The old or the new, with the right mode, at the right place, and nothing left behind."""

import errno
import os
import subprocess
import sys
import threading

import pytest

from simplecell.files import aside, exchange, recover, remove_folder, replace, replacing, replacing_folder, together

posix = pytest.mark.skipif(os.name != "posix", reason="modes and links as POSIX has them")
OWN = frozenset(("head", "part"))


def names(folder):
    return sorted(os.listdir(folder))


def write(path, text="new"):
    with replacing(path) as new:
        with open(new, "w") as f:
            f.write(text)


def write_set(folder, text="new"):
    with together(folder, "head") as new:
        for name in ("head", "part"):
            with open(os.path.join(new, name), "w") as f:
                f.write(text)


def write_folder(path, text="new"):
    with replacing_folder(path, "head", OWN) as new:
        os.makedirs(new, exist_ok=True)
        for name in ("head", "part"):
            with open(os.path.join(new, name), "w") as f:
                f.write(text)


@pytest.mark.parametrize("before", [None, "old"])
def test_a_file(tmp_path, before):
    path = tmp_path / "a.txt"
    if before:
        path.write_text(before)
    write(path)
    assert path.read_text() == "new" and names(tmp_path) == ["a.txt"]


def test_the_name_to_write_to_is_the_same(tmp_path):
    with replacing(tmp_path / "model.weights.h5") as new:
        assert os.path.basename(new) == "model.weights.h5" and new != str(tmp_path / "model.weights.h5")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), ValueError("half-way")])
@pytest.mark.parametrize(
    "how", [lambda p: replacing(p / "head"), lambda p: together(p, "head"), lambda p: replacing_folder(p, "head", OWN)]
)
def test_an_exception_changes_nothing(tmp_path, error, how):
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "head").write_text("old")
    with pytest.raises(type(error)):
        with how(folder) as new:
            with open(
                new
                if os.path.basename(new) == "head"
                else os.path.join(os.makedirs(new, exist_ok=True) or new, "head"),
                "w",
            ) as f:
                f.write("ne")
                raise error
    assert (folder / "head").read_text() == "old" and names(folder) == ["head"] and names(tmp_path) == ["f"]


def test_nothing_written_is_nothing_replaced(tmp_path):
    (tmp_path / "a").write_text("old")
    with replacing(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


@posix
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_a_new_file_has_the_mode_that_open_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        write(tmp_path / "a")
        write_set(tmp_path)
        write_folder(tmp_path / "f")
        (tmp_path / "plain").write_text("")
    finally:
        os.umask(before)
    expected = (tmp_path / "plain").stat().st_mode
    assert [(tmp_path / n).stat().st_mode for n in ("a", "head", "f/head")] == [expected] * 3
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o777 & ~umask


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_the_mode_of_the_old_file_is_kept(tmp_path, mode):
    for name, writer in (
        ("a", lambda: write(tmp_path / "a")),
        ("head", lambda: write_set(tmp_path)),
        ("f/head", lambda: write_folder(tmp_path / "f")),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(mode)
        writer()
        assert (tmp_path / name).read_text() == "new" and (tmp_path / name).stat().st_mode & 0o7777 == mode
    (tmp_path / "f").chmod(0o710)
    write_folder(tmp_path / "f", "newer")
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o710


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no attributes")
def test_attributes_are_kept(tmp_path):
    (tmp_path / "a").write_text("old")
    try:
        os.setxattr(tmp_path / "a", "user.note", b"mine")
    except OSError:
        pytest.skip("the file system has no attributes")
    write(tmp_path / "a")
    assert os.getxattr(tmp_path / "a", "user.note") == b"mine"


@posix
@pytest.mark.parametrize("dangling", [False, True])
def test_links_are_written_through(tmp_path, dangling):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "here" / "a"
    if not dangling:
        target.write_text("old")
    (tmp_path / "middle").symlink_to(target)
    link.symlink_to("../middle")
    write(link)
    assert (
        link.is_symlink()
        and target.read_text() == "new"
        and names(tmp_path / "there") == ["file"]
        and names(tmp_path / "here") == ["a"]
    )


@posix
def test_a_linked_folder_stays_a_link(tmp_path):
    write_folder(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    write_folder(tmp_path / "link")
    assert (
        (tmp_path / "link").is_symlink()
        and (tmp_path / "real" / "part").read_text() == "new"
        and names(tmp_path) == ["link", "real"]
    )


@posix
def test_a_linked_member_of_a_set_is_written_through(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "elsewhere").write_text("old")
    (tmp_path / "f" / "head").symlink_to(tmp_path / "elsewhere")
    write_set(tmp_path / "f")
    assert (tmp_path / "elsewhere").read_text() == "new" and (tmp_path / "f" / "head").read_text() == "new"


@posix
@pytest.mark.parametrize("path", ["nowhere/a", "folder", "loop", "file/a", ""])
def test_errors_are_those_of_open(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    os.symlink("loop", "loop")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError) as expected:
        open(path, "w")
    with pytest.raises(OSError) as found:
        write(path)
    assert (type(found.value), str(found.value)) == (type(expected.value), str(expected.value)) and names(tmp_path) == [
        "file",
        "folder",
        "loop",
    ]


@posix
def test_pipes_and_devices_are_written_to(tmp_path):
    write("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write(tmp_path / "pipe")
    reader.join(10)
    assert read == ["new"] and names(tmp_path) == ["pipe"]


@posix
@pytest.mark.parametrize("mode", [0o555, 0o755])
def test_where_nothing_may_be_made_or_written(tmp_path, mode):
    """A folder that may not be written: in place, as ever.

    A file that may not be: an error, as ever, although it could be renamed over.
    """
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a").write_text("old")
    if mode == 0o755:
        (folder / "a").chmod(0o444)
    folder.chmod(mode)
    if os.access(folder if mode == 0o555 else folder / "a", os.W_OK):
        pytest.skip("root may write everywhere")
    try:
        if mode == 0o555:
            write(folder / "a")
            assert (folder / "a").read_text() == "new"
        else:
            (folder / "head").write_text("old")
            (folder / "head").chmod(0o444)
            for writer in (lambda: write(folder / "a"), lambda: write_set(folder)):
                with pytest.raises(PermissionError):
                    writer()
            assert (folder / "a").read_text() == (folder / "head").read_text() == "old" and names(folder) == [
                "a",
                "head",
            ]
    finally:
        folder.chmod(0o755)


def test_a_full_disk_is_not_a_reason_to_write_in_place(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")

    def full(path, mode=0o777):
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EXDEV, errno.EPERM])
def test_what_cannot_be_renamed_over_changes_its_contents(tmp_path, monkeypatch, code):
    """A file mounted by itself, as containers do, or another user's in /tmp."""
    (tmp_path / "a").write_text("old, and longer than the new one")
    inode = (tmp_path / "a").stat().st_ino
    rename = os.replace

    def refuses(source, target):
        if os.path.basename(os.path.dirname(target)) == tmp_path.name:
            raise OSError(code, "refused")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuses)
    write(tmp_path / "a")
    assert (
        (tmp_path / "a").read_text() == "new" and (tmp_path / "a").stat().st_ino == inode and names(tmp_path) == ["a"]
    )


def test_names_as_long_as_can_be(tmp_path):
    for name in ("x" * 255, "ä" * 127, "[a]*?.h5", "a b\nc"):
        write(tmp_path / name)
        assert (tmp_path / name).read_text() == "new"
    assert len(names(tmp_path)) == 4


# --- sets and folders -------------------------------------------------------------------------------------------------


def test_a_set_leaves_other_files_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    write_set(tmp_path, "old")
    write_set(tmp_path)
    assert [(tmp_path / n).read_text() for n in ("head", "mine", "part")] == ["new", "mine", "new"] and names(
        tmp_path
    ) == ["head", "mine", "part"]


@pytest.mark.parametrize("swaps", [True, False])
def test_a_folder_is_swapped_whole(tmp_path, monkeypatch, swaps):
    if not swaps:
        monkeypatch.setattr(replace, "exchange", lambda a, b: (_ for _ in ()).throw(OSError(errno.ENOSYS, "none")))
    write_folder(tmp_path / "around" / "f", "old")
    before = (tmp_path / "around" / "f").stat().st_ino
    write_folder(tmp_path / "around" / "f")
    assert names(tmp_path / "around") == ["f"] and names(tmp_path / "around" / "f") == ["head", "part"]
    assert (tmp_path / "around" / "f" / "part").read_text() == "new"
    if swaps and sys.platform.startswith("linux"):
        assert (tmp_path / "around" / "f").stat().st_ino != before


def test_folders_in_a_folder_are_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(replace, "exchange", lambda a, b: (_ for _ in ()).throw(OSError(errno.ENOSYS, "none")))
    for generation in ("old", "new"):
        with replacing_folder(tmp_path / "f", "head", OWN) as new:
            os.makedirs(os.path.join(new, "part", generation))
            with open(os.path.join(new, "head"), "w") as f:
                f.write(generation)
    assert names(tmp_path / "f" / "part") == ["new"] and names(tmp_path / "f") == ["head", "part"]


def test_what_else_is_in_a_folder_stays(tmp_path):
    write_folder(tmp_path / "f", "old")
    (tmp_path / "f" / "notes").mkdir()
    (tmp_path / "f" / "notes" / "mine").write_text("mine")
    write_folder(tmp_path / "f")
    assert (
        names(tmp_path / "f") == ["head", "notes", "part"] and (tmp_path / "f" / "notes" / "mine").read_text() == "mine"
    )
    assert (tmp_path / "f" / "head").read_text() == "new"


@pytest.mark.parametrize("inside", ["f", "f/sub"])
def test_the_working_directory_is_not_swapped_away(tmp_path, monkeypatch, inside):
    write_folder(tmp_path / "f", "old")
    os.makedirs(tmp_path / inside, exist_ok=True)
    monkeypatch.chdir(tmp_path / inside)
    write_folder(os.path.relpath(tmp_path / "f"))
    assert os.path.samefile(".", tmp_path / inside) and (tmp_path / "f" / "head").read_text() == "new"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's system call")
def test_exchange(tmp_path):
    write_folder(tmp_path / "a", "a")
    write_folder(tmp_path / "b", "b")
    exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "a" / "head").read_text() == "b" and (tmp_path / "b" / "head").read_text() == "a"
    with pytest.raises(FileNotFoundError):
        exchange(str(tmp_path / "a"), str(tmp_path / "c"))


def test_a_folder_is_removed_whole(tmp_path):
    write_folder(tmp_path / "f")
    remove_folder(tmp_path / "f")
    assert names(tmp_path) == []


# --- several at once, and those that died -----------------------------------------------------------------------------


def left_by_a_dead_process(folder, announce=False):
    """A process is ended in the middle of writing a set, or of moving it into place."""
    code = (
        "import os, sys\n"
        "from simplecell.files import together, replace\n"
        "if sys.argv[2] == 'announce': replace._move_in = lambda *args, **kwargs: os._exit(9)\n"
        "with together(sys.argv[1], 'head') as new:\n"
        "    for name in ('head', 'part'): open(os.path.join(new, name), 'w').write('new')\n"
        "    if sys.argv[2] != 'announce': os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder), "announce" if announce else ""]).returncode == 9


@posix
def test_what_the_dead_left_is_removed(tmp_path):
    left_by_a_dead_process(tmp_path)
    assert len(names(tmp_path)) == 1
    write(tmp_path / "another")
    assert names(tmp_path) == ["another"]


@posix
def test_what_the_living_write_is_not_removed(tmp_path):
    with replacing(tmp_path / "a") as new:
        write(tmp_path / "b")
        write_set(tmp_path)
        with open(new, "w") as f:
            f.write("new")
    assert names(tmp_path) == ["a", "b", "head", "part"]


def test_what_was_announced_comes(tmp_path):
    write_set(tmp_path, "old")
    left_by_a_dead_process(tmp_path, announce=True)
    assert (tmp_path / "part").read_text() == "old"
    recover(tmp_path / "head")
    assert (tmp_path / "head").read_text() == (tmp_path / "part").read_text() == "new" and names(tmp_path) == [
        "head",
        "part",
    ]


def test_the_next_set_comes_after_what_was_announced(tmp_path):
    left_by_a_dead_process(tmp_path, announce=True)
    write_set(tmp_path, "newer")
    assert (tmp_path / "head").read_text() == (tmp_path / "part").read_text() == "newer" and names(tmp_path) == [
        "head",
        "part",
    ]


def test_many_writers_and_readers(tmp_path):
    """Each reader finds a whole file and, after `recover`, a head that is there or just being replaced; nothing is
    lost, nothing left.
    """
    write(tmp_path / "a", "x" * 1000)
    write_set(tmp_path, "0")
    errors = []

    def run(k):
        try:
            for _ in range(25):
                write(tmp_path / "a", str(k % 10) * 1000)
                write_set(tmp_path, f"{k}")
                assert len(set((tmp_path / "a").read_text())) == 1
                recover(tmp_path / "head")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == [] and names(tmp_path) == ["a", "head", "part"]
    assert (tmp_path / "head").read_text() == (tmp_path / "part").read_text()


@posix
@pytest.mark.parametrize("another", [False, True])
def test_a_set_that_its_writer_has_just_moved_is_nobody_elses(tmp_path, monkeypatch, another):
    """A reader has opened the folder of a set, and gets its lock when the writer is done: under its name stands
    nothing, or the next writer's.
    """
    ready = aside.announced(str(tmp_path), "head")
    os.mkdir(ready)
    flock = aside.fcntl.flock

    def late(descriptor, how):
        os.rmdir(ready)
        if another:
            os.mkdir(os.path.join(tmp_path, "next"))
            os.rename(os.path.join(tmp_path, "next"), ready)
        flock(descriptor, how)

    monkeypatch.setattr(aside.fcntl, "flock", late)
    with aside.held(ready, 0) as (ours, alone):
        assert not ours and not alone


def test_without_locks(tmp_path, monkeypatch):
    """As on Windows, and on some network file systems: what died is told by its age."""
    monkeypatch.setattr(aside, "fcntl", None)
    write_set(tmp_path, "old")
    left_by_a_dead_process(tmp_path, announce=True)
    left = ".a.0123abcd.simplecell-saving"
    os.mkdir(tmp_path / left)
    recover(tmp_path / "head")
    assert (tmp_path / "head").read_text() == (tmp_path / "part").read_text() == "new"
    write(tmp_path / "a")
    assert names(tmp_path) == [left, "a", "head", "part"]
    os.utime(tmp_path / left, (0, 0))
    write(tmp_path / "a")
    assert names(tmp_path) == ["a", "head", "part"]
