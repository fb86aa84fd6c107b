"""Object code on disk: whatever is wrong with a file, it is rebuilt."""

import os

import pytest

from simplecell.engine import cache


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


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d + b"x", lambda d: b"", lambda d: b"\0" * len(d), lambda d: d[:30] + b"!" + d[31:]])
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
