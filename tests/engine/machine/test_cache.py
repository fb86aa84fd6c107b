"""Object code on disk: whatever is wrong with a file, it is rebuilt."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simplecell.engine.machine import cache
from simplecell.engine.planning import tune


@pytest.fixture(autouse=True)
def private_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.SETTING, str(tmp_path / "objects"))
    cache.folder.cache_clear()
    yield tmp_path / "objects"
    cache.folder.cache_clear()


def test_what_is_written_is_read():
    cache.write("abc", b"code")
    assert cache.read("abc") == b"code"
    assert cache.read("other") is None


@pytest.mark.parametrize(
    "damage",
    [lambda d: d[:-1], lambda d: d + b"x", lambda d: b"", lambda d: b"\0" * len(d), lambda d: d[:30] + b"!" + d[31:]],
)
def test_a_damaged_file_is_not_used(private_folder, damage):
    cache.write("abc", b"code" * 10)
    path = private_folder / "abc.o"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read("abc") is None


def test_a_file_under_another_name_is_not_used(private_folder):
    cache.write("abc", b"code")
    os.rename(private_folder / "abc.o", private_folder / "def.o")
    assert cache.read("def") is None


def test_no_temporary_files_remain(private_folder):
    for _ in range(3):
        cache.write("abc", b"code")
    assert [p.name for p in private_folder.iterdir()] == ["abc.o"]


def test_off(monkeypatch):
    monkeypatch.setenv(cache.SETTING, "off")
    cache.folder.cache_clear()
    cache.write("abc", b"code")
    assert cache.read("abc") is None


# --- what is in the folder, and who can put it there ------------------------------------------------------------------

posix = pytest.mark.skipif(os.name != "posix", reason="owners, modes and pipes as POSIX has them")


def in_time(code, folder, **environment):
    """What a process prints that runs `code` with this cache; a failure if it waits."""
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from simplecell.engine.machine import cache\nfrom simplecell.engine.planning import tune\n" + code,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, cache.SETTING: str(folder), **environment},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip(), run.stderr


@posix
@pytest.mark.parametrize("name", ["abc.o", "tuned.json"])
def test_a_pipe_is_not_waited_for(private_folder, name):
    cache.folder()
    os.mkfifo(private_folder / name)
    code = "print(cache.read('abc'), tune._read())\n"
    code += f"cache.write('abc', b'code'); tune._write({{'p': {{'a': 1.0}}}})\n{code}"
    assert in_time(code, private_folder)[0] == "None {}\nb'code' {'p': {'a': 1.0}}"


@posix
def test_what_others_could_have_written_is_not_used(private_folder):
    cache.write("abc", b"code")
    path = private_folder / "abc.o"
    for mode in (0o620, 0o602, 0o666):
        path.chmod(mode)
        assert cache.read("abc") is None
    path.chmod(0o600)
    assert cache.read("abc") == b"code"
    path.rename(private_folder / "real")
    path.symlink_to("real")
    assert cache.read("abc") is None
    cache.write("abc", b"newer")
    assert cache.read("abc") == b"newer" and not path.is_symlink() and (private_folder / "real").exists()


def test_huge_files_are_not_read(private_folder):
    cache.folder()
    for name in ("abc.o", "tuned.json"):
        (private_folder / name).write_bytes(b"")
        os.truncate(private_folder / name, 1 << 40)
    assert cache.read("abc") is None and tune._read() == {}


@posix
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_folder_that_others_can_write_to_is_refused(private_folder, mode):
    private_folder.mkdir()
    cache.write("abc", b"code")
    private_folder.chmod(mode)
    cache.folder.cache_clear()
    with pytest.warns(
        UserWarning,
        match=f".*objects, is not used: others can write to it .mode {mode:o}.*chmod go-w.*{cache.SETTING}",
    ):
        assert cache.read("abc") is None
    cache.write("def", b"code")  # says it no second time
    assert [p.name for p in private_folder.iterdir()] == ["abc.o"]


@posix
@pytest.mark.parametrize("mode, safe", [(0o777, False), (0o1777, True)])
def test_a_folder_around_it_that_others_can_write_to(private_folder, mode, safe):
    private_folder.mkdir(mode=0o700)
    around = private_folder.parent
    around.chmod(mode)
    try:
        if safe:
            cache.write("abc", b"code")
            assert cache.read("abc") == b"code"
        else:
            with pytest.warns(UserWarning, match="others can write to the folder around it"):
                assert cache.folder() is None
    finally:
        around.chmod(0o700)


@posix
def test_folders_that_are_made_for_it_are_private(tmp_path, monkeypatch):
    """Whatever the umask: else the cache would be refused that it has made itself."""
    monkeypatch.setenv(cache.SETTING, str(tmp_path / "a" / "b" / "objects"))
    before = os.umask(0o002)
    try:
        cache.write("abc", b"code")
    finally:
        os.umask(before)
    assert cache.read("abc") == b"code"
    assert [(tmp_path / n).stat().st_mode & 0o777 for n in ("a", "a/b", "a/b/objects", "a/b/objects/abc.o")] == [
        0o700
    ] * 3 + [0o600]


@posix
def test_of_another_owner(private_folder, monkeypatch):
    private_folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.warns(UserWarning, match="belongs to user"):
        assert cache.folder() is None


@pytest.mark.parametrize("setting, expected", [("~/x", "x"), ("~", ""), ("~nobody-of-this-name/x", None)])
def test_the_home_folder(tmp_path, monkeypatch, setting, expected):
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir(mode=0o700)
    code = "print(cache.folder())"
    printed, said = in_time(code, setting, HOME=str(tmp_path / "home"), USERPROFILE=str(tmp_path / "home"))
    assert printed == str(None if expected is None else tmp_path / "home" / expected) and said == ""
    assert os.listdir(tmp_path) == ["home"]


def test_a_relative_folder_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.SETTING, "objects")
    monkeypatch.chdir(tmp_path)
    cache.write("abc", b"code")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cache.read("abc") == b"code" and os.listdir(tmp_path / "elsewhere") == []


def test_the_default(tmp_path, monkeypatch):
    """XDG's variable counts if it is absolute, as its specification says."""
    monkeypatch.delenv(cache.SETTING)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for value, expected in (
        (str(tmp_path / "c"), tmp_path / "c"),
        ("c", tmp_path / ".cache"),
        ("~/c", tmp_path / ".cache"),
        ("", tmp_path / ".cache"),
    ):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache._default() == expected / "simplecell"


