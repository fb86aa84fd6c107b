"""Signals and curves as SVG: small, sharp at every size, and readable as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Curve:
    """One line of a plot: values over `x` (0, 1, 2, … if None), drawn in a CSS colour; `dots` marks single points
    instead of a line."""

    label: str
    values: Any
    colour: str = "#2b77b6"
    x: Any = None
    dots: bool = False


def curves(
    lines: Sequence[Curve],
    x_label: str = "",
    y_label: str = "",
    width: int = 860,
    height: int = 200,
    zero: bool = False,
) -> str:
    """A plot of one or more curves as an SVG element.

    Args:
        lines: what to draw; long signals are thinned to the extremes of each pixel column, so that no peak is lost.
        x_label, y_label: what the axes count, with its unit.
        width, height: in CSS pixels; the plot scales down with its surroundings.
        zero: the y axis includes 0.

    Raises:
        ValueError: if there is nothing to draw, or x and values differ in length.
    """
    if not lines or any(np.size(line.values) == 0 for line in lines):
        raise ValueError("lines: expected at least one curve with at least one value")
    data = []
    for line in lines:
        y = np.asarray(line.values, np.float64).ravel()
        x = np.arange(len(y), dtype=np.float64) if line.x is None else np.asarray(line.x, np.float64).ravel()
        if len(x) != len(y):
            raise ValueError(f"lines: {line.label!r} has {len(y)} values at {len(x)} places")
        data.append((x, y))
    x0, x1 = min(float(x.min()) for x, _ in data), max(float(x.max()) for x, _ in data)
    y0, y1 = min(float(y.min()) for _, y in data), max(float(y.max()) for _, y in data)
    if zero:
        y0, y1 = min(y0, 0.0), max(y1, 0.0)
    x1 = x1 if x1 > x0 else x0 + 1
    y1 = y1 if y1 > y0 else y0 + 1
    left, right, top, bottom = 52, 8, 10 + 18 * any(line.label for line in lines), 34
    inner_w, inner_h = width - left - right, height - top - bottom

    def at(x: Any, y: Any) -> tuple[Any, Any]:
        return left + (x - x0) / (x1 - x0) * inner_w, top + (y1 - y) / (y1 - y0) * inner_h

    labels = escape(", ".join(c.label for c in lines))
    parts = [f'<svg class="curves" viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{labels}">']
    for tick in ticks(y0, y1, 4):
        _, ty = at(x0, tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{ty:.1f}" y2="{ty:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{ty + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    for tick in ticks(x0, x1, 8):
        tx, _ = at(tick, y0)
        parts.append(
            f'<text class="tick" x="{tx:.1f}" y="{height - bottom + 16}" text-anchor="middle">{_number(tick)}</text>'
        )
    if y0 < 0 < y1:
        _, ty = at(x0, 0.0)
        parts.append(f'<line class="zero" x1="{left}" x2="{width - right}" y1="{ty:.1f}" y2="{ty:.1f}"/>')
    for line, (x, y) in zip(lines, data):
        px, py = at(*(_thinned(x, y, inner_w) if not line.dots else (x, y)))
        if line.dots:
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{line.colour}"/>' for a, b in zip(px, py)]
        else:
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py))
            parts.append(
                f'<polyline fill="none" stroke="{line.colour}" stroke-width="1.6" stroke-linejoin="round" '
                f'points="{points}"/>'
            )
    legend = left
    for line in lines:
        if line.label:
            parts.append(f'<rect x="{legend}" y="6" width="12" height="4" rx="2" fill="{line.colour}"/>')
            parts.append(f'<text class="legend" x="{legend + 17}" y="13">{escape(line.label)}</text>')
            legend += 34 + 7 * len(line.label)
    parts.append(
        f'<text class="axis" x="{left + inner_w / 2:.0f}" y="{height - 4}" '
        f'text-anchor="middle">{escape(x_label)}</text>'
    )
    parts.append(
        f'<text class="axis" transform="translate(12 {top + inner_h / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )
    return "\n".join([*parts, "</svg>"])


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) between `low` and `high`, about so many."""
    raw = (high - low) / max(about, 1)
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = int(np.ceil(low / step - 1e-9))
    return [i * step for i in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _thinned(x: Any, y: Any, columns: int) -> tuple[Any, Any]:
    """The smallest and the largest value of each of `columns` stretches, in their order."""
    if len(y) <= 3 * columns:
        return x, y
    edges = np.linspace(0, len(y), columns + 1).astype(int)
    extremes = [(a + y[a:b].argmin(), a + y[a:b].argmax()) for a, b in zip(edges, edges[1:])]
    keep = np.unique(np.array([0, *np.ravel(extremes), len(y) - 1]))
    return x[keep], y[keep]


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−") if abs(value) > 1e-12 else "0"
