"""Where each buffer lies in the arena: buffers whose lives do not overlap share memory."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence

from simplecell.engine.run.program import rounded


def place(
    sizes: Mapping[int, int], writes: Sequence[Sequence[int]], reads: Sequence[Sequence[int]]
) -> tuple[dict[int, int], int]:
    """Offsets of the buffers in `sizes` (bytes), and the arena's size.

    `writes[i]` and `reads[i]` are the buffers that step i writes and reads. A buffer lives from its first to its last
    mention.
    Best fit over the steps in order: a dying buffer's hole is merged with its neighbours, a new one takes the smallest
    hole.
    """
    last: dict[int, int] = {}
    for i, (w, r) in enumerate(zip(writes, reads)):
        for buffer in (*w, *r):
            last[buffer] = i
    offsets: dict[int, int] = {}
    holes: list[tuple[int, int]] = []  # (offset, size), sorted, never adjacent
    top = 0
    for i, (w, r) in enumerate(zip(writes, reads)):
        for buffer in dict.fromkeys((*w, *r)):
            if buffer not in sizes or buffer in offsets:
                continue
            need = rounded(sizes[buffer])
            fitting = [hole for hole in holes if hole[1] >= need]
            if fitting:
                offset, size = min(fitting, key=lambda hole: (hole[1], hole[0]))
                holes.remove((offset, size))
                if size > need:
                    insort(holes, (offset + need, size - need))
            elif holes and sum(holes[-1]) == top:  # the last hole reaches the top: grow it
                offset, size = holes.pop()
                top = offset + need
            else:
                offset, top = top, top + need
            offsets[buffer] = offset
        for buffer in dict.fromkeys((*w, *r)):
            if buffer in sizes and last[buffer] == i:
                holes = _with_hole(holes, offsets[buffer], rounded(sizes[buffer]))
    return offsets, top


def _with_hole(holes: list[tuple[int, int]], offset: int, size: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for hole in sorted([*holes, (offset, size)]):
        if merged and sum(merged[-1]) == hole[0]:
            merged[-1] = (merged[-1][0], merged[-1][1] + hole[1])
        else:
            merged.append(hole)
    return merged
