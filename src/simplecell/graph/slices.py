"""Slices that begin at a tensor, whose value is still to come, and have a known size: `x[a : a + 8]`."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplecell.graph.unknown import UnknownShape
from simplecell.ops import elementwise as ew
from simplecell.ops import shaping
from simplecell.ops.base import Symbolic, spec_of
from simplecell.ops.dtypes import is_integer


def moving_slices(x: Any, entries: list[Any]) -> tuple[Any, list[Any]]:
    """`x` with the slices taken that begin or end at a tensor, and the entries that are left to do."""
    axis, left = 0, []
    for entry in entries:
        if isinstance(entry, slice):
            entry = slice(*(_known_bound(bound) for bound in (entry.start, entry.stop, entry.step)))
        if isinstance(entry, slice) and any(_is_open(bound) for bound in (entry.start, entry.stop)):
            n = spec_of(x).shape[axis]
            start, size = _start_and_size(entry, n)
            start = ew.minimum(ew.maximum(ew.cast(start, "int32"), 0), max(n - size, 0))
            x = shaping.gather(x, ew.add(np.arange(min(size, n), dtype=np.int32), shaping.reshape(start, ())), axis)
            entry = slice(None)
        left.append(entry)
        axis += entry is not None
    return x, left


def _is_open(bound: Any) -> bool:
    """Is it a tensor whose value is not known?"""
    return isinstance(bound, Symbolic) and getattr(bound, "value", None) is None


def _known_bound(bound: Any) -> Any:
    """A tensor that is a constant as a number, all else as it is."""
    known = getattr(bound, "constant", None) if isinstance(bound, Symbolic) else None
    return bound if known is None else int(known.item())


def _start_and_size(entry: slice, n: int) -> tuple[Any, int]:
    bounds = [_root(0 if entry.start is None else entry.start), _root(n if entry.stop is None else entry.stop)]
    (start, low), (stop, high) = bounds
    if entry.step not in (None, 1) or not _same(start, stop) or start is None or high < low:
        raise UnknownShape(
            "A slice whose size is not known yet makes a result of unknown shape. Write it as `x[a : a + size]` with a "
            "known size and without a step, "
            "or use keras.ops.slice(x, starts, sizes), or compile with run_eagerly=True."
        )
    return entry.start, high - low


def _same(a: Any, b: Any, depth: int = 8) -> bool:
    """Are they one tensor, or computed in the same way from the same ones (as `i[0]` is when it is written twice)?"""
    if a is b:
        return True
    if not depth or not isinstance(a, Symbolic) or not isinstance(b, Symbolic):
        return False
    m, n = (getattr(x, "node", None) for x in (a, b))
    return (
        m is not None
        and n is not None
        and (a.index, m.op, len(m.inputs)) == (b.index, n.op, len(n.inputs))  # type: ignore[attr-defined]
        and bool(m.inputs)
        and all(_same(x, y, depth - 1) for x, y in zip(m.inputs, n.inputs, strict=True))
    )


def _root(bound: Any) -> tuple[Any, int]:
    """The tensor (None: there is none) to which a known number is added to make the bound, and that number."""
    offset = 0
    while isinstance(bound, Symbolic):
        known = getattr(bound, "constant", None)
        if known is not None:
            bound = known
            break
        node = getattr(bound, "node", None)
        op = getattr(node, "op", None)
        if node is None or not isinstance(op, (ew.Binary, ew.Cast)) or not is_integer(spec_of(node.inputs[0]).dtype):
            return bound, offset
        if isinstance(op, ew.Cast):
            bound = node.inputs[0]
            continue
        a, b = node.inputs
        if op.function == "add" and b.constant is not None and b.constant.size == 1:
            bound, offset = a, offset + int(b.constant.item())
        elif op.function == "add" and a.constant is not None and a.constant.size == 1:
            bound, offset = b, offset + int(a.constant.item())
        elif op.function == "subtract" and b.constant is not None and b.constant.size == 1:
            bound, offset = a, offset - int(b.constant.item())
        else:
            return bound, offset
    return None, offset + int(np.asarray(bound).item())
