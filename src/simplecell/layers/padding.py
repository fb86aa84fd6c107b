"""Padding that Keras's convolutions lack: reflected, circular, or so many zeros on each side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from simplecell.ops.geometry import dilated, same_padding

Pairs = tuple[tuple[int, int], ...]

KERAS_MODES = ("valid", "same", "causal")
OUR_MODES = ("reflect", "circular")


def standardize_padding(padding: Any, rank: int) -> str | Pairs:
    """The mode in lower case, or one `(before, after)` pair per spatial axis.

    Accepts an integer (the same everywhere), one integer or pair per spatial axis, and for rank 1 a bare pair.

    Raises:
        ValueError: for any other value.
    """
    modes = (*KERAS_MODES, *OUR_MODES) if rank == 1 else (*KERAS_MODES[:2], *OUR_MODES)
    example = ", ".join(["(1, 1)", "(0, 2)", "(1, 0)"][:rank])
    expected = (
        f"padding: expected one of {', '.join(map(repr, modes))}, a non-negative integer, "
        f"or {rank} of (before, after), one per spatial axis, like ({example}{',' if rank == 1 else ''}); received "
        f"{padding!r}"
    )
    if isinstance(padding, str):
        if padding.lower() not in modes:
            raise ValueError(expected)
        return padding.lower()
    if _is_size(padding):
        return ((int(padding), int(padding)),) * rank
    if not isinstance(padding, Sequence):
        raise ValueError(expected)
    if rank == 1 and len(padding) == 2 and all(_is_size(p) for p in padding):
        return ((int(padding[0]), int(padding[1])),)
    if len(padding) != rank:
        raise ValueError(expected)
    pairs = []
    for axis in padding:
        pair = (axis, axis) if _is_size(axis) else axis
        if not isinstance(pair, Sequence) or len(pair) != 2 or not all(_is_size(p) for p in pair):
            raise ValueError(expected)
        pairs.append((int(pair[0]), int(pair[1])))
    return tuple(pairs)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def widths(
    padding: str | Pairs,
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> Pairs:
    """How much to add before and after each spatial axis.

    "reflect" and "circular" keep the size (divided by the stride, rounded up), as "same" does, and split it as "same"
    does.

    Raises:
        ValueError: if an axis is too short to be reflected or wrapped that far, or unknown while its stride is above 1.
    """
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "causal":
        return tuple((dilated(k, d) - 1, 0) for k, d in zip(kernel, dilation))
    if not isinstance(padding, str):
        return padding
    pairs = []
    for axis, (size, k, s, d) in enumerate(zip(sizes, kernel, strides, dilation)):
        if size is None:
            if s > 1:
                raise ValueError(
                    f"padding: {padding!r} with strides={tuple(strides)} needs the input's size along spatial axis "
                    f"{axis}, which is None here; "
                    f"give the model an Input with known sizes, or explicit padding"
                )
            pair = ((dilated(k, d) - 1) // 2, dilated(k, d) - 1 - (dilated(k, d) - 1) // 2)
        else:
            pair = same_padding(size, k, s, d)
        limit = None if size is None else {"reflect": size - 1, "circular": size}.get(padding)
        if limit is not None and max(pair) > limit:
            raise ValueError(
                f"padding: {padding!r} adds {pair[0]} before and {pair[1]} after, but spatial axis {axis} has {size} "
                "elements, "
                f"of which at most {limit} can be {'reflected' if padding == 'reflect' else 'wrapped round'}; "
                f"use a smaller kernel_size or dilation_rate, or padding='same'"
            )
        pairs.append(pair)
    return tuple(pairs)


def pad(inputs: Any, pairs: Pairs, mode: str, first_axis: int) -> Any:
    """The padded tensor; spatial axis i is axis `first_axis + i`.

    | mode | `1234` padded by 2 |
    |---|---|
    | constant | `00 1234 00` |
    | reflect | `32 1234 32` |
    | circular | `34 1234 12` |
    """
    if not any(any(pair) for pair in pairs):
        return inputs
    if mode == "circular":
        for axis, (before, after) in enumerate(pairs, first_axis):
            inputs = _wrap(inputs, axis, before, after)
        return inputs
    everything = [(0, 0)] * len(inputs.shape)
    everything[first_axis : first_axis + len(pairs)] = pairs
    return keras.ops.pad(inputs, everything, mode=mode)


def _wrap(inputs: Any, axis: int, before: int, after: int) -> Any:
    """The last `before` elements of an axis, all of it, and its first `after` elements."""
    parts = [inputs]
    index = [slice(None)] * len(inputs.shape)
    if before:
        parts.insert(0, inputs[tuple([*index[:axis], slice(-before, None)])])
    if after:
        parts.append(inputs[tuple([*index[:axis], slice(None, after)])])
    return keras.ops.concatenate(parts, axis=axis) if len(parts) > 1 else inputs
