"""Tables as text and as HTML: what results print, and show in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite


def text_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns of equal width under a line; numbers to the right, if a column holds nothing else."""
    cells = [[str(c) for c in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    right = [bool(rows) and all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(head))]
    lines = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("─" * w for w in widths), *lines[1:]])


def html_table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """The same as an HTML table, everything escaped. It takes its colours from what is around it."""
    cell = "padding:.25em .8em;text-align:left;vertical-align:top;border-top:1px solid rgba(128,128,128,.35)"
    title = f'<caption style="text-align:left;padding:.25em .8em">{escape(caption)}</caption>' if caption else ""
    top = "".join(f'<th scope="col" style="padding:.25em .8em;text-align:left">{escape(h)}</th>' for h in head)
    body = "".join("<tr>" + "".join(f'<td style="{cell}">{escape(str(c))}</td>' for c in row) + "</tr>" for row in rows)
    return (
        f'<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">{title}<thead><tr>{top}</tr>'
        f"</thead><tbody>{body}</tbody></table>"
    )


def number(value: float | int) -> str:
    """Short, with a true minus: `0.0123`, `1.2e−06`, `1,024`."""
    if isinstance(value, int) or (isfinite(value) and float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}".replace("-", "−")
    return f"{float(value):.3g}".replace("-", "−")


def share(value: float) -> str:
    """A share as percent: `12 %`, `0.3 %`; never 0 or 100 where it is not."""
    percent = 100 * value
    if percent in (0, 100) or not isfinite(percent):
        return f"{percent:.0f} %"
    if percent < 0.1 or percent > 99.9:
        return "below 0.1 %" if percent < 0.1 else "over 99.9 %"
    return f"{percent:.0f} %" if 10 <= percent <= 99 else f"{percent:.1f} %"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 filter`, `3 filters`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(items: Sequence[object], most: int = 8) -> str:
    """`1, 2, 3 and 5 more`."""
    shown = ", ".join(map(str, items[:most]))
    return shown + (f" and {len(items) - most} more" if len(items) > most else "")
