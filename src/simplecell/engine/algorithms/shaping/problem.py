"""Which copy is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from simplecell.ops.dtypes import to_dtype


@dataclass(frozen=True)
class CopyProblem:
    """A copy over as few axes as can be, ordered for the target."""

    dtype: str
    extents: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    """of source and target along each axis, in elements"""

    @property
    def src_contiguous(self) -> int | None:
        """The axis along which the source is contiguous."""
        return next((k for k, (source, _) in enumerate(self.strides) if source == 1), None)

    @property
    def nbytes(self) -> int:
        return 2 * prod(self.extents) * to_dtype(self.dtype).itemsize
