"""What the kernel of random numbers is given."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.planning.algorithm import Schedule


@dataclass(frozen=True)
class RandomSchedule(Schedule):
    """Run-time arguments but addresses."""

    count: int
    """numbers"""
