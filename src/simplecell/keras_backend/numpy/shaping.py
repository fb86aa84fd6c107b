"""The same values in another shape or order: reshapes, transpositions, joins, splits, repeats, padding."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from simplecell.keras_backend.conversion import convert_to_tensor
from simplecell.keras_backend.dispatch import callout, known, promote, symbolic
from simplecell.ops import shaping
from simplecell.ops.base import apply


def slices(x: Any, index: Sequence[slice]) -> Any:
    """x[index] for one slice of positive step per leading axis."""
    full = [s.indices(n) for s, n in zip(index, x.shape)] + [(0, n, 1) for n in x.shape[len(index) :]]
    if not symbolic(x):
        return x[tuple(slice(*s) for s in full)]
    start, stop, step = zip(*((a, max(a, b), c) for a, b, c in full))
    return apply(shaping.Slice(start, stop, step), x)


def along(x: Any, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Any:
    """x[start:stop:step] on one axis."""
    axis %= len(x.shape)
    return slices(x, [slice(None)] * axis + [slice(start, stop, step)])


def ndim(x: Any) -> int:
    return len(convert_to_tensor(x).shape)


def size(x: Any) -> int:
    return prod(convert_to_tensor(x).shape)


# --- reshapes and transpositions --------------------------------------------------------------------------------------


def reshape(x: Any, newshape: Any) -> Any:
    x = convert_to_tensor(x)
    shape = [int(newshape)] if isinstance(newshape, (int, np.integer)) else [operator.index(n) for n in newshape]
    if shape.count(-1) == 1:
        rest = -prod(shape)
        if rest and prod(x.shape) % rest == 0:
            shape[shape.index(-1)] = prod(x.shape) // rest
    if prod(shape) != prod(x.shape) or min(shape, default=0) < 0:
        raise ValueError(
            f"Cannot reshape an array of shape {tuple(x.shape)} ({prod(x.shape)} values) into shape {tuple(newshape)}. "
            "The number of values must stay; one entry may be -1."
        )
    return shaping.reshape(x, tuple(shape))


def ravel(x: Any) -> Any:
    x = convert_to_tensor(x)
    return shaping.reshape(x, (prod(x.shape),))


def transpose(x: Any, axes: Any = None) -> Any:
    x = convert_to_tensor(x)
    ndim = len(x.shape)
    axes = range(ndim)[::-1] if axes is None else axes
    permutation = tuple(int(a) % ndim if -ndim <= a < ndim else int(a) for a in axes)
    if sorted(permutation) != list(range(ndim)):
        raise ValueError(
            f"`axes` must name each of the {ndim} axes once. Received: axes={tuple(axes)} for shape {tuple(x.shape)}"
        )
    return shaping.transpose(x, permutation)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    x = convert_to_tensor(x)
    order = list(range(len(x.shape)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return shaping.transpose(x, tuple(order))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    x = convert_to_tensor(x)
    ndim = len(x.shape)
    source = [a % ndim for a in ([source] if isinstance(source, int) else source)]
    destination = [a % ndim for a in ([destination] if isinstance(destination, int) else destination)]
    if len(source) != len(destination):
        raise ValueError(
            f"`source` and `destination` must have the same length. Received: source={source}, "
            f"destination={destination}"
        )
    order = [a for a in range(ndim) if a not in source]
    for to, origin in sorted(zip(destination, source)):
        order.insert(to, origin)
    return shaping.transpose(x, tuple(order))


def expand_dims(x: Any, axis: Any) -> Any:
    x = convert_to_tensor(x)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    ndim = len(x.shape) + len(axes)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"axis {a} is out of bounds for an array of dimension {ndim}. Received: axis={axis}")
    places = {a % ndim for a in axes}
    rest = iter(x.shape)
    return shaping.reshape(x, tuple(1 if i in places else next(rest) for i in range(ndim)))


def squeeze(x: Any, axis: Any = None) -> Any:
    x = convert_to_tensor(x)
    ndim = len(x.shape)
    if axis is None:
        axes = {i for i, n in enumerate(x.shape) if n == 1}
    else:
        axes = {a % ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,))}
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(
                f"Cannot squeeze axis={axis}, because the dimension is not 1. Received: shape {tuple(x.shape)}"
            )
    return shaping.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def broadcast_to(x: Any, shape: Any) -> Any:
    return shaping.broadcast_to(convert_to_tensor(x), tuple(int(n) for n in shape))


# --- joins and splits -------------------------------------------------------------------------------------------------


def concatenate(xs: Sequence[Any], axis: int | None = 0) -> Any:
    arrays = promote(*(convert_to_tensor(x) for x in xs))
    if axis is None:
        arrays, axis = [ravel(a) for a in arrays], 0
    if not symbolic(*arrays):
        return np.concatenate(arrays, axis)
    ndim = len(arrays[0].shape)
    return apply(shaping.Concatenate(axis % ndim), *arrays)


def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    return concatenate([x1, x2], axis)


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    arrays = promote(*(convert_to_tensor(a) for a in x))
    return (
        np.stack(arrays, axis) if not symbolic(*arrays) else concatenate([expand_dims(a, axis) for a in arrays], axis)
    )


def _at_least(x: Any, ndim: int) -> Any:
    """x with axes of length 1 added as NumPy's stacks do: in front for two axes, the third behind."""
    x = convert_to_tensor(x)
    shape = tuple(x.shape)
    if ndim >= 1 and not shape:
        shape = (1,)
    if ndim >= 2 and len(shape) == 1:
        shape = (1, *shape)
    if ndim >= 3 and len(shape) == 2:
        shape = (*shape, 1)
    return shaping.reshape(x, shape)


