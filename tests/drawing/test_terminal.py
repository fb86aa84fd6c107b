import numpy as np

from simplecell.plotting import grey, numbers, picture, sparkline


def test_half_blocks():
    pixels = np.zeros((4, 3, 3), np.uint8)
    pixels[0] = 255
    text = picture(pixels)
    assert text.plain == "▀▀▀\n▀▀▀"
    assert text.spans[0].style == "#ffffff on #000000"


def test_odd_height_and_size():
    assert picture(np.zeros((5, 4, 3), np.uint8)).plain.count("\n") == 2
    lines = picture(np.zeros((100, 300, 3), np.uint8), width=30, height=30).plain.split("\n")
    assert len(lines) == 5 and {len(line) for line in lines} == {30}


def test_without_colours():
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[:, 2] = 255
    assert picture(pixels, colours=False).plain == "  @"
    assert picture(pixels, colours=False, paper=True).plain == "@@ "
    assert not picture(pixels, colours=False).spans


def test_numbers():
    text = numbers([[1, 10], [0, 5]], grey, lambda v: f"{v:.0f}")
    assert text.plain == "  1  10 \n  0   5 "
    assert [s.style for s in text.spans][1] == "#000000 on #ffffff"


def test_sparkline():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5]) == "▁▁"
    assert len(sparkline(np.zeros(1000), 40)) == 40
    peak = np.zeros(1000)
    peak[500] = 1
    assert "█" in sparkline(peak, 40)
