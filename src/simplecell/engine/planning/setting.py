"""What a program is planned for."""

from __future__ import annotations

from dataclasses import dataclass

from simplecell.engine.target import Target
from simplecell.precision import Precision


@dataclass(frozen=True)
class Setting:
    """What every decision of the planner may depend on besides the problem itself."""

    target: Target
    threads: int
    precision: Precision
    tune: bool = False
    """time the algorithms that a table offers, and take the fastest"""
    weights_from_memory: bool = False
    """Do the weights of the whole network leave the shared cache between one run and the next?"""

    @property
    def local(self) -> bool:
        """Must an outlier in the input change nothing but the outputs that see it?"""
        return self.precision == "tight"
