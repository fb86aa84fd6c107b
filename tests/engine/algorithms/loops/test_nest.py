"""Loop nests without their operands."""

from __future__ import annotations

from simplecell.engine.algorithms.loops.nest import broadcast_strides, dense_strides, simplified


def test_axes_are_dropped_ordered_and_merged() -> None:
    shape = (4, 1, 5, 6)
    assert simplified(shape, [dense_strides(shape)]) == ([120], [[1]])
    assert simplified(shape, [broadcast_strides((6,), shape), dense_strides(shape)], leading=1) == (
        [20, 6],
        [[0, 6], [1, 1]],
    )
    assert simplified((3, 4), [(1, 3), (1, 3)]) == ([12], [[1, 1]])  # both transposed: one axis again
    assert simplified((3, 4), [(-4, -1), (4, 1)], leading=1) == ([12], [[-1, 1]])
    assert simplified((1, 1), [(1, 1)]) == ([], [])
