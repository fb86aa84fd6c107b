"""Small checks and conversions of arguments that every op file shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simplecell.ops.base import Spec, spec_of
from simplecell.ops.dtypes import is_inexact, to_dtype


def is_number(x: Any) -> bool:
    """A Python number (NumPy's scalars have a dtype of their own and count as arrays)."""
    return isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic)


def operands(*values: Any) -> tuple[Any, ...]:
    """Python numbers become arrays of the dtype of the first operand that has one."""
    dtype = next((spec_of(v).dtype for v in values if not is_number(v)), None)
    if dtype is None:
        return tuple(np.asarray(v) for v in values)
    return tuple(np.asarray(v, to_dtype(dtype)) if is_number(v) else v for v in values)


def normalize_axis(axis: int, rank: int, what: str = "axis") -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"`{what}` must lie in [{-rank}, {rank}) for an array of rank {rank}; came {axis}.")
    return axis % rank


def normalize_axes(axes: int | Sequence[int] | None, rank: int, what: str = "axes") -> tuple[int, ...]:
    """None is every axis; the result is sorted, non-negative and without repetition."""
    if axes is None:
        return tuple(range(rank))
    several = (axes,) if isinstance(axes, (int, np.integer)) else tuple(axes)
    result = tuple(sorted(normalize_axis(int(a), rank, what) for a in several))
    if len(set(result)) < len(result):
        raise ValueError(f"`{what}` must not name an axis twice; came {tuple(several)} for an array of rank {rank}.")
    return result


def require_equal_dtypes(what: str, *specs: Spec) -> str:
    if any(s.dtype != specs[0].dtype for s in specs):
        came = ", ".join(s.dtype for s in specs)
        raise ValueError(f"`{what}` needs operands of one dtype; came {came}. Convert with `cast` first.")
    return specs[0].dtype


def require_inexact(what: str, spec: Spec) -> str:
    if not is_inexact(spec.dtype):
        raise ValueError(f"`{what}` needs a floating dtype; came {spec}. Convert with `cast` first.")
    return spec.dtype


def broadcast_shapes(what: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """NumPy's broadcasting rule, with an error that shows all shapes."""
    first = shapes[0] if shapes else ()
    if all(s == first or s == () for s in shapes):
        return first
    rank = max(map(len, shapes), default=0)
    result = []
    for axis in range(-rank, 0):
        extents = {s[axis] for s in shapes if len(s) >= -axis} - {1}
        if len(extents) > 1:
            came = ", ".join(map(str, shapes))
            raise ValueError(
                f"`{what}` needs shapes that broadcast: equal extents, or 1, counted from the last axis. Came {came}, "
                f"which differ in axis {axis}. Reshape or expand one of them."
            )
        result.append(extents.pop() if extents else 1)
    return tuple(result)
