"""A file is believed if this user alone can have written it."""

import os
import socket
import threading

import pytest

from simplecell.files import NotPrivate, open_to_others, read_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes as POSIX has them")


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


def in_time(function):
    """Its result or exception; a failure if it waits."""
    result = []

    def run():
        try:
            result.append(function())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert result, "it hangs"
    return result[0]


def test_a_plain_file(folder):
    (folder / "a").write_bytes(b"code")
    assert read_private(folder / "a", 4) == b"code"


def make_socket(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.relpath(path))  # the name of a socket has to be short
    s.close()


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        os.mkdir,
        make_socket,
        lambda p: os.symlink("/dev/zero", p),
        lambda p: (p.with_name("real").write_bytes(b"code"), os.symlink("real", p)),
        lambda p: (p.write_bytes(b"code"), p.chmod(0o620)),
        lambda p: (p.write_bytes(b"code"), p.chmod(0o602)),
        lambda p: (p.write_bytes(b""), os.truncate(p, 1 << 40)),
    ],
    ids=["pipe", "folder", "socket", "link to a device", "link", "group", "others", "huge"],
)
def test_nothing_else(folder, monkeypatch, make):
    monkeypatch.chdir(folder)
    make(folder / "a")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert isinstance(in_time(lambda: read_private(folder / "a", 1000)), OSError)
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_of_another_owner(folder, monkeypatch):
    (folder / "a").write_bytes(b"code")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotPrivate, match="others can write to"):
        read_private(folder / "a", 1000)
    assert "belongs to user" in open_to_others(folder)


def test_a_private_folder(folder):
    assert open_to_others(folder) is None


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o1777])
def test_a_folder_that_others_can_write_to(folder, mode):
    (folder / "f").mkdir()
    (folder / "f").chmod(mode)
    assert open_to_others(folder / "f") == f"others can write to it (mode {mode:03o})"


@pytest.mark.parametrize("mode, safe", [(0o777, False), (0o770, False), (0o1777, True), (0o755, True)])
def test_a_folder_within_one_that_others_can_write_to(folder, mode, safe):
    inner = folder / "around" / "between" / "f"
    inner.mkdir(parents=True, mode=0o700)
    (folder / "around").chmod(mode)
    reason = open_to_others(inner)
    assert (reason is None) is safe and (
        safe or f"the folder around it, {folder / 'around'} (mode {mode:03o})" in reason
    )


def test_a_link_is_looked_at_on_both_sides(folder):
    for name in ("a", "b"):
        (folder / name / "f").mkdir(parents=True, mode=0o700)
    (folder / "a" / "link").symlink_to(folder / "b" / "f")
    assert open_to_others(folder / "a" / "link") is None
    (folder / "a").chmod(0o777)
    assert "around it" in open_to_others(folder / "a" / "link")
    (folder / "a").chmod(0o755)
    (folder / "b").chmod(0o777)
    assert "around it" in open_to_others(folder / "a" / "link")
