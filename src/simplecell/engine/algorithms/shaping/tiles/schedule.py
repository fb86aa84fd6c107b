"""What the kernel that transposes by tiles is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simplecell.engine.planning.algorithm import Schedule


def outer_names(rank: int) -> tuple[tuple[str, str, str], ...]:
    """For each outer axis: its extent, and the strides of src and dst along it."""
    return tuple((f"d{k}", f"src_s{k}", f"dst_s{k}") for k in range(rank))


@dataclass(frozen=True)
class TransposeSchedule(Schedule):
    """Run-time arguments but addresses; strides are in elements."""

    rows: int
    """along which dst is contiguous"""
    columns: int
    """along which src is contiguous"""
    src_row: int
    """from one row of src to the next"""
    dst_row: int
    """from one column to the next, which are the rows of dst"""
    outer: tuple[tuple[int, int, int], ...]
    """`d0, src_s0, dst_s0 …`: extent, strides of src and dst along each outer axis"""

    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {"rows": self.rows, "columns": self.columns}
        found |= {"src_row": self.src_row, "dst_row": self.dst_row}
        for names, values in zip(outer_names(len(self.outer)), self.outer):
            found |= zip(names, values)
        return found
