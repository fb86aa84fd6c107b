"""Reading and writing at indices: slices whose start may be traced, and scattered updates."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from simplecell.keras_backend.conversion import cast, constant, convert_to_tensor
from simplecell.ops import elementwise, shaping
from simplecell.ops.base import Spec, Symbolic, apply, spec_of
from simplecell.ops.callout import CallOut


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """`x` cut along `axis` into its slices, without that axis."""
    x = convert_to_tensor(x)
    axis %= len(x.shape)
    return [shaping.squeeze(shaping.take_slice(x, axis, i, i + 1), axis) for i in range(x.shape[axis])]


# --- slices -----------------------------------------------------------------------------------------------------------


def _known_starts(start_indices: Any) -> tuple[int, ...] | None:
    entries = start_indices if isinstance(start_indices, (list, tuple)) else [start_indices]
    values = [constant(s) for s in entries]
    if any(v is None for v in values):
        return None
    return tuple(int(i) for v in values for i in np.ravel(np.asarray(v)))


def _start_of(start_indices: Any, axis: int) -> Any:
    """The start in `axis`, as an int32 scalar (array or tensor)."""
    if isinstance(start_indices, (list, tuple)):
        return cast(convert_to_tensor(start_indices[axis]), "int32")
    starts = cast(convert_to_tensor(start_indices), "int32")
    return shaping.squeeze(shaping.take_slice(starts, 0, axis, axis + 1), 0)


def slice(inputs: Any, start_indices: Any, shape: Sequence[int]) -> Any:
    """The block of `shape` that begins at `start_indices`, which may be traced; -1 in `shape`: up to the end (known
    starts only).

    A start that would let the block reach over the end is moved back, as in Keras's other backends.
    """
    inputs = convert_to_tensor(inputs)
    count = len(start_indices) if isinstance(start_indices, (list, tuple)) else int(start_indices.shape[0])
    if count != len(shape):
        raise ValueError(
            f"Length of `start_indices` must match length of `shape`. Received: start_indices={start_indices}, "
            f"shape={shape}"
        )
    starts = _known_starts(start_indices)
    if starts is not None:
        sizes = [n - s if size == -1 else size for s, size, n in zip(starts, shape, inputs.shape, strict=True)]
        starts = tuple(
            builtins.max(0, builtins.min(s, n - size)) for s, size, n in zip(starts, sizes, inputs.shape, strict=True)
        )
        return shaping.strided_slice(inputs, starts, tuple(s + size for s, size in zip(starts, sizes, strict=True)))
    for axis, size in enumerate(shape):
        n = inputs.shape[axis]
        if size == -1:
            raise ValueError(
                "A size of -1 in `shape` needs a start that is known when the graph is made. Give the size itself."
            )
        if size != n:
            start = elementwise.minimum(elementwise.maximum(_start_of(start_indices, axis), 0), n - size)
            inputs = shaping.gather(inputs, elementwise.add(np.arange(size, dtype=np.int32), start), axis)
    return inputs


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """`inputs` with the block that begins at `start_indices` (which may be traced) replaced by `updates`."""
    inputs = convert_to_tensor(inputs)
    updates = cast(convert_to_tensor(updates), inputs.dtype)
    starts = _known_starts(start_indices)
    if starts is not None:
        starts = tuple(
            builtins.max(0, builtins.min(s, n - m)) for s, n, m in zip(starts, inputs.shape, updates.shape, strict=True)
        )
        return shaping.update_slice(inputs, updates, starts)
    # Stretch `updates` over the whole array, axis by axis, and select it inside of the block.
    inside: Any = np.ones((), bool)
    rank = len(inputs.shape)
    for axis, n in enumerate(inputs.shape):
        size = updates.shape[axis]
        start = elementwise.minimum(elementwise.maximum(_start_of(start_indices, axis), 0), n - size)
        place = elementwise.subtract(np.arange(n, dtype=np.int32), start)
        hit = elementwise.logical_and(elementwise.greater_equal(place, 0), elementwise.less(place, size))
        inside = elementwise.logical_and(
            inside, shaping.reshape(hit, tuple(n if i == axis else 1 for i in range(rank)))
        )
        updates = shaping.gather(updates, elementwise.minimum(elementwise.maximum(place, 0), size - 1), axis)
    return elementwise.select(inside, updates, inputs)


# --- scattered updates ------------------------------------------------------------------------------------------------


def _rows(indices: Any, shape: Sequence[int]) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """Indices (…, k) into the first k axes, as one index (…,) into those axes made one (their product where one is out
    of range, so that it does not become another's); then these axes, and the others."""
    depth = indices.shape[-1]
    head, tail = tuple(shape[:depth]), tuple(shape[depth:])
    flat: Any = None
    inside: Any = np.ones((), bool)
    for i, size in enumerate(head):
        column = shaping.squeeze(shaping.take_slice(indices, len(indices.shape) - 1, i, i + 1), len(indices.shape) - 1)
        column = elementwise.select(elementwise.less(column, 0), elementwise.add(column, size), column)
        inside = elementwise.logical_and(
            inside, elementwise.logical_and(elementwise.greater_equal(column, 0), elementwise.less(column, size))
        )
        flat = column if flat is None else elementwise.add(elementwise.multiply(flat, size), column)
    if depth > 1:
        flat = elementwise.select(inside, flat, prod(head))
    return shaping.reshape(flat, (-1,)), head, tail


def _indices(indices: Any) -> Any:
    indices = convert_to_tensor(indices)
    return cast(indices, "int32") if indices.dtype.name not in ("int32", "int64") else indices


def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Any:
    """Zeros of `shape` to which each of `values` is added at its index: `indices` is (…, k), an index into the first k
    axes."""
    values = convert_to_tensor(values)
    flat, head, tail = _rows(_indices(indices), shape)
    rows = shaping.reshape(values, (flat.shape[0], *tail))
    return shaping.reshape(shaping.scatter_add(flat, rows, (prod(head), *tail), 0), tuple(shape))


_REDUCTIONS = {"max": np.maximum, "min": np.minimum, "mul": np.multiply}


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """`inputs` with `updates` put (or, with `reduction`, combined by "add", "max", "min" or "mul") at `indices` (n, k).

    Where an index comes twice without reduction, the last update stays.
    """
    if reduction not in (None, "add", *_REDUCTIONS):
        raise ValueError(f"Unsupported reduction: {reduction}. Expected None, 'add', 'max', 'min' or 'mul'.")
    inputs = convert_to_tensor(inputs)
    updates = cast(convert_to_tensor(updates), inputs.dtype)
    flat, head, tail = _rows(_indices(indices), inputs.shape)
    table = shaping.reshape(inputs, (prod(head), *tail))
    rows = shaping.reshape(
        shaping.broadcast_to(updates, (*_indices(indices).shape[:-1], *tail)), (flat.shape[0], *tail)
    )
    if reduction == "add":
        result = elementwise.add(table, shaping.scatter_add(flat, rows, table.shape, 0))
    elif reduction is None:
        result = _put(table, flat, rows)
    else:
        result = _combine(table, flat, rows, reduction)
    return shaping.reshape(result, inputs.shape)


def _put(table: Any, flat: Any, rows: Any) -> Any:
    # Which update each row of the table takes: computed from the indices alone, so that values and gradients flow
    # through gather and select.
    count = table.shape[0]

    def last_update(places: np.ndarray) -> np.ndarray:
        source = np.full(count, -1, np.int32)
        source[places] = np.arange(places.size, dtype=np.int32)
        return source

    known = constant(flat)
    source: Any
    if known is not None:
        source = last_update(known)
    else:
        source = apply(CallOut(last_update, Spec((count,), "int32"), "last_update"), flat)
    written = shaping.reshape(elementwise.greater_equal(source, 0), (count, *[1] * (len(table.shape) - 1)))
    return elementwise.select(written, shaping.gather(rows, elementwise.maximum(source, 0), 0), table)


def _combine(table: Any, flat: Any, rows: Any, reduction: str) -> Any:
    def compute(table: np.ndarray, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
        result = table.copy()
        _REDUCTIONS[reduction].at(result, places, rows)
        return result

    if any(isinstance(x, Symbolic) for x in (table, flat, rows)):
        return apply(CallOut(compute, spec_of(table), f"scatter_{reduction}"), table, flat, rows)
    return compute(table, flat, rows)
