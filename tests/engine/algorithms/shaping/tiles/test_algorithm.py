"""Which copies are transposed by tiles."""

from __future__ import annotations

from simplecell.engine.algorithms.shaping.problem import CopyProblem
from simplecell.engine.algorithms.shaping.tiles.algorithm import InTiles
from simplecell.engine.host import target
from simplecell.engine.planning.setting import Setting


def test_source_and_target_are_contiguous_along_different_axes() -> None:
    def refusal(extents: tuple[int, ...], *strides: tuple[int, int]) -> str | None:
        return InTiles().refuses(CopyProblem("float32", extents, strides), Setting(target(), 1, "fast"))

    assert refusal((7, 9), (1, 9), (7, 1)) is None
    for same in [((9, 9), (1, 1)), ((2, 18), (14, 2))]:
        assert refusal((7, 9), *same) == "source and target are not contiguous along two different axes"
    assert refusal((7, 3), (1, 3), (7, 1)) == "an axis has less than 4 elements"


def test_what_the_kernel_is_given() -> None:
    """(5, 7, 9) → (5, 9, 7)"""
    plan = InTiles().plan(CopyProblem("float32", (5, 9, 7), ((63, 63), (1, 7), (9, 1))))
    given = plan.schedule.arguments()
    assert given == dict(rows=7, columns=9, src_row=9, dst_row=7, d0=5, src_s0=63, dst_s0=63)
    assert set(plan.kernel.arguments) == {*given, "src", "dst"}
