"""The whole story, chapter after chapter."""

from __future__ import annotations

import time
from pathlib import Path

import keras
from rich.console import Console
from rich.padding import Padding

from . import learning, line_detector, photograph, signal_and_volume, sliding, speed
from .page import Page
from .story import Story
from .terminal import Terminal

TITLE = "Convolutional networks you can see through"


def run(
    output: Path, epochs: int = 8, seed: int = 0, pictures: bool = True, console: Console | None = None
) -> list[str]:
    """Tells the tour in the terminal and as a page.

    Args:
        output: the folder for `index.html` and its PNGs; made if it is not there.
        epochs: how often chapter 4 goes through its 5,000 images.
        seed: of the random filters and of the order of the images.
        pictures: draw pictures in the terminal too.
        console: where to print; the terminal if None.

    Returns:
        The claims that did not hold when they were tested: empty if all is well.

    Raises:
        ValueError: if `epochs` is below 1.
    """
    if epochs < 1:
        raise ValueError(f"epochs: expected at least 1, received {epochs}")
    start = time.perf_counter()
    console = console or Console(highlight=False)
    page = Page(TITLE)
    story = Story([Terminal(console, pictures), page])
    keras.utils.set_random_seed(seed)
    console.print(Padding(f"[bold]simplecell[/]  [dim]{TITLE.lower()}[/]", (1, 0, 0, 2)))
    sliding.tell(story)
    line_detector.tell(story)
    photograph.tell(story)
    signal_and_volume.tell(story)
    learned = learning.tell(story, console, epochs)
    speed.tell(story, learned)
    path = page.write(output)
    console.print(
        Padding(
            f"{time.perf_counter() - start:.0f} seconds. The whole story with all its pictures: [bold]{path}[/]",
            (0, 0, 1, 2),
        ),
        soft_wrap=True,
    )
    return story.failed
