"""What the errors of a program may be."""

from __future__ import annotations

from typing import Literal, cast, get_args

Precision = Literal["fast", "tight", "exact"]

PROMISES: dict[Precision, str] = {
    "fast": "errors are at most 3e-5 of an output's largest value, so that values much smaller than that may lose "
    "their digits; NaN and infinities stay with the outputs that see them",
    "tight": "errors are those of direct sums; an outlier, a NaN or an infinity changes nothing but the outputs that "
    "see it",
    "exact": "direct sums",
}

COMPILED: Precision = "fast"
"""the default of `simplecell.compile`"""
KERAS: Precision = "tight"
"""of Keras's own calls: `fit`, `evaluate`, `predict`, a layer's"""


def checked(precision: str) -> Precision:
    """The precision of that name. Raises ValueError for another name."""
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be 'fast', 'tight' or 'exact', got {precision!r}.")
    return cast(Precision, precision)
