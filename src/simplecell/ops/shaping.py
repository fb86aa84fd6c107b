"""Ops that move elements without computing: reshapes, transposes, padding, slices, joins and look-ups."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from simplecell.ops.arguments import broadcast_shapes, normalize_axes, normalize_axis, operands, require_equal_dtypes
from simplecell.ops.base import Op, Spec, apply, spec_of
from simplecell.ops.dtypes import is_inexact, is_integer, to_dtype

PAD_MODES = {"constant": "constant", "reflect": "reflect", "symmetric": "symmetric", "edge": "edge", "circular": "wrap"}


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements, in row-major order, in another shape."""

    shape: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if prod(self.shape) != x.size or builtins.min(self.shape, default=0) < 0:
            raise ValueError(
                f"`shape` of reshape must hold as many elements as the array: {x} has {x.size}; came {self.shape}."
            )
        return Spec(self.shape, x.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(spec_of(arrays[0]))
        return np.reshape(arrays[0], self.shape)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [reshape(diff_outputs[0], spec_of(inputs[0]).shape)]


@dataclass(frozen=True)
class Transpose(Op):
    """Axis `i` of the result is axis `permutation[i]` of the array."""

    permutation: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if sorted(self.permutation) != list(range(len(x.shape))):
            raise ValueError(f"`permutation` must name each axis of {x} once, from 0; came {self.permutation}.")
        return Spec(tuple(x.shape[a] for a in self.permutation), x.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(spec_of(arrays[0]))
        return np.transpose(arrays[0], self.permutation)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [transpose(diff_outputs[0], inverse_permutation(self.permutation))]


@dataclass(frozen=True)
class BroadcastTo(Op):
    """Repeats axes of extent 1, and adds leading axes, up to `shape`."""

    shape: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if broadcast_shapes("broadcast_to", x.shape, self.shape) != self.shape:
            raise ValueError(f"`shape` of broadcast_to must be the larger one: {x} does not broadcast to {self.shape}.")
        return Spec(self.shape, x.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(spec_of(arrays[0]))
        return np.broadcast_to(arrays[0], self.shape)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [diff_outputs[0]]


@dataclass(frozen=True)
class Pad(Op):
    """`widths` has a (low, high) pair per axis. For `1 2 3 4` and widths (2, 2): constant `v v 1 2 3 4 v v`,
    edge `1 1 1 2 3 4 4 4`, reflect `3 2 1 2 3 4 3 2`, symmetric `2 1 1 2 3 4 4 3`, circular `3 4 1 2 3 4 1 2`."""

    widths: tuple[tuple[int, int], ...]
    mode: str = "constant"
    value: float = 0.0

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if self.mode not in PAD_MODES:
            raise ValueError(f"`mode` must be one of {', '.join(PAD_MODES)}; came {self.mode!r}.")
        if len(self.widths) != len(x.shape) or any(len(w) != 2 or builtins.min(w) < 0 for w in self.widths):
            raise ValueError(
                f"`widths` must have one non-negative (low, high) pair per axis of {x}; came {self.widths}."
            )
        if self.mode != "constant" and any(n == 0 and sum(w) for n, w in zip(x.shape, self.widths, strict=True)):
            raise ValueError(f"`mode` {self.mode!r} cannot pad an empty axis; came {x} with widths {self.widths}.")
        return Spec(tuple(n + lo + hi for n, (lo, hi) in zip(x.shape, self.widths, strict=True)), x.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        (x,) = arrays
        self.output_spec(spec_of(x))
        if self.mode == "constant":
            return np.pad(x, self.widths, constant_values=np.asarray(self.value).astype(x.dtype))
        return np.pad(x, self.widths, mode=PAD_MODES[self.mode])  # type: ignore[call-overload]

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        shape = spec_of(inputs[0]).shape
        (d,) = diff_outputs
        if self.mode == "constant":
            start = tuple(lo for lo, _ in self.widths)
            return [strided_slice(d, start, tuple(lo + n for lo, n in zip(start, shape, strict=True)))]
        for axis, (n, width) in enumerate(
            zip(shape, self.widths, strict=True)
        ):  # each element returns to where it came from
            if sum(width):
                sources = np.pad(np.arange(n, dtype=np.int32), width, mode=PAD_MODES[self.mode])  # type: ignore[call-overload]
                d = scatter_add(sources, d, (*spec_of(d).shape[:axis], n, *spec_of(d).shape[axis + 1 :]), axis)
        return [d]


@dataclass(frozen=True)
class Slice(Op):
    """`x[start:stop:step]` with one non-negative start, stop (at most the extent) and positive step per axis."""

    start: tuple[int, ...]
    stop: tuple[int, ...]
    step: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        if not len(self.start) == len(self.stop) == len(self.step) == len(x.shape):
            raise ValueError(
                f"`start`, `stop` and `step` need one entry per axis of {x}; came {self.start}, {self.stop}, "
                f"{self.step}."
            )
        for lo, hi, by, n in zip(self.start, self.stop, self.step, x.shape, strict=True):
            if not (0 <= lo <= hi <= n and by >= 1):
                raise ValueError(
                    f"A slice needs 0 <= start <= stop <= extent and step >= 1 in each axis of {x}; came start "
                    f"{self.start}, "
                    f"stop {self.stop}, step {self.step}."
                )
        return Spec(
            tuple(-(-(hi - lo) // by) for lo, hi, by in zip(self.start, self.stop, self.step, strict=True)), x.dtype
        )

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(spec_of(arrays[0]))
        return arrays[0][tuple(map(slice, self.start, self.stop, self.step))]

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (d,) = diff_outputs
        shape, kept = spec_of(inputs[0]).shape, spec_of(d).shape
        if 0 in kept:
            return [full(shape, 0, spec_of(d).dtype)]
        for axis, (by, count) in enumerate(zip(self.step, kept, strict=True)):
            if (
                by > 1 and count > 1
            ):  # zeros between: as columns of a (count, by) matrix, whose last row ends after its first element
                now = spec_of(d).shape
                d = reshape(d, (*now[: axis + 1], 1, *now[axis + 1 :]))
                widths = [(0, 0)] * (axis + 1) + [(0, by - 1)] + [(0, 0)] * (len(now) - axis - 1)
                d = reshape(pad(d, widths), (*now[:axis], count * by, *now[axis + 1 :]))
                d = take_slice(d, axis, 0, (count - 1) * by + 1)
        widths = [(lo, n - lo - m) for lo, n, m in zip(self.start, shape, spec_of(d).shape, strict=True)]
        return [pad(d, widths)]


@dataclass(frozen=True)
class Reverse(Op):
    """The elements in opposite order along each of `axes`."""

    axes: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        normalize_axes(self.axes, len(inputs[0].shape))
        return inputs[0]

    def reference(self, *arrays: np.ndarray) -> Any:
        return np.flip(arrays[0], self.axes)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [apply(self, diff_outputs[0])]


@dataclass(frozen=True)
class Concatenate(Op):
    """Arrays one after the other along `axis`; all other extents are equal."""

    axis: int

    def output_spec(self, *inputs: Spec) -> Spec:
        if not inputs:
            raise ValueError("`concatenate` needs at least one array.")
        require_equal_dtypes("concatenate", *inputs)
        shape = inputs[0].shape
        axis = normalize_axis(self.axis, len(shape))
        for other in inputs:
            if len(other.shape) != len(shape) or any(
                n != m for a, (n, m) in enumerate(zip(other.shape, shape, strict=True)) if a != axis
            ):
                raise ValueError(
                    f"`concatenate` along axis {axis} needs equal extents in other axes; came "
                    f"{', '.join(str(s.shape) for s in inputs)}."
                )
        return Spec((*shape[:axis], sum(s.shape[axis] for s in inputs), *shape[axis + 1 :]), inputs[0].dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(*map(spec_of, arrays))
        return np.concatenate(arrays, self.axis)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        axis = normalize_axis(self.axis, len(spec_of(inputs[0]).shape))
        ends = np.cumsum([spec_of(x).shape[axis] for x in inputs]).tolist()
        return [take_slice(diff_outputs[0], axis, lo, hi) for lo, hi in zip([0, *ends], ends)]  # noqa: B905


def _require_integer(what: str, spec: Spec) -> None:
    if not is_integer(spec.dtype):
        raise ValueError(f"`indices` of {what} must be integers; came {spec}. Convert with `cast` first.")


@dataclass(frozen=True)
class Gather(Op):
    """(x, indices) → x with `axis` replaced by the axes of `indices`. Negative indices count from the end. An index
    that is out of range gives NaN (0 for integers): machine code cannot raise; where it must not happen, check
    before."""

    axis: int

    def output_spec(self, *inputs: Spec) -> Spec:
        x, indices = inputs
        axis = normalize_axis(self.axis, len(x.shape))
        _require_integer("gather", indices)
        return Spec((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        x, indices = arrays
        spec = self.output_spec(spec_of(x), spec_of(indices))
        axis = normalize_axis(self.axis, x.ndim)
        where, inside = _wrapped(indices, x.shape[axis])
        if inside.all():
            return np.take(x, where, axis)
        fill = np.asarray(np.nan if is_inexact(spec.dtype) else 0).astype(x.dtype)
        if x.shape[axis] == 0:
            return np.full(spec.shape, fill, x.dtype)
        inside = inside.reshape((1,) * axis + inside.shape + (1,) * (x.ndim - axis - 1))
        return np.where(inside, np.take(x, where, axis), fill)

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        x, indices = inputs
        return [scatter_add(indices, diff_outputs[0], spec_of(x).shape, self.axis), None]


def _wrapped(indices: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices counted from 0 (0 where out of range), and which of them are in range."""
    wide = indices.astype(np.int64)
    inside = (wide >= -n) & (wide < n)
    return np.where(inside, np.where(wide < 0, wide + n, wide), 0), inside


@dataclass(frozen=True)
class ScatterAdd(Op):
    """(indices, updates) → zeros of `shape` to which every update is added at its index along `axis`: the adjoint of
    Gather. Indices that are out of range are left out."""

    shape: tuple[int, ...]
    axis: int

    def output_spec(self, *inputs: Spec) -> Spec:
        indices, updates = inputs
        axis = normalize_axis(self.axis, len(self.shape))
        _require_integer("scatter_add", indices)
        need = (*self.shape[:axis], *indices.shape, *self.shape[axis + 1 :])
        if updates.shape != need:
            raise ValueError(
                f"`updates` must have shape {need} ({self.shape}, its axis {axis} replaced by {indices}); came "
                f"{updates}."
            )
        return Spec(self.shape, updates.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        indices, updates = arrays
        self.output_spec(spec_of(indices), spec_of(updates))
        axis = normalize_axis(self.axis, len(self.shape))
        n = self.shape[axis]
        where, inside = _wrapped(indices.reshape(-1), n)
        flat = updates.reshape(*self.shape[:axis], indices.size, *self.shape[axis + 1 :])
        rows = np.moveaxis(flat, axis, 0)[inside]
        result = np.zeros((n, *rows.shape[1:]), updates.dtype)
        np.add.at(result, where[inside], rows)
        return np.ascontiguousarray(np.moveaxis(result, 0, axis))

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [None, gather(diff_outputs[0], inputs[0], self.axis)]


@dataclass(frozen=True)
class OneHot(Op):
    """A new last axis of `depth`: 1 at the index, 0 elsewhere; all 0 where the index is out of range."""

    depth: int
    dtype: str = "float32"

    def output_spec(self, *inputs: Spec) -> Spec:
        _require_integer("one_hot", inputs[0])
        if self.depth < 0:
            raise ValueError(f"`depth` must not be negative; came {self.depth}.")
        return Spec((*inputs[0].shape, self.depth), self.dtype)

    def reference(self, *arrays: np.ndarray) -> Any:
        self.output_spec(spec_of(arrays[0]))
        return (arrays[0][..., None] == np.arange(self.depth)).astype(to_dtype(self.dtype))

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        return [None]


@dataclass(frozen=True)
class UpdateSlice(Op):
    """(x, updates) → x with the block that begins at `start` replaced by `updates`."""

    start: tuple[int, ...]

    def output_spec(self, *inputs: Spec) -> Spec:
        x, updates = inputs
        require_equal_dtypes("update_slice", x, updates)
        if not len(self.start) == len(x.shape) == len(updates.shape):
            raise ValueError(f"`start`, `x` and `updates` need one rank; came {self.start}, {x} and {updates}.")
        if any(lo < 0 or lo + m > n for lo, m, n in zip(self.start, updates.shape, x.shape, strict=True)):
            raise ValueError(f"`updates` {updates} at {self.start} must lie inside of {x}.")
        return x

    def reference(self, *arrays: np.ndarray) -> Any:
        x, updates = arrays
        self.output_spec(spec_of(x), spec_of(updates))
        result = x.copy()
        result[tuple(slice(lo, lo + m) for lo, m in zip(self.start, updates.shape, strict=True))] = updates
        return result

    def gradient(self, inputs: Sequence[Any], outputs: Sequence[Any], diff_outputs: Sequence[Any]) -> Sequence[Any]:
        (d,), block = diff_outputs, spec_of(inputs[1]).shape
        stop = tuple(lo + m for lo, m in zip(self.start, block, strict=True))
        return [update_slice(d, full(block, 0, spec_of(d).dtype), self.start), strided_slice(d, self.start, stop)]


def inverse_permutation(permutation: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `permutation`."""
    return tuple(np.argsort(permutation).tolist())


def full(shape: Sequence[int], value: float, dtype: str) -> np.ndarray:
    """A constant array that stores one element (strides 0, read-only)."""
    return np.broadcast_to(np.asarray(value, to_dtype(dtype)), tuple(shape))


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """`x` in another shape; one extent may be -1 and follows from the others."""
    spec = spec_of(x)
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    if -1 in shape:
        known = prod(n for n in shape if n != -1)
        if shape.count(-1) > 1 or known == 0 or spec.size % known:
            raise ValueError(
                f"`shape` {shape} leaves no whole extent for -1: the array is {spec}, of {spec.size} elements."
            )
        shape = tuple(spec.size // known if n == -1 else n for n in shape)
    return x if shape == spec.shape else apply(Reshape(shape), x)


def transpose(x: Any, permutation: Sequence[int] | None = None) -> Any:
    """Axes in the order of `permutation`; reversed by default."""
    rank = len(spec_of(x).shape)
    order = (
        tuple(range(rank))[::-1]
        if permutation is None
        else tuple(normalize_axis(int(a), rank, "permutation") for a in permutation)
    )
    return x if order == tuple(range(rank)) else apply(Transpose(order), x)


def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """`x` repeated up to `shape`."""
    (x,) = operands(x)
    shape = tuple(int(n) for n in shape)
    return x if spec_of(x).shape == shape else apply(BroadcastTo(shape), x)


def pad(x: Any, widths: Sequence[Sequence[int]], mode: str = "constant", value: float = 0.0) -> Any:
    """`x` with a border: see Pad for the modes."""
    pairs = tuple((int(lo), int(hi)) for lo, hi in widths)
    return x if not any(map(any, pairs)) and len(pairs) == len(spec_of(x).shape) else apply(Pad(pairs, mode, value), x)


def strided_slice(x: Any, start: Sequence[int], stop: Sequence[int], step: Sequence[int] | None = None) -> Any:
    """`x[start:stop:step]`, one entry per axis; all of them non-negative, steps positive."""
    shape = spec_of(x).shape
    start, stop, step = tuple(start), tuple(stop), tuple(step) if step is not None else (1,) * len(shape)
    whole = start == (0,) * len(shape) and stop == shape and step == (1,) * len(shape)
    return x if whole else apply(Slice(start, stop, step), x)


def take_slice(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """`x[start:stop:step]` along one axis, all of the others."""
    shape = spec_of(x).shape
    axis = normalize_axis(axis, len(shape))
    starts, stops, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return strided_slice(x, starts, stops, steps)


def reverse(x: Any, axes: int | Sequence[int] | None = None) -> Any:
    """Opposite order along `axes` (all by default)."""
    axes = normalize_axes(axes, len(spec_of(x).shape))
    return apply(Reverse(axes), x) if axes else x


flip = reverse


def concatenate(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays one after the other along `axis`."""
    if len(arrays) == 1:
        return arrays[0]
    rank = len(spec_of(arrays[0]).shape) if arrays else 1
    return apply(Concatenate(normalize_axis(axis, rank)), *arrays)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape along a new axis."""
    axis = normalize_axis(axis, len(spec_of(arrays[0]).shape) + 1) if arrays else 0
    return concatenate([expand_dims(a, axis) for a in arrays], axis)


def gather(x: Any, indices: Any, axis: int = 0) -> Any:
    """Elements of `x` along `axis` at `indices` (integers, any shape)."""
    return apply(Gather(normalize_axis(axis, len(spec_of(x).shape))), x, indices)


def scatter_add(indices: Any, updates: Any, shape: Sequence[int], axis: int = 0) -> Any:
    """Zeros of `shape`, plus `updates` at `indices` along `axis`."""
    return apply(ScatterAdd(tuple(shape), normalize_axis(axis, len(shape))), indices, updates)


def one_hot(indices: Any, depth: int, dtype: str = "float32") -> Any:
    """1 at the index along a new last axis, 0 elsewhere."""
    return apply(OneHot(int(depth), dtype), indices)


def update_slice(x: Any, updates: Any, start: Sequence[int]) -> Any:
    """`x` with the block at `start` replaced."""
    return apply(UpdateSlice(tuple(int(s) for s in start)), x, updates)


def expand_dims(x: Any, axes: int | Sequence[int]) -> Any:
    """New axes of extent 1, at these places of the result."""
    shape = spec_of(x).shape
    count = 1 if isinstance(axes, (int, np.integer)) else len(axes)
    new = normalize_axes(axes, len(shape) + count)
    rest = iter(shape)
    return reshape(x, tuple(1 if a in new else next(rest) for a in range(len(shape) + count)))


def squeeze(x: Any, axes: int | Sequence[int] | None = None) -> Any:
    """Without the `axes` (by default all) of extent 1."""
    shape = spec_of(x).shape
    gone = tuple(a for a, n in enumerate(shape) if n == 1) if axes is None else normalize_axes(axes, len(shape))
    if any(shape[a] != 1 for a in gone):
        raise ValueError(f"`axes` {gone} to squeeze must have extent 1; the shape is {shape}.")
    return reshape(x, tuple(n for a, n in enumerate(shape) if a not in gone))


def tile(x: Any, repeats: Sequence[int]) -> Any:
    """`x` laid out `repeats[i]` times along axis i."""
    shape = spec_of(x).shape
    rank = builtins.max(len(shape), len(repeats))
    shape = (1,) * (rank - len(shape)) + shape
    repeats = (1,) * (rank - len(repeats)) + tuple(int(r) for r in repeats)
    paired = reshape(x, tuple(e for n in shape for e in (1, n)))
    wide = broadcast_to(paired, tuple(e for r, n in zip(repeats, shape, strict=True) for e in (r, n)))
    return reshape(wide, tuple(r * n for r, n in zip(repeats, shape, strict=True)))


def repeat(x: Any, repeats: int | Sequence[int], axis: int) -> Any:
    """Each element `repeats` times along `axis` (one number for all, or one per element)."""
    shape = spec_of(x).shape
    axis = normalize_axis(axis, len(shape))
    if not isinstance(repeats, (int, np.integer)):
        return gather(x, np.repeat(np.arange(shape[axis], dtype=np.int32), np.asarray(repeats)), axis)
    wide = broadcast_to(expand_dims(x, axis + 1), (*shape[: axis + 1], int(repeats), *shape[axis + 1 :]))
    return reshape(wide, (*shape[:axis], shape[axis] * int(repeats), *shape[axis + 1 :]))


def split(x: Any, parts: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Equal `parts`, or parts that begin at the given positions."""
    n = spec_of(x).shape[normalize_axis(axis, len(spec_of(x).shape))]
    if isinstance(parts, (int, np.integer)):
        if parts < 1 or n % parts:
            raise ValueError(
                f"`parts` must divide the extent {n} of axis {axis}; came {parts}. Give positions for unequal parts."
            )
        parts = [n // int(parts) * i for i in range(1, int(parts))]
    cuts = [builtins.min(builtins.max(p + n if p < 0 else p, 0), n) for p in map(int, parts)]
    return [take_slice(x, axis, lo, builtins.max(lo, hi)) for lo, hi in zip([0, *cuts], [*cuts, n], strict=True)]


def roll(x: Any, shift: int, axis: int) -> Any:
    """Elements moved on by `shift` along `axis`; those that leave at the end come back at the beginning."""
    n = spec_of(x).shape[normalize_axis(axis, len(spec_of(x).shape))]
    cut = -shift % n if n else 0
    return x if cut == 0 else concatenate([take_slice(x, axis, cut, n), take_slice(x, axis, 0, cut)], axis)