def hstack(xs: Sequence[Any]) -> Any:
    arrays = [_at_least(x, 1) for x in xs]
    return concatenate(arrays, 0 if len(arrays[0].shape) == 1 else 1)


def vstack(xs: Sequence[Any]) -> Any:
    return concatenate([_at_least(x, 2) for x in xs], 0)


def dstack(xs: Sequence[Any]) -> Any:
    return concatenate([_at_least(x, 3) for x in xs], 2)


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    x = convert_to_tensor(x)
    length = x.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        if length % indices_or_sections:
            raise ValueError(
                f"`split` needs parts of equal size. Received: {indices_or_sections} sections of an axis of {length}. "
                "Use `array_split` for parts that differ by one."
            )
        step = length // int(indices_or_sections)
        bounds = list(range(step, length, step)) if step else [0] * (int(indices_or_sections) - 1)
    else:
        bounds = [int(i) for i in known("split", indices_or_sections)]
    return [along(x, axis, a, b) for a, b in zip([None, *bounds], [*bounds, None])]


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    x = convert_to_tensor(x)
    if not isinstance(indices_or_sections, (int, np.integer)):
        return split(x, indices_or_sections, axis)
    short, longer = divmod(x.shape[axis], int(indices_or_sections))
    sizes = [short + 1] * longer + [short] * (int(indices_or_sections) - longer)
    return split(x, np.cumsum(sizes)[:-1], axis)


def hsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    x = convert_to_tensor(x)
    return split(x, indices_or_sections, 1 if len(x.shape) > 1 else 0)


def vsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    return split(x, indices_or_sections, 0)


def dsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    return split(x, indices_or_sections, 2)


# --- repeats and reorderings ------------------------------------------------------------------------------------------


