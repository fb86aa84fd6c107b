"""Tells the story as a folder: `index.html`, complete in itself, and every picture as a PNG beside it."""

from __future__ import annotations

import re
from functools import singledispatchmethod
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from simplecell.files import together
from simplecell.plotting import curves, data_uri, enlarge, grey, png, signed

from . import story

_MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


class Page:
    """Collects blocks as HTML; `write` makes the folder."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []
        self._chapters: list[story.Chapter] = []
        self._pictures: dict[str, bytes] = {}

    def write(self, folder: Path) -> Path:
        """Writes `index.html` and the PNGs into `folder` (made if it is not there) and returns the path of the page.

        They come all at once, when all are written: a tour that is interrupted, or finds the disk full, leaves the page
        that was there before.
        """
        links = "".join(
            f'<a href="#chapter-{c.number}"><b>{c.number}</b> {escape(c.title)}</a>' for c in self._chapters
        )
        body = "\n".join(self._parts) + ("</section>" if self._chapters else "")
        template = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
        style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
        html = (
            template.replace("{{title}}", escape(self.title))
            .replace("{{style}}", style)
            .replace("{{links}}", links)
            .replace("{{body}}", body)
        )
        folder.mkdir(parents=True, exist_ok=True)
        with together(str(folder), "index.html") as place:
            for name, picture in self._pictures.items():
                (Path(place) / f"{name}.png").write_bytes(picture)
            (Path(place) / "index.html").write_text(html, encoding="utf-8")
        return folder / "index.html"

    @singledispatchmethod
    def show(self, block: Any) -> None:
        raise TypeError(f"block: {type(block).__name__} is not a part of a story")

    def _add(self, html: str) -> None:
        self._parts.append(html)

    @show.register
    def _(self, block: story.Chapter) -> None:
        if self._chapters:
            self._add("</section>")
        self._chapters.append(block)
        self._add(f'<section id="chapter-{block.number}"><h2><span>{block.number}</span>{escape(block.title)}</h2>')

    @show.register
    def _(self, block: story.Text) -> None:
        self._add(f"<p>{_marked(block.words)}</p>")

    @show.register
    def _(self, block: story.Code) -> None:
        self._add(f'<pre class="code"><code>{escape(block.source)}</code></pre>')

    @show.register
    def _(self, block: story.Output) -> None:
        self._add(f'<pre class="output">{escape(block.text)}</pre>')

    @show.register
    def _(self, block: story.Matrix) -> None:
        self._add(f'<div class="row">{_matrix(block)}</div>')

    @show.register
    def _(self, block: story.Matrices) -> None:
        cells = []
        for i, item in enumerate(block.items):
            if i and i - 1 < len(block.signs):
                cells.append(f'<span class="sign">{escape(block.signs[i - 1])}</span>')
            cells.append(_matrix(item))
        self._add(f'<div class="row">{"".join(cells)}</div>')

    @show.register
    def _(self, block: story.Slide) -> None:
        size = len(block.weights)
        rows = []
        for position, sums, dot, value in block.rows():
            cells = "".join(
                f'<i class="{"in" if position <= i < position + size else "out"}">{story.number(v)}</i>'
                for i, v in enumerate(block.values)
            )
            rows.append(
                f"<tr><td>{position}</td><td class='window'>{cells}</td><td class='sum'>{sums}</td>"
                f"<td>{story.number(dot)}</td><td><b>{story.number(value)}</b></td></tr>"
            )
        head = "".join(f"<th>{h}</th>" for h in ("position", "window", "filter × window", "NumPy", "layer"))
        self._add(
            '<div class="wide"><table '
            f'class="slide"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        )

    @show.register
    def _(self, block: story.Picture) -> None:
        self.show(story.Pictures([block]))

    @show.register
    def _(self, block: story.Pictures) -> None:
        figures = []
        for item in block.items:
            pixels = enlarge(item.pixels, item.scale)
            self._pictures[item.name] = picture = png(pixels)
            h, w = pixels.shape[:2]
            figures.append(
                f'<figure style="width:{max(w, 150)}px"><img src="{data_uri(picture)}" width="{w}" height="{h}" '
                f'alt="{escape(item.caption, quote=True)}">'
                f"<figcaption>{_marked(item.caption)}</figcaption></figure>"
            )
        scale = '<div class="scale"><span>negative</span><i></i><span>positive</span></div>' if block.signed else ""
        self._add(f'<div class="pictures">{"".join(figures)}</div>{scale}')

    @show.register
    def _(self, block: story.Signals) -> None:
        svg = curves(block.lines, block.x_label, block.y_label, height=block.height)
        self._add(f"<figure class='plot'>{svg}<figcaption>{_marked(block.caption)}</figcaption></figure>")

    @show.register
    def _(self, block: story.Table) -> None:
        head = "".join(f"<th>{_marked(h)}</th>" for h in block.header)
        rows = "".join("<tr>" + "".join(f"<td>{_marked(c)}</td>" for c in row) + "</tr>" for row in block.rows)
        caption = f"<caption>{_marked(block.caption)}</caption>" if block.caption else ""
        self._add(
            '<div class="wide"><table '
            f'class="facts">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        )

    @show.register
    def _(self, block: story.Check) -> None:
        self._add(f'<p class="check {"holds" if block.holds else "fails"}">{_marked(block.claim)}</p>')


def _matrix(block: story.Matrix) -> str:
    rows = story.rows_of(block.values)
    pixels = (signed if block.signed else grey)(rows)
    y0, h, x0, w = block.window or (0, 0, 0, 0)
    lines = []
    for y, row in enumerate(rows):
        cells = []
        for x, value in enumerate(row):
            r, g, b = (int(c) for c in pixels[y, x])
            ink = "#111" if 0.299 * r + 0.587 * g + 0.114 * b > 128 else "#fff"
            mark = ' class="in"' if y0 <= y < y0 + h and x0 <= x < x0 + w else ""
            cells.append(f'<td{mark} style="background:rgb({r},{g},{b});color:{ink}">{story.number(value)}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table class="matrix"><caption>{_marked(block.title)}</caption><tbody>{"".join(lines)}</tbody></table>'


def _marked(words: str) -> str:
    return _MARKS.sub(lambda m: f"<code>{m[1]}</code>" if m[1] else f"<b>{m[2]}</b>", escape(words))
