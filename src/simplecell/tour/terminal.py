"""Tells the story in a terminal."""

from __future__ import annotations

import re
from functools import singledispatchmethod
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table as RichTable
from rich.text import Text as RichText

from simplecell.plotting import Pixels, grey, numbers, picture, signed, sparkline

from . import story

_ACCENT = "bold #d0472f"
_MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


class Terminal:
    """Draws blocks on a rich console, pictures included (unless `pictures` is False)."""

    def __init__(self, console: Console, pictures: bool = True) -> None:
        self.console, self.pictures = console, pictures
        self._colours = console.color_system is not None

    @singledispatchmethod
    def show(self, block: Any) -> None:
        raise TypeError(f"block: {type(block).__name__} is not a part of a story")

    def _print(self, what: RenderableType, below: int = 1) -> None:
        self.console.print(Padding(what, (0, 0, below, 2)))

    @show.register
    def _(self, block: story.Chapter) -> None:
        self.console.print()
        self.console.rule(f"[{_ACCENT}]{block.number}  {block.title}", style="#d0472f", align="left")
        self.console.print()

    @show.register
    def _(self, block: story.Text) -> None:
        self._print(_marked(block.words))

    @show.register
    def _(self, block: story.Code) -> None:
        self._print(Syntax(block.source, "python", theme="ansi_dark", background_color="default"))

    @show.register
    def _(self, block: story.Matrix) -> None:
        self._print(self._matrix(block))

    @show.register
    def _(self, block: story.Matrices) -> None:
        grid = RichTable.grid(padding=(0, 2))
        cells: list[RenderableType] = []
        for i, item in enumerate(block.items):
            if i and i - 1 < len(block.signs):
                cells.append(RichText("\n\n" + block.signs[i - 1]))
            cells.append(self._matrix(item))
        grid.add_row(*cells)
        self._print(grid)

    def _matrix(self, block: story.Matrix) -> RenderableType:
        paint = signed if block.signed else grey
        return Group(RichText(block.title, style="dim"), numbers(block.values, paint, story.number, self._colours))

    @show.register
    def _(self, block: story.Slide) -> None:
        table = RichTable(
            "position",
            "window",
            "filter × window",
            "NumPy",
            "layer",
            box=None,
            header_style="dim",
            pad_edge=False,
            padding=(0, 2, 0, 0),
        )
        size = len(block.weights)
        for position, sums, dot, value in block.rows():
            window = RichText()
            for i, v in enumerate(block.values):
                inside = position <= i < position + size
                window.append(
                    f" {story.number(v)} ", style="bold black on #f3a477" if inside and self._colours else "dim"
                )
            table.add_row(str(position), window, sums, story.number(dot), RichText(story.number(value), style="bold"))
        self._print(table)

    @show.register
    def _(self, block: story.Picture) -> None:
        self.show(story.Pictures([block]))

    @show.register
    def _(self, block: story.Pictures) -> None:
        shown = [p for p in block.items if p.terminal]
        if not self.pictures or not shown:
            return
        usable = self.console.width - 4
        per_row = min(len(shown), max(1, usable // 20), block.across)
        width = min(usable // per_row - 2, 64)
        tiles = [
            Group(
                picture(p.pixels if p.small is None else p.small, width, 2 * width, self._colours, _is_light(p.pixels)),
                _marked(p.caption + p.small_note, "dim"),
            )
            for p in shown
        ]
        self._print(Columns(tiles, padding=(0, 2), width=width))

    @show.register
    def _(self, block: story.Signals) -> None:
        lines = [line for line in block.lines if not line.dots]
        if self.pictures:
            longest = max(len(line.label) for line in lines)
            for line in lines:
                self.console.print(
                    f"  {line.label.rjust(longest)} ",
                    RichText(sparkline(line.values, min(self.console.width - longest - 6, 100)), style=line.colour),
                )
        self._print(_marked(block.caption, "dim"))

    @show.register
    def _(self, block: story.Table) -> None:
        table = RichTable(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
        for header in block.header:
            table.add_column(_marked(header))
        for row in block.rows:
            table.add_row(*map(_marked, row))
        self._print(table if not block.caption else Group(table, _marked(block.caption, "dim")))

    @show.register
    def _(self, block: story.Output) -> None:
        # columns are cut off at the terminal's edge, as they make no sense broken; the sentences below them are wrapped
        table, sentences, rest = block.text.partition("\nwhy:\n")
        if not self.console.is_terminal:
            self.console.print(RichText(block.text + "\n"), soft_wrap=True)
            return
        self.console.print(Padding(RichText(table, no_wrap=True, overflow="ellipsis"), (0, 0, 0, 2)))
        self.console.print(Padding(RichText(sentences + rest), (0, 0, 1, 2)))

    @show.register
    def _(self, block: story.Check) -> None:
        mark = "[bold green]✓[/]" if block.holds else "[bold red]✗[/]"
        self.console.print(Padding(RichText.from_markup(f"{mark} ").append_text(_marked(block.claim)), (0, 0, 1, 2)))


def _is_light(pixels: Pixels) -> bool:
    """Whether a picture is drawn in dark on light, as signed ones are."""
    return float(pixels.mean()) > 160


def _marked(words: str, style: str = "") -> RichText:
    text, last = RichText(style=style), 0
    for mark in _MARKS.finditer(words):
        text.append(words[last : mark.start()])
        code, bold = mark.groups()
        text.append(code or bold, style="cyan" if code else "bold")
        last = mark.end()
    text.append(words[last:])
    return text


def console_for(width: int | None = None) -> Console:
    """The terminal; 100 columns wide where there is none."""
    console = Console(highlight=False, width=width)
    if width is None and not console.is_terminal:
        console = Console(highlight=False, width=100)
    return console
