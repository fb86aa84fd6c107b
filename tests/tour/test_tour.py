import re
from html.parser import HTMLParser

import pytest
from PIL import Image


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_every_claim_holds(told):
    assert told[2] == []


def test_five_chapters_in_order(told):
    text = plain(told[1])
    places = [
        text.index(title)
        for title in (
            "1  A filter slides",
            "2  A line detector",
            "3  Filters on real data",
            "4  A network learns",
            "5  How fast it ran",
        )
    ]
    assert places == sorted(places)


def test_arithmetic_is_printed(told):
    text = plain(told[1])
    for line in (
        "(0×0)+(1×0)+(0×0)=0",
        "(0×0)+(1×0)+(0×1)=0",
        "(0×0)+(1×1)+(0×1)=1",
        "(0×1)+(1×1)+(0×0)=1",
        "(0×1)+(1×0)+(0×0)=0",
    ):
        assert line in text


def test_pictures_in_the_terminal(told):
    assert told[1].count("▀") > 2000 and "\x1b[38;2;" in told[1]


def test_learns(told):
    """Two epochs suffice for two thirds of the unseen images; ten classes, so guessing names a tenth."""
    accuracy = float(re.search(r"it names (\d+\.\d)% rightly", " ".join(plain(told[1]).split()))[1])
    assert accuracy > 66


def test_page_is_complete_in_itself(told):
    folder, _, _ = told
    html = (folder / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources and all(s.startswith(("data:image/png;base64,", "#chapter-")) for s in sources)
    assert "<script" not in html and "@import" not in html and "url(" not in html


def test_every_picture_lies_beside_the_page(told):
    folder, _, _ = told
    html = (folder / "index.html").read_text(encoding="utf-8")
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == html.count("<img ") > 20
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
            assert picture.mode == "RGB" and min(picture.size) > 10


def test_html_is_balanced(told):
    void = {"meta", "img", "br"}

    class Checker(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in void:
                self.open.append(tag)

        def handle_startendtag(self, tag, attrs):
            pass  # <line …/> of the SVGs

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed((told[0] / "index.html").read_text(encoding="utf-8"))
    assert checker.open == []


def test_epochs_below_one():
    from simplecell.tour import run

    with pytest.raises(ValueError, match="epochs: expected at least 1, received 0"):
        run("nowhere", epochs=0)
