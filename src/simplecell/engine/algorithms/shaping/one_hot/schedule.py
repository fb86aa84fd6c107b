"""What the kernel of one-hot rows is given."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class OneHotSchedule(Schedule):
    """Run-time arguments but addresses."""

    count: int
    """rows"""
    depth: int
    """elements of a row"""
