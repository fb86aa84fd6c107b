import numpy as np
import pytest

from simplecell.tour import page, story, terminal

BLOCKS = [
    story.Chapter(1, "One & only"),
    story.Text("plain, `code` and **bold** <b>"),
    story.Code("x = 1 < 2"),
    story.Matrix("m", np.array([[1.0, -2.5]]), signed=True, window=(0, 1, 1, 1)),
    story.Matrices([story.Matrix("a", [1, 2]), story.Matrix("b", [[3]])], ["→"]),
    story.Slide((0, 1, 1), (1, 2), (2.0, 3.0)),
    story.Picture("one", np.zeros((2, 2, 3), np.uint8), "black", 3),
    story.Pictures([story.Picture("two", np.full((2, 2, 3), 255, np.uint8), "white `x`")], signed=True),
    story.Signals([story.Curve("s", [1.0, 2.0])], "a signal"),
    story.Table(["h `c`"], [["cell **b**"]], "caption"),
    story.Output("[not markup] \x1b"),
    story.Check("it holds", True),
    story.Check("it fails", False),
]


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (-0.0, "0"), (-0.001, "0"), (3.0, "3"), (-1.0, "−1"), (0.256, "0.26"), (1234.5, "1234.50")],
)
def test_number(value, text):
    assert story.number(value) == text


def test_arithmetic():
    assert story.arithmetic([0, 1, 0], [0, 0, 0]) == "(0×0)+(1×0)+(0×0)=0"
    assert story.arithmetic([[-1, 0.5]], [[2, 1]]) == "(−1×2)+(0.50×1)=−1.50"


def test_story_collects_failures():
    seen = []

    class Listener:
        def show(self, block):
            seen.append(block)

    told = story.Story([Listener()])
    told.show(*BLOCKS)
    assert seen == BLOCKS and told.failed == ["it fails"]


@pytest.mark.parametrize("colours", [None, "truecolor"])
@pytest.mark.parametrize("width", [40, 120])
def test_terminal_draws_every_block(colours, width):
    from rich.console import Console

    console = Console(width=width, color_system=colours, force_terminal=colours is not None)
    with console.capture() as captured:
        teller = terminal.Terminal(console)
        for block in BLOCKS:
            teller.show(block)
    text = captured.get()
    assert ("▀" in text) == (colours is not None)
    if width == 40:
        return  # lines are broken anywhere; it is enough that nothing was raised
    for word in ("One & only", "code", "(1×0)+(2×1)=2", "black", "cell", "it holds", "it fails", "[not markup]"):
        assert word in text


def test_terminal_without_pictures():
    from rich.console import Console

    console = Console(width=80)
    with console.capture() as captured:
        terminal.Terminal(console, pictures=False).show(BLOCKS[6])
    assert captured.get() == ""


def test_page_draws_every_block(tmp_path):
    made = page.Page("A & B")
    for block in BLOCKS:
        made.show(block)
    path = made.write(tmp_path / "new" / "folder")
    html = path.read_text(encoding="utf-8")
    assert "<title>A &amp; B</title>" in html and 'href="#chapter-1"' in html
    assert "<code>code</code> and <b>bold</b> &lt;b&gt;" in html and "x = 1 &lt; 2" in html
    assert html.count("<section") == html.count("</section>") == 1
    assert sorted(p.name for p in path.parent.iterdir()) == ["index.html", "one.png", "two.png"]


def test_unknown_block():
    from rich.console import Console

    for teller in (page.Page("t"), terminal.Terminal(Console())):
        with pytest.raises(TypeError, match="str is not a part of a story"):
            teller.show("x")
