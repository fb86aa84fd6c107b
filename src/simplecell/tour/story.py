"""What a chapter tells, as values: each block is drawn twice, by `terminal.py` and by `page.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from simplecell.plotting import Curve, Pixels


@dataclass(frozen=True)
class Chapter:
    number: int
    title: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `code` and **bold** are marked so."""

    words: str


@dataclass(frozen=True)
class Code:
    source: str


@dataclass(frozen=True)
class Matrix:
    """Numbers on their colours. `window` outlines a part, as (first row, rows, first column, columns)."""

    title: str
    values: Any
    signed: bool = False
    window: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Matrices:
    """Matrices side by side, with signs such as → between them."""

    items: Sequence[Matrix]
    signs: Sequence[str] = ()


@dataclass(frozen=True)
class Slide:
    """A filter at every position of a one-dimensional input: the arithmetic, NumPy's dot product, and what the layer
    gave."""

    values: Any
    weights: Any
    layer: Any

    def rows(self) -> list[tuple[int, str, float, float]]:
        """(position, arithmetic, dot product, the layer's value) for each."""
        size = len(self.weights)
        return [
            (
                i,
                arithmetic(self.weights, self.values[i : i + size]),
                float(np.dot(self.weights, self.values[i : i + size])),
                float(self.layer[i]),
            )
            for i in range(len(self.values) - size + 1)
        ]


@dataclass(frozen=True)
class Picture:
    """`name` is its file name without .png; `scale` enlarges pixels on the page."""

    name: str
    pixels: Pixels
    caption: str
    scale: int = 1
    terminal: bool = True
    """drawn in the terminal too"""
    small: Pixels | None = None
    """what the terminal draws instead of `pixels`, where these have more detail than it can show"""
    small_note: str = ""
    """added to the caption there"""


@dataclass(frozen=True)
class Pictures:
    items: Sequence[Picture]
    signed: bool = False
    """shows the signed scale below"""
    across: int = 5
    """at most so many beside each other in the terminal"""


@dataclass(frozen=True)
class Signals:
    """Curves with one x axis."""

    lines: Sequence[Curve]
    caption: str
    x_label: str = ""
    y_label: str = ""
    height: int = 200


@dataclass(frozen=True)
class Table:
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Output:
    """What a program printed."""

    text: str


@dataclass(frozen=True)
class Check:
    """A claim that the tour has just tested."""

    claim: str
    holds: bool


Block = Chapter | Text | Code | Matrix | Matrices | Slide | Picture | Pictures | Signals | Table | Output | Check


class Teller(Protocol):
    """Draws blocks."""

    def show(self, block: Block) -> None: ...


@dataclass
class Story:
    """Hands each block to every teller, and remembers which claims did not hold."""

    tellers: Sequence[Teller]
    failed: list[str] = field(default_factory=list)

    def show(self, *blocks: Block) -> None:
        for block in blocks:
            if isinstance(block, Check) and not block.holds:
                self.failed.append(block.claim)
            for teller in self.tellers:
                teller.show(block)


def number(value: float) -> str:
    """A whole number without a point, others with two digits after it; a real minus sign."""
    rounded = round(float(value), 2)
    text = f"{rounded:.0f}" if rounded == int(rounded) else f"{rounded:.2f}"
    return text.replace("-0", "0") if text == "-0" else text.replace("-", "−")


def arithmetic(weights: Any, values: Any) -> str:
    """A dot product written out: `(0×0)+(1×1)+(0×1)=1`, weight times value.

    >>> from simplecell.tour.story import arithmetic
    >>> arithmetic([0, 1, 0], [0, 1, 1])
    '(0×0)+(1×1)+(0×1)=1'
    """
    w, v = np.ravel(weights), np.ravel(values)
    return "+".join(f"({number(a)}×{number(b)})" for a, b in zip(w, v)) + f"={number(float(np.dot(w, v)))}"


def rows_of(values: Any) -> list[list[float]]:
    """An array of one or two dimensions as a list of rows."""
    return [[float(v) for v in row] for row in np.atleast_2d(np.asarray(values))]