@pytest.mark.parametrize("make", [lambda p: p.write_text(""), lambda p: p.symlink_to(p)], ids=["file", "loop"])
def test_no_folder_to_be_had_is_no_error(private_folder, make):
    make(private_folder)
    cache.write("abc", b"code")
    assert cache.folder() is None and cache.read("abc") is None


def test_what_a_dead_process_left_is_removed(private_folder):
    private_folder.mkdir(mode=0o700)
    for name, age in ((".new-old", 2 * 3600), (".new-young", 0), ("abc.o", 2 * 3600)):
        (private_folder / name).write_bytes(b"")
        os.utime(private_folder / name, (time.time() - age,) * 2)
    cache.folder()
    assert sorted(p.name for p in private_folder.iterdir()) == [".new-young", "abc.o"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing(private_folder, monkeypatch, error):
    cache.write("abc", b"code")

    def fails(*args):
        raise error

    monkeypatch.setattr(os, "replace", fails)
    if isinstance(error, OSError):
        cache.write("abc", b"newer")
    else:
        with pytest.raises(KeyboardInterrupt):
            cache.write("abc", b"newer")
    assert cache.read("abc") == b"code" and len(os.listdir(private_folder)) == 1


def test_the_digest_is_of_the_whole_engine(monkeypatch):
    read = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.as_posix()) or b"")
    cache.sources_digest.__wrapped__()
    assert all(any(p.endswith(f"engine/{part}.py") for p in read) for part in ("target", "code/emit", "machine/linker"))
