"""The tour's folder changes when all of it is written, and not before."""

import pathlib

import numpy as np
import pytest

from simplecell.tour import story
from simplecell.tour.page import Page


def page(words):
    p = Page("Title")
    p.show(story.Text(words))
    p.show(story.Picture("one", np.zeros((2, 2, 3), np.uint8), "A picture"))
    p.show(story.Picture("two", np.zeros((2, 2, 3), np.uint8), "Another"))
    return p


def test_an_interrupted_tour_leaves_the_page_before(tmp_path, monkeypatch):
    folder = tmp_path / "a" / "tour"
    assert page("first").write(folder) == folder / "index.html"
    (folder / "mine.txt").write_text("mine")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    write, written = pathlib.Path.write_bytes, []

    def full(self, data):
        if written:
            raise OSError(28, "No space left on device")
        written.append(self)
        return write(self, data)

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        page("second").write(folder)
    assert written and {p.name: p.read_bytes() for p in folder.iterdir()} == before
    monkeypatch.undo()
    page("second").write(folder)
    assert "second" in (folder / "index.html").read_text() and sorted(p.name for p in folder.iterdir()) == sorted(
        before
    )