def tile(x: Any, repeats: Any) -> Any:
    x = convert_to_tensor(x)
    repeats = [int(repeats)] if isinstance(repeats, (int, np.integer)) else [int(r) for r in np.asarray(repeats)]
    if not symbolic(x):
        return np.tile(x, repeats)
    ndim = max(len(x.shape), len(repeats))
    shape = (1,) * (ndim - len(x.shape)) + tuple(x.shape)
    repeats = [1] * (ndim - len(repeats)) + repeats
    blocks = shaping.reshape(x, tuple(n for s in shape for n in (1, s)))
    copies = shaping.broadcast_to(blocks, tuple(n for r, s in zip(repeats, shape) for n in (r, s)))
    return shaping.reshape(copies, tuple(r * s for r, s in zip(repeats, shape)))


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    x = convert_to_tensor(x)
    repeats = known("repeat", repeats).astype("int64").reshape(-1)
    if not symbolic(x):
        return np.repeat(x, repeats if repeats.size != 1 else int(repeats[0]), axis)
    if axis is None:
        x, axis = ravel(x), 0
    axis %= len(x.shape)
    if repeats.size == 1:
        shape, times = tuple(x.shape), int(repeats[0])
        copies = shaping.broadcast_to(expand_dims(x, axis + 1), (*shape[: axis + 1], times, *shape[axis + 1 :]))
        return shaping.reshape(copies, (*shape[:axis], shape[axis] * times, *shape[axis + 1 :]))
    return apply(shaping.Gather(axis), x, np.repeat(np.arange(x.shape[axis], dtype="int32"), repeats))


def flip(x: Any, axis: Any = None) -> Any:
    x = convert_to_tensor(x)
    ndim = len(x.shape)
    axes = range(ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    return (
        np.flip(x, tuple(axes)) if not symbolic(x) else apply(shaping.Reverse(tuple(sorted(a % ndim for a in axes))), x)
    )


def fliplr(x: Any) -> Any:
    return flip(x, 1)


def flipud(x: Any) -> Any:
    return flip(x, 0)


def rot90(array: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    x = convert_to_tensor(array)
    if len(x.shape) < 2:
        raise ValueError(f"Input array must have at least 2 dimensions. Received: array.ndim={len(x.shape)}")
    if len(axes) != 2 or axes[0] % len(x.shape) == axes[1] % len(x.shape):
        raise ValueError(f"Invalid axes: {axes}. Axes must be a tuple of two different dimensions.")
    first, second = axes
    if k % 4 == 0:
        return x
    if k % 4 == 2:
        return flip(x, (first, second))
    return swapaxes(flip(x, second), first, second) if k % 4 == 1 else flip(swapaxes(x, first, second), second)


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    x = convert_to_tensor(x)
    if not symbolic(x):
        return np.roll(x, shift, axis)
    if axis is None:
        return shaping.reshape(roll(ravel(x), shift, 0), tuple(x.shape))
    shifts, axes = np.broadcast_arrays(shift, axis)
    for s, a in zip(shifts.ravel().tolist(), axes.ravel().tolist()):
        s %= max(x.shape[a], 1)
        if s:
            x = concatenate([along(x, a, x.shape[a] - s, None), along(x, a, None, x.shape[a] - s)], a)
    return x


# --- padding ----------------------------------------------------------------------------------------------------------

_PAD_MODES = {
    "constant": "constant",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "edge": "edge",
    "wrap": "circular",
}


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    if mode != "constant" and constant_values is not None:
        raise ValueError(
            f"Argument `constant_values` can only be provided when `mode == 'constant'`. Received: mode={mode}"
        )
    x = convert_to_tensor(x)
    widths = np.broadcast_to(np.asarray(pad_width, "int64"), (len(x.shape), 2))
    if not symbolic(x) or mode not in _PAD_MODES:
        options = {"constant_values": constant_values} if constant_values is not None else {}
        if symbolic(x):
            return callout(lambda a: np.pad(a, widths, mode, **options), x, label=f"pad_{mode}")
        return np.pad(x, widths, mode, **options)
    value = 0.0 if constant_values is None else float(constant_values)
    return apply(shaping.Pad(tuple((int(a), int(b)) for a, b in widths), _PAD_MODES[mode], value), x)
