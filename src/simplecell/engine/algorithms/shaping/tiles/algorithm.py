"""Copies whose source and target are contiguous along different axes."""

from __future__ import annotations

from simplecell.engine.algorithms.shaping.problem import CopyProblem
from simplecell.engine.algorithms.shaping.tiles.kernel import TransposeTiles
from simplecell.engine.algorithms.shaping.tiles.schedule import TransposeSchedule
from simplecell.engine.planning.algorithm import Algorithm, Plan
from simplecell.engine.planning.setting import Setting
from simplecell.engine.run.program import predicted_ns

SMALLEST = 4
"""Below this extent of either axis most of a tile would be empty."""


class InTiles(Algorithm[CopyProblem]):
    """Squares of elements are turned in registers, so that whole vectors are read and written."""

    name = "tiles"
    decisive = True

    def refuses(self, problem: CopyProblem, setting: Setting) -> str | None:
        last, along = len(problem.extents) - 1, problem.src_contiguous
        if along is None or along == last or problem.strides[last][1] != 1:
            return "source and target are not contiguous along two different axes"
        if min(problem.extents[along], problem.extents[last]) < SMALLEST:
            return f"an axis has less than {SMALLEST} elements"
        return None

    def cost(self, problem: CopyProblem, setting: Setting) -> float:
        return predicted_ns(0, problem.nbytes)

    def plan(self, problem: CopyProblem) -> Plan[TransposeTiles]:
        """Kernel and schedule for a copy that it does not refuse."""
        extents, strides, last = problem.extents, problem.strides, len(problem.extents) - 1
        along = problem.src_contiguous
        assert along is not None
        outer = tuple((extents[k], *strides[k]) for k in range(last) if k != along)
        schedule = TransposeSchedule(extents[last], extents[along], strides[last][0], strides[along][1], outer)
        return Plan(TransposeTiles(problem.dtype, len(outer)), schedule)
